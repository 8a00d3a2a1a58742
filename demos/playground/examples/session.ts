import { type App, aggregate, collect, json, sessionWindow, toTopic } from 'tidemark'

interface View {
  readonly visitor: string
  readonly page: string
  readonly time: number
}

// The pages of each visit. Try another gap: with '5m' there are many more visits.
export default function (app: App) {
  const views = app.stream<View>('page-views', {
    value: json(),
    timestamp: ({ value }) => value.time,
    watermark: { maxOutOfOrderness: '2m' },
  })

  const paths = views.pipe(
    sessionWindow('30m'),
    aggregate(
      collect(({ value }) => value.page),
      { name: 'paths', emit: 'close' },
    ),
  )
  app.run('paths', paths.pipe(toTopic('paths')))
}

import { type App, aggregate, countDistinct, hoppingWindow, json, keyBy, toTopic } from 'tidemark'

interface View {
  readonly visitor: string
  readonly page: string
  readonly time: number
}

// How many people have looked at each page within an hour, every 15 minutes.
export default function (app: App) {
  const views = app.stream<View>('page-views', {
    value: json(),
    timestamp: ({ value }) => value.time,
    watermark: { maxOutOfOrderness: '2m' },
  })

  const readers = views.pipe(
    keyBy(({ value }) => value.page),
    hoppingWindow('1h', '15m'),
    aggregate(
      countDistinct(({ value }) => value.visitor),
      { name: 'readers', emit: 'close' },
    ),
  )
  app.run('readers', readers.pipe(toTopic('readers-per-page')))
}

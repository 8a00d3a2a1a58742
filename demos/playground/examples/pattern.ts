import { type App, json, matchPattern, pattern, type StreamRecord, toTopic } from 'tidemark'

interface View {
  readonly visitor: string
  readonly page: string
  readonly time: number
}
type Viewed = StreamRecord<string, View>

// Who looks at the prices, and opens the account within half an hour.
const interested = pattern('prices', ({ value }: Viewed) => value.page === '/pricing')
  .followedBy('account', ({ value }) => value.page === '/account')
  .within('30m')

export default function (app: App) {
  const views = app.stream<View>('page-views', {
    value: json(),
    timestamp: ({ value }) => value.time,
    watermark: { maxOutOfOrderness: '2m' },
  })

  const found = views.pipe(
    matchPattern(interested, {
      name: 'interested',
      select: ({ prices, account }) => ({
        visitor: prices.key,
        seconds: Math.round((account.timestamp - prices.timestamp) / 1_000),
      }),
    }),
  )
  app.run('interested', found.pipe(toTopic('interested')))
}

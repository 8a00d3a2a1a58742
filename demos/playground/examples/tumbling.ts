import { type App, aggregate, count, json, keyBy, sum, toTopic, tumblingWindow } from 'tidemark'

interface Transaction {
  readonly user: string
  readonly country: string
  readonly amount: number
  readonly time: number
}

// How much is paid in each country, hour by hour.
export default function (app: App) {
  const transactions = app.stream<Transaction>('transactions', {
    value: json(),
    timestamp: ({ value }) => value.time,
    watermark: { maxOutOfOrderness: '1m' },
  })

  const volume = transactions.pipe(
    keyBy(({ value }) => value.country),
    tumblingWindow('1h'),
    aggregate(
      { payments: count(), amount: sum(({ value }) => value.amount / 100) },
      // Try 'update': a result for each payment.
      { name: 'volume', emit: 'close' },
    ),
  )
  app.run('volume', volume.pipe(toTopic('volume-per-country')))
}

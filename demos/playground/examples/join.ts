import { type App, json, streamStreamJoin, toTopic } from 'tidemark'

interface Order {
  readonly id: string
  readonly warehouse: string
  readonly time: number
}
interface Shipment {
  readonly order: string
  readonly carrier: string
  readonly time: number
}

// Each order with its shipment, if it leaves within a day; without one, as soon as the day is over.
export default function (app: App) {
  const source = <V extends { readonly time: number }>(topic: string) =>
    app.stream<V>(topic, {
      value: json(),
      timestamp: ({ value }) => value.time,
      watermark: { maxOutOfOrderness: '10m' },
    })

  const fulfilled = source<Order>('orders').pipe(
    streamStreamJoin(
      source<Shipment>('shipments'),
      ({ warehouse, time }, shipment) => ({
        warehouse,
        carrier: shipment?.carrier ?? null,
        hours: shipment === null ? null : Math.round((shipment.time - time) / 360_000) / 10,
      }),
      { after: '24h', kind: 'left', name: 'fulfilled' },
    ),
  )
  app.run('fulfilled', fulfilled.pipe(toTopic('fulfilled')))
}

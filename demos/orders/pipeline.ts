import { merge } from 'rxjs'
import {
  type App,
  aggregate,
  count,
  json,
  keyBy,
  mapValues,
  type StreamRecord,
  sideOutput,
  split,
  streamStreamJoin,
  streamTableJoin,
  sum,
  toTable,
  toTopic,
  type WatermarkOptions,
} from 'tidemark'
import { onTime } from '../shared/onTime.js'

export interface Order {
  readonly id: string
  readonly warehouse: string
  /** In cents. */
  readonly amount: number
  /** Event time, ms since the epoch. */
  readonly time: number
}

export interface Shipment {
  /** Id of the order. */
  readonly order: string
  readonly carrier: string
  /** Event time: when it left the warehouse, ms since the epoch. */
  readonly time: number
}

/** An order that left within 24 hours. */
export interface Shipped extends Order {
  readonly carrier: string
  /** From order to shipment. */
  readonly tookMs: number
}

/** A shipment that left when the 24 hours were over. */
export interface LateShipment extends Shipment {
  readonly warehouse: string | null
  /** From order to shipment; null if there is no such order. */
  readonly tookMs: number | null
}

/** Of a warehouse, for all orders whose 24 hours are over, or that have left before. */
export interface Performance {
  readonly orders: number
  readonly onTime: number
  /** Of those on time; null if there are none. */
  readonly meanMs: number | null
}

/** An order and a shipment within 24 hours after it, or one of both that has met none. */
interface Match<O extends Order | null = Order | null, S extends Shipment | null = Shipment | null> {
  readonly order: O
  readonly shipment: S
}
type Matched<O extends Order | null, S extends Shipment | null> = StreamRecord<string, Match<O, S>>

/** The topics that the pipeline reads and writes; all are keyed by order, but `warehouses` by warehouse. */
export const topics = {
  orders: 'orders',
  shipments: 'shipments',
  shipped: 'shipped-orders',
  overdue: 'overdue-orders',
  tooLate: 'late-shipments',
  warehouses: 'warehouses',
  late: 'late-reports',
} as const

/** How far out of order reports may come; without an idle time-out, so that the wall clock has no say. */
export const WATERMARK = { maxOutOfOrderness: '10m' } as const

export interface OrdersOptions {
  readonly watermark?: WatermarkOptions
}

/** Tells which orders leave within 24 hours, which don't, and which of those leave later. */
export function orders(app: App, { watermark = { ...WATERMARK, idleTimeout: '10s' } }: OrdersOptions = {}) {
  const late = sideOutput<StreamRecord<string, Order | Shipment>>('late')
  const source = <V extends Order | Shipment>(topic: string) =>
    app
      .stream<V>(topic, { value: json(), timestamp: ({ value }) => value.time, watermark, onError: 'skip' })
      .pipe(onTime(late, `${topic}-on-time`))
  const shipments = source<Shipment>(topics.shipments)

  const matches = source<Order>(topics.orders).pipe(
    streamStreamJoin(shipments, (order, shipment): Match => ({ order, shipment }), {
      after: '24h',
      kind: 'outer',
      name: 'within-24h',
    }),
  )
  const { met, lonelyOrders, lonelyShipments } = split(matches, {
    met: (match): match is Matched<Order, Shipment> => match.value.order !== null && match.value.shipment !== null,
    lonelyOrders: (match): match is Matched<Order, null> => match.value.order !== null,
    lonelyShipments: (match): match is Matched<null, Shipment> => match.value.shipment !== null,
  })
  const shipped = met.pipe(
    mapValues(
      ({ order, shipment }): Shipped => ({
        ...order,
        carrier: shipment.carrier,
        tookMs: shipment.time - order.time,
      }),
    ),
  )
  const overdue = lonelyOrders.pipe(mapValues(({ order }) => order))
  // An order is overdue before a shipment can be too late for it.
  const tooLate = lonelyShipments.pipe(
    streamTableJoin(
      toTable('overdue', overdue, { ttl: '30d' }),
      ({ shipment }, order): LateShipment => ({
        ...shipment,
        warehouse: order?.warehouse ?? null,
        tookMs: order === null ? null : shipment.time - order.time,
      }),
      { kind: 'left' },
    ),
  )

  const warehouses = merge(
    shipped.pipe(mapValues(({ warehouse, tookMs }) => ({ warehouse, onTime: 1, tookMs }))),
    overdue.pipe(mapValues(({ warehouse }) => ({ warehouse, onTime: 0, tookMs: 0 }))),
  ).pipe(
    keyBy(({ value }) => value.warehouse, { name: 'by-warehouse' }),
    aggregate(
      { orders: count(), onTime: sum(({ value }) => value.onTime), tookMs: sum(({ value }) => value.tookMs) },
      { name: 'warehouses' },
    ),
    mapValues(
      ({ orders, onTime, tookMs }): Performance => ({ orders, onTime, meanMs: onTime === 0 ? null : tookMs / onTime }),
    ),
  )

  app.run('shipped', shipped.pipe(toTopic(topics.shipped)))
  app.run('overdue', overdue.pipe(toTopic(topics.overdue)))
  app.run('too-late', tooLate.pipe(toTopic(topics.tooLate)))
  app.run('warehouses', warehouses.pipe(toTopic(topics.warehouses)))
  app.run('late', late.pipe(toTopic(topics.late)))
  return { shipped, overdue, tooLate, warehouses, late }
}

import { demo } from '../../demos/orders/demo.js'
import {
  type LateShipment,
  type Order,
  orders,
  type Performance,
  type Shipment,
  type Shipped,
  topics,
} from '../../demos/orders/pipeline.js'
import type { Broker } from '../../lib/ports/broker.js'
import { byKey, type DemoCase, firstOf, latest, type PlainOutcome, partition, sorted } from './demoCase.js'
import { type Outcome, plainLoop, type Report } from './ordersLoop.js'

const SEED = 7
const COUNT = 3_000

export const WATERMARK = { maxOutOfOrderness: '10m' } as const

export const expected = (): Outcome =>
  plainLoop(
    Array.from(
      firstOf({ demo, seed: SEED, count: COUNT }),
      ({ topic, value }): Report =>
        topic === topics.orders ? { order: value as Order } : { shipment: value as Shipment },
    ),
    partition,
  )

const plain = ({ shipped, overdue, tooLate, late, warehouses }: Outcome): PlainOutcome => ({
  shipped: sorted(shipped),
  overdue: sorted(overdue),
  tooLate: sorted(tooLate),
  late: sorted(late),
  warehouses: sorted(warehouses),
})

export const ordersCase: DemoCase = {
  demo,
  seed: SEED,
  count: COUNT,
  build: (app) => orders(app, { watermark: WATERMARK }),
  expected: () => plain(expected()),
  read: async (broker) =>
    plain({
      shipped: await single<Shipped>(broker, topics.shipped),
      overdue: await single<Order>(broker, topics.overdue),
      tooLate: await single<LateShipment>(broker, topics.tooLate),
      late: await byKey<Order | Shipment>(broker, topics.late),
      warehouses: await latest<Performance>(broker, topics.warehouses),
    }),
}

/** A topic in which each key comes once. One that comes twice has a list, which is like nothing that must come out. */
async function single<V>(broker: Broker, topic: string): Promise<Map<string, V>> {
  const lists = await byKey<V>(broker, topic)
  return new Map(Array.from(lists, ([key, list]) => [key, (list.length === 1 ? list[0] : list) as V]))
}

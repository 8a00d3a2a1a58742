import { demo } from '../../demos/orders/demo.js'
import {
  type LateShipment,
  type Order,
  orders,
  type Performance,
  type Shipment,
  type Shipped,
  topics,
  WATERMARK,
} from '../../demos/orders/pipeline.js'
import {
  byKey,
  type DemoCase,
  generated,
  latest,
  type Part,
  type PlainOutcome,
  partitionIn,
  sorted,
  type Written,
} from './demoCase.js'
import { type Outcome, plainLoop, type Report } from './ordersLoop.js'

const PART: Part = { seed: 7, count: 3_000, partitions: 4 }

export const expected = (part = PART): Outcome =>
  plainLoop(
    Array.from(
      generated(demo, part),
      ({ topic, value }): Report =>
        topic === topics.orders ? { order: value as Order } : { shipment: value as Shipment },
    ),
    partitionIn(part),
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
  part: PART,
  build: (app) => orders(app, { watermark: WATERMARK }),
  expected: (part) => plain(expected(part)),
  outcomeOf: (written) =>
    plain({
      shipped: single<Shipped>(written, topics.shipped),
      overdue: single<Order>(written, topics.overdue),
      tooLate: single<LateShipment>(written, topics.tooLate),
      late: byKey<Order | Shipment>(written, topics.late),
      warehouses: latest<Performance>(written, topics.warehouses),
    }),
}

/** A topic in which each key comes once. One that comes twice has a list, which is like nothing that must come out. */
function single<V>(written: readonly Written[], topic: string): Map<string, V> {
  return new Map(
    Array.from(byKey<V>(written, topic), ([key, list]) => [key, (list.length === 1 ? list[0] : list) as V]),
  )
}

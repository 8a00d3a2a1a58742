import type { Demo } from '../shared/demo.js'
import { instant } from '../shared/instant.js'
import { span } from '../shared/span.js'
import type { TailRecord } from '../shared/tail.js'
import { happenings } from './generator.js'
import { type LateShipment, type Order, orders, type Performance, topics } from './pipeline.js'

const { orders: ordersTopic, shipments, ...outputs } = topics

export const demo: Demo = {
  name: 'orders',
  inputs: [ordersTopic, shipments],
  outputs: Object.values(outputs),
  compacted: [topics.warehouses],
  noun: 'orders and shipments',
  rate: 50,
  build: orders,
  facts: () => [],
  happenings,
  board() {
    const counts = { [topics.shipped]: 0, [topics.overdue]: 0, [topics.tooLate]: 0, [topics.late]: 0 }
    const warehouses = new Map<string, Performance>()
    return {
      take(topic, { key, value }: TailRecord<any>) {
        if (topic in counts) counts[topic as keyof typeof counts]++
        if (topic === topics.warehouses) warehouses.set(key, value)
        if (topic === topics.overdue) return overdueLine(value)
        if (topic === topics.tooLate) return tooLateLine(value)
        return
      },
      figures: () =>
        Object.entries(counts)
          .map(([topic, n]) => `${topic.replace('-', ' ')} ${n}`)
          .join(', '),
      table: () => [
        `${'warehouse'.padEnd(12)}${'orders'.padStart(8)}${'within 24 h'.padStart(14)}${'mean'.padStart(14)}`,
        ...[...warehouses]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(
            ([warehouse, { orders, onTime, meanMs }]) =>
              `${warehouse.padEnd(12)}${String(orders).padStart(8)}${`${Math.round((onTime / orders) * 100)} %`.padStart(14)}${(meanMs === null ? '-' : span(meanMs)).padStart(14)}`,
          ),
      ],
    }
  },
}

const overdueLine = ({ time, id, warehouse }: Order) =>
  `${instant(time)}  OVERDUE  ${id}  ${warehouse}: ordered then, not shipped within 24 hours`

const tooLateLine = ({ time, order, warehouse, carrier, tookMs }: LateShipment) =>
  `${instant(time)}  LATE     ${order}  ${tookMs === null ? 'shipped, but nobody knows the order' : `${warehouse}: shipped by ${carrier} after ${span(tookMs)}`}`

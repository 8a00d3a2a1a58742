import type { InputRecord } from 'tidemark/testing'
import { topics } from '../../demos/orders/pipeline.js'
import type { Report } from '../demos/ordersLoop.js'
import { keyIn, PARTITIONS } from './partitions.js'

const HOUR = 3_600_000
const START = Date.UTC(2026, 0, 5)

const order = (id: string, hours: number, warehouse = 'Lyon'): Report => ({
  order: { id, warehouse, amount: 10_00, time: START + hours * HOUR },
})
const shipment = (id: string, hours: number): Report => ({
  shipment: { order: id, carrier: 'post', time: START + hours * HOUR },
})
/** In each partition, so that its time goes on. */
const everywhere = (report: (id: string) => Report, prefix: string) =>
  Array.from({ length: PARTITIONS }, (_, n) => report(keyIn(n, prefix)))

export const REPORTS: readonly Report[] = [
  order('in-time', 0),
  order('too-late', 1, 'Porto'),
  order('forgotten', 1.5),
  // The shipment is reported first, and the other one at the last moment.
  shipment('hasty', 3),
  order('hasty', 2.9, 'Porto'),
  shipment('in-time', 24),
  ...everywhere((id) => order(id, 26), 'new'),
  ...everywhere((id) => shipment(id, 27), 'new'),
  shipment('too-late', 28),
  // Reported too late.
  shipment('forgotten', 2),
  shipment('unknown', 28.5),
  ...everywhere((id) => order(id, 60), 'newer'),
  ...everywhere((id) => shipment(id, 61), 'newer'),
]

export const INPUT: readonly InputRecord[] = REPORTS.map((report) =>
  'order' in report
    ? { topic: topics.orders, key: report.order.id, value: report.order, timestamp: report.order.time }
    : { topic: topics.shipments, key: report.shipment.order, value: report.shipment, timestamp: report.shipment.time },
)

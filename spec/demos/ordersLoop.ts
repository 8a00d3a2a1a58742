import type { LateShipment, Order, Performance, Shipment, Shipped } from '../../demos/orders/pipeline.js'

/* What the orders pipeline must give, by a loop that shares nothing with it but the types. */

export interface Outcome {
  /** Each by order. */
  readonly shipped: Map<string, Shipped>
  readonly overdue: Map<string, Order>
  readonly tooLate: Map<string, LateShipment>
  readonly late: Map<string, (Order | Shipment)[]>
  readonly warehouses: Map<string, Performance>
}

export type Report = { readonly order: Order } | { readonly shipment: Shipment }

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

export function plainLoop(reports: Iterable<Report>, partitionOf: (order: string) => number): Outcome {
  const outcome: Outcome = {
    shipped: new Map(),
    overdue: new Map(),
    tooLate: new Map(),
    late: new Map(),
    warehouses: new Map(),
  }
  const orders = new Map<string, Order>()
  const shipments = new Map<string, Shipment>()
  /** Of each partition, the newest order and the newest shipment. */
  const newest = new Map<number, { order: number; shipment: number }>()
  for (const report of reports) {
    const isOrder = 'order' in report
    const id = isOrder ? report.order.id : report.shipment.order
    const value = isOrder ? report.order : report.shipment
    const seen = newest.get(partitionOf(id)) ?? { order: 0, shipment: 0 }
    newest.set(partitionOf(id), seen)
    const side = isOrder ? 'order' : 'shipment'
    seen[side] = Math.max(seen[side], value.time)
    if (value.time < seen[side] - 10 * MINUTE) outcome.late.set(id, [...(outcome.late.get(id) ?? []), value])
    else if (isOrder) orders.set(id, report.order)
    else shipments.set(id, report.shipment)
  }

  const now = (id: string) => {
    const { order, shipment } = newest.get(partitionOf(id)) as { order: number; shipment: number }
    return Math.min(order, shipment) - 10 * MINUTE
  }
  for (const order of orders.values()) {
    const shipment = shipments.get(order.id)
    const tookMs = shipment === undefined ? Number.POSITIVE_INFINITY : shipment.time - order.time
    if (shipment !== undefined && tookMs <= DAY)
      outcome.shipped.set(order.id, { ...order, carrier: shipment.carrier, tookMs })
    else if (order.time + DAY < now(order.id)) outcome.overdue.set(order.id, order)
  }
  for (const [id, shipment] of shipments) {
    if (outcome.shipped.has(id) || shipment.time >= now(id)) continue
    const order = orders.get(id)
    const tookMs = order === undefined ? null : shipment.time - order.time
    outcome.tooLate.set(id, { ...shipment, warehouse: order?.warehouse ?? null, tookMs })
  }
  for (const order of [...outcome.shipped.values(), ...outcome.overdue.values()]) {
    const { orders, onTime, meanMs } = outcome.warehouses.get(order.warehouse) ?? { orders: 0, onTime: 0, meanMs: null }
    const shipped = outcome.shipped.get(order.id)
    const sum = (meanMs ?? 0) * onTime + (shipped?.tookMs ?? 0)
    const times = onTime + (shipped === undefined ? 0 : 1)
    outcome.warehouses.set(order.warehouse, {
      orders: orders + 1,
      onTime: times,
      meanMs: times === 0 ? null : Math.round(sum) / times,
    })
  }
  return outcome
}

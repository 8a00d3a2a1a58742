import { type Arrival, arrivals } from '../shared/arrivals.js'
import type { Happening } from '../shared/demo.js'
import { mulberry32, pick } from '../shared/random.js'
import { type Order, type Shipment, topics } from './pipeline.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** Event time of the first order. */
export const START = Date.UTC(2026, 0, 5)
const STEP_MS = 6 * MINUTE
/** Reports come out of order by at most this, but for a few that come much later. */
const DISORDER_MS = 8 * MINUTE

/** With the hours that half of the orders wait for at most. */
const WAREHOUSES = [
  ['Antwerp', 5],
  ['Gdansk', 8],
  ['Lyon', 11],
  ['Porto', 16],
] as const
const CARRIERS = ['bicycle', 'post', 'truck', 'train']

/** Orders of some weeks, and their shipments: most within 24 hours, some later, a few never. */
export const happenings = (seed: number): Generator<Happening> => arrivals(sales(mulberry32(seed)))

function* sales(random: () => number): Generator<{ from: number; records: Arrival[] }> {
  for (let n = 0; ; n++) {
    const from = START + n * STEP_MS
    const [warehouse, medianHours] = pick(random, WAREHOUSES)
    const id = `order-${String(n + 1).padStart(5, '0')}`
    const amount = 5_00 + Math.floor(random() ** 3 * 400_00)
    const order: Order = { id, warehouse, amount, time: from + Math.floor(random() * STEP_MS) }
    const records = [arrival(random, topics.orders, id, order)]
    const isForgotten = random() < 0.04
    // Log-normal, more or less: a few take several times as long as most.
    const waitMs = medianHours * HOUR * Math.exp((random() + random() + random() - 1.5) * 1.1)
    const shipment: Shipment = { order: id, carrier: pick(random, CARRIERS), time: order.time + Math.floor(waitMs) }
    if (!isForgotten) records.push(arrival(random, topics.shipments, id, shipment))
    yield { from, records }
  }
}

function arrival(random: () => number, topic: string, key: string, value: Order | Shipment): Arrival {
  const isLate = random() < 0.006
  const delay = Math.floor(random() * DISORDER_MS) + (isLate ? HOUR : 0)
  return { topic, key, value, timestamp: value.time, at: value.time + delay }
}

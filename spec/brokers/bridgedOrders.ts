import { mulberry32 } from '../../demos/shared/random.js'
import {
  type App,
  aggregate,
  collect,
  count,
  json,
  keyBy,
  partitionOf,
  type StreamRecord,
  sideOutput,
  sum,
  toTopic,
  tumblingWindow,
} from '../../lib/index.js'
import type { Broker, OutRecord } from '../../lib/ports/broker.js'
import { NO_HEADERS } from '../../lib/record/record.js'
import { utf8 } from '../../lib/record/serde.js'

/* An app over a topic of orders, and what it comes to: in Node, in a tab, wherever the topic is read. */

export interface BridgedOrder {
  readonly id: number
  readonly shop: string
  readonly amount: number
  readonly time: number
}

export const PARTITIONS = 3
/** The topics that the app writes. */
export const OUTPUTS = ['totals', 'late', 'shops'] as const

/** Orders of some minutes, some out of order, some too late; at the end of each partition one that closes all windows. */
export function orders(topic: string, amount: number, seed: number): OutRecord[] {
  const random = mulberry32(seed)
  const from = (n: number) => Math.floor(random() * n)
  const records = Array.from({ length: amount }, (_, id) => {
    const isLate = from(40) === 0
    const time = 1_000_000 + id * 200 - from(9_000) - (isLate ? 200_000 : 0)
    return order(topic, { id, shop: `shop${from(20)}`, amount: from(1_000), time })
  })
  const closing = Array.from({ length: PARTITIONS }, (_, partition) => {
    const shop = Array.from({ length: 100 }, (_, n) => `last${n}`).find((name) => partitionFor(name) === partition)
    return order(topic, { id: amount + partition, shop: shop as string, amount: 0, time: 20_000_000 })
  })
  return [...records, ...closing]
}

const partitionFor = (shop: string) => partitionOf(utf8.encode(shop), PARTITIONS)

/** In the partition of its key, to which what an app makes of it goes, too: so the order of that is the same in every run. */
const order = (topic: string, value: BridgedOrder): OutRecord => ({
  topic,
  partition: partitionFor(value.shop),
  key: utf8.encode(value.shop),
  value: utf8.encode(JSON.stringify(value)),
  timestamp: value.time,
  headers: NO_HEADERS,
})

/** Windows by shop within each partition, what came too late for them, and sums by shop over all partitions. */
export function windows(app: App, topic: string, prefix = ''): void {
  const stream = app.stream<BridgedOrder>(topic, {
    value: json(),
    timestamp: ({ value }) => value.time,
    watermark: { maxOutOfOrderness: '10s', idleTimeout: '1h' },
  })
  const late = sideOutput<StreamRecord<string, BridgedOrder>>('late')
  const totals = stream.pipe(
    tumblingWindow('1m', { grace: '5s', late }),
    aggregate(
      { orders: count(), total: sum(({ value }) => value.amount), ids: collect(({ value }) => value.id) },
      { name: 'totals', emit: 'close' },
    ),
  )
  app.run('totals', totals.pipe(toTopic(`${prefix}totals`)))
  app.run('late', late.pipe(toTopic(`${prefix}late`)))
  const shops = stream.pipe(
    keyBy(({ value }) => `${value.shop}`, { name: 'by-shop' }),
    aggregate({ orders: count(), total: sum(({ value }) => value.amount) }, { name: 'shops' }),
  )
  app.run('shops', shops.pipe(toTopic(`${prefix}shops`)))
}

/**
 * Writes records in pieces, half of each in a transaction, with one that is aborted in between.
 *
 * @param between called at a random place in each piece
 */
export async function writePieces(
  broker: Broker,
  records: readonly OutRecord[],
  pieces: number,
  between: (written: number) => Promise<void>,
): Promise<void> {
  const random = mulberry32(3)
  const producer = await broker.producer()
  const transactions = await broker.transactionalProducer(`writer of ${records[0]?.topic}`)
  const size = Math.ceil(records.length / pieces)
  for (let at = 0; at < records.length; at += size) {
    const middle = at + Math.floor(random() * size)
    const committed = await transactions.begin()
    await committed.send(records.slice(at, middle))
    await committed.commit()
    await between(middle)
    const aborted = await transactions.begin()
    await aborted.send(records.slice(0, 50))
    await aborted.abort()
    await producer.send(records.slice(middle, at + size))
  }
  await transactions.close()
  await producer.close()
}

/** Whether all orders are in what an app has written. */
export const isComplete = (found: Outcome, amount: number): boolean =>
  found.updates >= amount + PARTITIONS && settled(found) >= amount

export interface Outcome {
  /** Key, value and timestamp of each record, by topic and partition. */
  readonly totals: readonly (readonly Written[])[]
  readonly late: readonly (readonly Written[])[]
  readonly shops: readonly (readonly [key: string, value: string])[]
  /** How many records the sums by shop have been updated by. */
  readonly updates: number
}

type Written = readonly [key: string, value: string, timestamp: number]

/** Orders that are in a window's result, or were late for theirs. */
export const settled = ({ totals, late }: Outcome): number =>
  totals.flat().reduce((sum, [, value]) => sum + JSON.parse(value).orders, 0) + late.flat().length

/** What the app has written, record by record; of the sums by shop, which come in an order that hangs on which partition was ahead, the last. */
export async function outcome(broker: Broker, prefix = ''): Promise<Outcome> {
  const [totals = [], late = [], shops = []] = await Promise.all(
    OUTPUTS.map((topic) => recordsOf(broker, prefix + topic)),
  )
  const sums = shops.flat().map(([key, value]) => [key, value] as const)
  return { totals, late, shops: [...new Map(sums)].sort(([a], [b]) => (a < b ? -1 : 1)), updates: sums.length }
}

async function recordsOf(broker: Broker, topic: string): Promise<Written[][]> {
  const text = (bytes: Uint8Array | null) => (bytes === null ? 'null' : utf8.decode(bytes))
  return Promise.all(
    (await broker.ranges(topic)).map(async ({ start, end }, partition) => {
      const found: Written[] = []
      await broker.read({ topic, partition }, start, end, ({ records }) => {
        for (const { key, value, timestamp } of records) found.push([text(key), text(value), timestamp])
      })
      return found
    }),
  )
}

import { type Broker, json, NO_HEADERS, type OutRecord, partitionOf, string } from 'tidemark'
import { customers, START, transactions } from './generator.js'
import { topics } from './pipeline.js'
import { sizes } from './tail.js'

export interface FeedOptions {
  readonly seed: number
  /** Of transactions, those that are there already included. Default: no end. */
  readonly count?: number | undefined
  /** Transactions per second. Default: as fast as they are taken. */
  readonly rate?: number | undefined
  readonly signal?: AbortSignal
}

const BATCH = 1_000
const TICK_MS = 50

/** Creates the topics that are missing, and writes the customers. */
export async function prepare(broker: Broker, seed: number, partitions = 4): Promise<void> {
  const compacted: string[] = [topics.customers, topics.spend]
  await broker.createTopics(
    Object.values(topics).map((topic) => ({ topic, partitions, compacted: compacted.includes(topic) })),
  )
  if ((await sizes(broker, topics.customers)).some((size) => size > 0)) return
  const toRecord = await keyed(broker, topics.customers)
  const producer = await broker.producer()
  // Older than any transaction: a task handles its oldest record first.
  await producer.send(Array.from(customers(seed), ([user, customer]) => toRecord(user, customer, START - 86_400_000)))
  await producer.close()
}

/** Writes transactions from where the topic ends, until there are enough or the signal says so. */
export async function feed(broker: Broker, { seed, count, rate, signal }: FeedOptions): Promise<void> {
  const toRecord = await keyed(broker, topics.transactions)
  const producer = await broker.producer()
  // What a former run has written: of each partition's transactions, the first so many.
  const written = await sizes(broker, topics.transactions)
  const started = Date.now()
  const allowed = () => (rate === undefined ? Number.POSITIVE_INFINITY : ((Date.now() - started) / 1_000) * rate)
  let sent = 0
  let batch: OutRecord[] = []
  for (const transaction of transactions(seed, count)) {
    const record = toRecord(transaction.user, transaction, transaction.time)
    const { partition } = record
    if ((written[partition] as number) > 0) {
      written[partition] = (written[partition] as number) - 1
      continue
    }
    batch.push(record)
    if (batch.length < BATCH && sent + batch.length < allowed()) continue
    await producer.send(batch)
    sent += batch.length
    batch = []
    do await new Promise((resolve) => setTimeout(resolve, rate === undefined ? 0 : TICK_MS))
    while (sent >= allowed() && !signal?.aborted)
    if (signal?.aborted) break
  }
  await producer.send(batch)
  await producer.close()
}

/** Makes records as a Java producer would: the key decides about the partition. */
async function keyed(broker: Broker, topic: string) {
  const partitions = (await broker.topics([topic])).get(topic) as number
  return (user: string, given: unknown, timestamp: number): OutRecord => {
    const key = string().serialize(user)
    const value = json().serialize(given)
    return { topic, partition: partitionOf(key, partitions), key, value, timestamp, headers: NO_HEADERS }
  }
}

import { type Broker, json, NO_HEADERS, type OutRecord, partitionOf, string } from 'tidemark'
import { type Demo, type Happening, topicsOf } from './demo.js'
import { firstOf } from './firstOf.js'
import { sizes } from './tail.js'

export interface FeedOptions {
  readonly seed: number
  /** Of records, those that are there already included. Default: no end. */
  readonly count?: number | undefined
  /** Records per second. Default: as fast as they are taken. */
  readonly rate?: number | undefined
  readonly signal?: AbortSignal
}

const BATCH = 1_000
const TICK_MS = 50

/** Creates the topics that are missing, and writes the facts. */
export async function prepare(broker: Broker, demo: Demo, seed: number, partitions = 4): Promise<void> {
  await broker.createTopics(
    topicsOf(demo).map((topic) => ({ topic, partitions, compacted: demo.compacted.includes(topic) })),
  )
  const facts = [...demo.facts(seed)]
  for (const topic of new Set(facts.map((fact) => fact.topic))) {
    if ((await sizes(broker, topic)).some((size) => size > 0)) continue
    const producer = await broker.producer()
    await producer.send(facts.filter((fact) => fact.topic === topic).map((fact) => rawRecord(fact, partitions)))
    await producer.close()
  }
}

/** Writes records from where the topics end, until there are enough or the signal says so. */
export async function feed(
  broker: Broker,
  demo: Demo,
  { seed, count = Number.POSITIVE_INFINITY, rate, signal }: FeedOptions,
): Promise<void> {
  const producer = await broker.producer()
  // What a former run has written: of each partition's records, the first so many.
  const written = new Map<string, number[]>()
  for (const topic of demo.inputs) written.set(topic, await sizes(broker, topic))
  const started = Date.now()
  const allowed = () => (rate === undefined ? Number.POSITIVE_INFINITY : ((Date.now() - started) / 1_000) * rate)
  let sent = 0
  let batch: OutRecord[] = []
  for (const happening of firstOf(demo.happenings(seed), count)) {
    const left = written.get(happening.topic) as number[]
    const record = rawRecord(happening, left.length)
    const { partition } = record
    if ((left[partition] as number) > 0) {
      left[partition] = (left[partition] as number) - 1
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

/** As a Java producer would write it: the key decides about the partition. */
export function rawRecord({ topic, key: text, value, timestamp }: Happening, partitions: number): OutRecord {
  const key = string().serialize(text)
  const partition = partitionOf(key, partitions)
  return { topic, partition, key, value: json().serialize(value), timestamp, headers: NO_HEADERS }
}

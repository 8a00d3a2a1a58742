import type { Broker, OutRecord, Position } from '../../ports/broker.js'
import { partitionKey } from '../../ports/partitionKey.js'
import type { StoredEntry, StoreEntry } from '../../ports/store.js'
import { isKept } from '../assignment.js'
import { stateOf } from '../checkpoint.js'
import { dictionary } from '../dictionary.js'
import type { Plan } from '../plan.js'
import { addHeads, readTask, type StoredTask } from '../taskScopes.js'
import type { CheckpointCopy, CopiedTask, CopiedTopic } from './checkpointCopy.js'

export interface CopyOptions {
  readonly plan: Plan
  readonly broker: Broker
  /** Wall clock, ms. */
  readonly at: number
  /** Partitions by topic. */
  readonly counts: ReadonlyMap<string, number>
  /** Checkpoints by their scopes. */
  readonly scopes: ReadonlyMap<string, readonly StoreEntry[]>
  /** How far topics have been read, as far as checkpoints don't say. */
  readonly positions: readonly Position[]
}

/** Puts together what is stored of an app, and what is on its way in its exchanges. Nothing may go on meanwhile. */
export async function copyCheckpoint({
  plan,
  broker,
  at,
  counts,
  scopes,
  positions,
}: CopyOptions): Promise<CheckpointCopy> {
  const inOrder = [...scopes].sort(([a], [b]) => (a < b ? -1 : 1))
  const tasks = inOrder.flatMap(([scope, entries]) => copyTask(plan.app, scope, entries) ?? [])
  const known = new Map<string, CopiedTopic>()
  for (const sub of plan.subTopologies) {
    for (const topic of sub.sinks) known.set(topic, { partitions: counts.get(topic) as number })
    for (const { topic, isInternal } of sub.sources)
      known.set(topic, { partitions: counts.get(topic) as number, positions: [], exchange: isInternal })
  }
  for (const { plan: stored } of tasks)
    for (const [topic, { partitions, isExchange }] of Object.entries(stored.topics))
      known.set(topic, { partitions, positions: [], exchange: isExchange })
  const places = placesOf(plan, positions, tasks)
  const topics = dictionary<CopiedTopic>()
  for (const [topic, { partitions, positions: read, exchange }] of [...known].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const offsets = Array.from(
      { length: partitions },
      (_, p) => places.get(partitionKey({ topic, partition: p })) ?? null,
    )
    topics[topic] = { partitions, ...(read && { positions: offsets }), ...(exchange === true && { exchange }) }
  }
  return { app: plan.app, at, topics, tasks, records: await recordsUnderWay(broker, topics) }
}

function copyTask(app: string, scope: string, all: readonly StoreEntry[]): CopiedTask | undefined {
  const heads = new Map<string, Uint8Array>()
  addHeads(heads, all)
  const task = readTask(app, scope, heads)
  return task && { ...task, entries: all.filter(isOfState) }
}

const isOfState = (entry: StoreEntry): entry is StoredEntry => entry[1] !== null && stateOf(entry[0]) !== undefined

/** Where tasks will go on: those that keep something say so themselves. */
function placesOf(plan: Plan, given: readonly Position[], tasks: readonly StoredTask[]): Map<string, number> {
  const places = new Map(given.map((position) => [partitionKey(position), position.offset]))
  for (const { title, manifest } of tasks) {
    const sub = plan.subTopologies.find((one) => one.title === title)
    for (const position of manifest.positions) {
      const key = partitionKey(position)
      if (sub === undefined || isKept(sub) || !places.has(key)) places.set(key, position.offset)
    }
  }
  return places
}

/** What is in exchanges and hasn't been handled. */
async function recordsUnderWay(broker: Broker, topics: CheckpointCopy['topics']): Promise<OutRecord[]> {
  const existing = await broker.topics()
  const found: OutRecord[] = []
  for (const [topic, { positions = [], exchange }] of Object.entries(topics)) {
    if (!exchange || !existing.has(topic)) continue
    for (const [partition, { start, end }] of (await broker.ranges(topic)).entries())
      await broker.read({ topic, partition }, positions[partition] ?? start, end, ({ records }) => {
        for (const { key, value, timestamp, headers } of records)
          found.push({ topic, partition, key, value, timestamp, headers })
      })
  }
  return found
}

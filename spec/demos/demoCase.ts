import type { Demo } from '../../demos/shared/demo.js'
import { tail } from '../../demos/shared/tail.js'
import type { App } from '../../lib/app/app.js'
import type { Broker } from '../../lib/ports/broker.js'
import { partitionOf } from '../../lib/record/partitionOf.js'
import { string } from '../../lib/record/serde.js'

/** A demo over a fixed input, and what must come out. */
export interface DemoCase {
  readonly demo: Demo
  readonly seed: number
  readonly count: number
  /** Without an idle time-out, so that the wall clock has no say in the results. */
  build(app: App): unknown
  /** By a plain loop that shares nothing with the pipeline but types. */
  expected(): PlainOutcome
  /** Reads from its topics what a run has given. */
  read(broker: Broker): Promise<PlainOutcome>
}

/** For comparing, and for sending from a page: plain data, sorted by key. */
export type PlainOutcome = { readonly [part: string]: readonly (readonly [key: string, value: unknown])[] }

export const PARTITIONS = 4

const DEADLINE_MS = 25_000
const PAUSE_MS = 100

/** Waits until a run has given just what must come out; else shows what differs. */
export async function comesToBe({ read }: DemoCase, broker: Broker, wanted: PlainOutcome): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS
  for (;;) {
    const got = await read(broker)
    if (JSON.stringify(got) === JSON.stringify(wanted)) return
    if (Date.now() > deadline) expect(got).toEqual(wanted)
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
}

/** What a topic holds, by key, in order. */
export async function byKey<V>(broker: Broker, topic: string): Promise<Map<string, V[]>> {
  const lists = new Map<string, V[]>()
  for (const { key, value } of await tail<V>(broker, topic)()) listOf(lists, key).push(value as V)
  return lists
}

/** What a compacted topic comes to. */
export async function latest<V>(broker: Broker, topic: string): Promise<Map<string, V>> {
  const lists = await byKey<V | null>(broker, topic)
  return new Map(
    Array.from(lists, ([key, list]) => [key, list.at(-1) as V | null] as const).filter(
      (entry): entry is [string, V] => entry[1] !== null,
    ),
  )
}

export const sorted = <V>(map: ReadonlyMap<string, V>): [string, V][] => [...map].sort(([a], [b]) => (a < b ? -1 : 1))

/** The values of a topic's or input's records, up to `count` of them in all. */
export function* firstOf({ demo, seed, count }: Pick<DemoCase, 'demo' | 'seed' | 'count'>) {
  let n = 0
  for (const happening of demo.happenings(seed)) {
    if (n++ >= count) return
    yield happening
  }
}

export const partition = (key: string) => partitionOf(string().serialize(key), PARTITIONS)

export function listOf<V>(lists: Map<string, V[]>, key: string): V[] {
  const list = lists.get(key) ?? []
  lists.set(key, list)
  return list
}

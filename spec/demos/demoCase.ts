import type { Demo } from '../../demos/shared/demo.js'
import { firstOf } from '../../demos/shared/firstOf.js'
import { tail } from '../../demos/shared/tail.js'
import type { App } from '../../lib/app/app.js'
import type { Broker } from '../../lib/ports/broker.js'
import { partitionOf } from '../../lib/record/partitionOf.js'
import { string } from '../../lib/record/serde.js'

/** Which part of a demo's generated input. */
export interface Part {
  readonly seed: number
  readonly count: number
  readonly partitions: number
}

/** A record that a pipeline has written. */
export interface Written {
  readonly topic: string
  readonly key: string
  readonly value: any
}

/** A demo over a generated input, and what must come out. */
export interface DemoCase {
  readonly demo: Demo
  /** What is fed where nobody says otherwise. */
  readonly part: Part
  /** Without an idle time-out, so that the wall clock has no say in the results. */
  build(app: App): unknown
  /** By a plain loop that shares nothing with the pipeline but types. */
  expected(part?: Part): PlainOutcome
  /** The same of what has been written. */
  outcomeOf(written: readonly Written[]): PlainOutcome
}

/** For comparing, and for sending from a page: plain data, sorted by key. */
export type PlainOutcome = { readonly [part: string]: readonly (readonly [key: string, value: unknown])[] }

const DEADLINE_MS = 25_000
const PAUSE_MS = 100

/** Reads from its topics what a run has given. */
export async function outcome({ demo, outcomeOf }: DemoCase, broker: Broker): Promise<PlainOutcome> {
  const written: Written[] = []
  for (const topic of demo.outputs)
    for (const { key, value } of await tail<unknown>(broker, topic)()) written.push({ topic, key, value })
  return outcomeOf(written)
}

/** Waits until a run has given just what must come out; else shows what differs. */
export async function comesToBe(it: DemoCase, broker: Broker, wanted: PlainOutcome): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS
  for (;;) {
    const got = await outcome(it, broker)
    if (JSON.stringify(got) === JSON.stringify(wanted)) return
    if (Date.now() > deadline) expect(got).toEqual(wanted)
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
}

/** What a topic holds, by key, in order. */
export function byKey<V>(written: readonly Written[], topic: string): Map<string, V[]> {
  const lists = new Map<string, V[]>()
  for (const { topic: other, key, value } of written) if (other === topic) listOf(lists, key).push(value)
  return lists
}

/** What a compacted topic comes to. */
export function latest<V>(written: readonly Written[], topic: string): Map<string, V> {
  const lists = byKey<V | null>(written, topic)
  return new Map(
    Array.from(lists, ([key, list]) => [key, list.at(-1) as V | null] as const).filter(
      (entry): entry is [string, V] => entry[1] !== null,
    ),
  )
}

export const sorted = <V>(map: ReadonlyMap<string, V>): [string, V][] => [...map].sort(([a], [b]) => (a < b ? -1 : 1))

/** The generated records of a part. */
export const generated = (demo: Demo, { seed, count }: Part) => firstOf(demo.happenings(seed), count)

export const partitionIn =
  ({ partitions }: Pick<Part, 'partitions'>) =>
  (key: string) =>
    partitionOf(string().serialize(key), partitions)

export function listOf<V>(lists: Map<string, V[]>, key: string): V[] {
  const list = lists.get(key) ?? []
  lists.set(key, list)
  return list
}

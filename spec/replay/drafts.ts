import fc from 'fast-check'
import { partitionOf } from '../../lib/index.js'
import type { RecordedRecord } from '../../lib/replay/index.js'

const encoder = new TextEncoder()
export const PARTITIONS = 2
export const TOPICS = { a: { partitions: PARTITIONS }, b: { partitions: PARTITIONS } }

/** What a record is before it has its place: how much later than the one before it was recorded, and how much earlier than that it happened. */
export interface Draft {
  readonly topic: 'a' | 'b'
  readonly key: number
  readonly n: number
  readonly other: string
  readonly gap: number
  readonly delay: number
}

const draft: fc.Arbitrary<Draft> = fc.record({
  topic: fc.constantFrom('a', 'a', 'b'),
  key: fc.nat(3),
  n: fc.nat(30),
  other: fc.constantFrom('k0', 'k1', 'k2'),
  gap: fc.oneof(
    { weight: 180, arbitrary: fc.nat(12) },
    { weight: 20, arbitrary: fc.constantFrom(100, 700) },
    // Longer than the clock strikes each time.
    { weight: 1, arbitrary: fc.constant(60_000) },
  ),
  delay: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(60) }),
})

const KEYS = ['k0', 'k1', 'k2', 'k3', 'k4', 'k5'].map((text) => encoder.encode(text))

/** Keys of both partitions, or of one, so that the other is quiet. */
const SOURCES = [KEYS, ...[0, 1].map((partition) => KEYS.filter((key) => partitionOf(key, PARTITIONS) === partition))]

/** @param phases which of {@link SOURCES} there are records of: 70 records each */
export function* recordsOf(drafts: readonly Draft[], phases: readonly number[]): Iterable<RecordedRecord> {
  const offsets = new Map<string, number>()
  let now = 1_000
  for (const [index, { topic, key: number, n, other, gap, delay }] of drafts.entries()) {
    now += gap
    const keys = SOURCES[phases[Math.floor(index / 70)] ?? 0] as typeof KEYS
    const key = keys[number % keys.length] as Uint8Array
    const partition = partitionOf(key, PARTITIONS)
    const offset = offsets.get(`${topic}${partition}`) ?? 0
    offsets.set(`${topic}${partition}`, offset + 1)
    const value = encoder.encode(JSON.stringify({ n, other }))
    yield { topic, partition, offset, timestamp: now - delay, key, value, headers: [] }
  }
}

export const anyDrafts = (minLength: number, maxLength: number) => fc.array(draft, { minLength, maxLength })

/** For {@link recordsOf}. */
export const anyPhases = fc.array(fc.nat(2), { minLength: 6, maxLength: 6 })

import { expect, jest, test } from '@jest/globals'
import fc from 'fast-check'
import { partitionOf } from '../../lib/index.js'
import { createReplay, type RecordedRecord, type Recording, type Replay } from '../../lib/replay/index.js'
import { PIPELINES } from './pipelines.js'
import { recordingOf } from './recordingOf.js'

jest.setTimeout(120_000)

const encoder = new TextEncoder()
const PARTITIONS = 2

/** What a record is before it has its place: how much later than the one before it was recorded, and how much earlier than that it happened. */
interface Draft {
  readonly topic: 'a' | 'b'
  readonly key: string
  readonly n: number
  readonly other: string
  readonly gap: number
  readonly delay: number
}

const draft: fc.Arbitrary<Draft> = fc.record({
  topic: fc.constantFrom('a', 'a', 'b'),
  key: fc.constantFrom('k0', 'k1', 'k2', 'k3'),
  n: fc.nat(30),
  other: fc.constantFrom('k0', 'k1', 'k2'),
  gap: fc.oneof({ weight: 9, arbitrary: fc.nat(12) }, { weight: 1, arbitrary: fc.constantFrom(100, 700) }),
  delay: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(60) }),
})

function* recordsOf(drafts: readonly Draft[]): Iterable<RecordedRecord> {
  const offsets = new Map<string, number>()
  let now = 1_000
  for (const { topic, key: text, n, other, gap, delay } of drafts) {
    now += gap
    const key = encoder.encode(text)
    const partition = partitionOf(key, PARTITIONS)
    const offset = offsets.get(`${topic}${partition}`) ?? 0
    offsets.set(`${topic}${partition}`, offset + 1)
    const value = encoder.encode(JSON.stringify({ n, other }))
    yield { topic, partition, offset, timestamp: now - delay, key, value, headers: [] }
  }
}

type Pipeline = (typeof PIPELINES)[string]

const open = (recording: Recording, pipeline: Pipeline) =>
  createReplay({ recording, pipeline, options: { watermarkInterval: 40 } })

/** All that can be seen of a replay where it stands. */
function seen(replay: Replay<unknown>) {
  const text = (bytes: Uint8Array | null) => bytes && new TextDecoder().decode(bytes)
  return {
    position: replay.position,
    // Calls under way have a number each; a task that begins anew begins to count anew.
    states: replay.states.map((name) => [
      name,
      replay.stateEntries(name).map(({ key, ...rest }) => (name === 'called' ? rest : { key, ...rest })),
    ]),
    outputs: replay.outputs().map(({ key, value, headers, ...rest }) => ({
      ...rest,
      key: text(key),
      value: text(value),
      headers: headers.length,
    })),
  }
}

const move = fc.oneof(
  fc.record({ seek: fc.double({ min: 0, max: 1, noNaN: true }) }),
  fc.record({ step: fc.integer({ min: -20, max: 20 }) }),
  fc.record({ play: fc.constant(true) }),
)

test.each(Object.entries(PIPELINES))(
  '%s: wherever one goes, it is as if one had come straight there',
  async (_, pipeline) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(draft, { minLength: 250, maxLength: 400 }),
        fc.array(move, { minLength: 3, maxLength: 8 }),
        async (drafts, moves) => {
          const recording = await recordingOf(
            { a: { partitions: PARTITIONS }, b: { partitions: PARTITIONS } },
            recordsOf(drafts),
          )
          const replay = open(recording, pipeline)
          replay.speed = Number.POSITIVE_INFINITY
          for (const each of moves) {
            if ('seek' in each) expect(await replay.seek({ index: Math.round(each.seek * recording.size) })).toBe(true)
            else if ('step' in each) expect(await replay.step(each.step)).toBe(true)
            else {
              const before = replay.position.index
              replay.play()
              while (replay.position.index < Math.min(recording.size, before + 64))
                await new Promise((resolve) => setTimeout(resolve, 0))
              await replay.pause()
            }
            const straight = open(recording, pipeline)
            await straight.seek({ index: replay.position.index })
            expect(seen(replay)).toEqual(seen(straight))
            await straight.close()
          }
          await replay.close()
        },
      ),
      { numRuns: 10, endOnFailure: true },
    )
  },
)

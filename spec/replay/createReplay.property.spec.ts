import { expect, jest, test } from '@jest/globals'
import fc from 'fast-check'
import { createReplay, type Recording, type Replay } from '../../lib/replay/index.js'
import { anyDrafts, anyPhases, recordsOf, TOPICS } from './drafts.js'
import { PIPELINES } from './pipelines.js'
import { recordingOf } from './recordingOf.js'

jest.setTimeout(120_000)

type Pipeline = (typeof PIPELINES)[string]

const open = (recording: Recording, pipeline: Pipeline) =>
  createReplay({ recording, pipeline, options: { watermarkInterval: 40 } })

/** States whose keys are numbers of their own making. */
const NUMBERED = new Set(['called', 'limited', 'limited.passed'])

/** All that can be seen of a replay where it stands. */
function seen(replay: Replay<unknown>) {
  const text = (bytes: Uint8Array | null) => bytes && new TextDecoder().decode(bytes)
  return {
    position: replay.position,
    // Calls under way and records in a line have a number each, and the last ones that have passed a place each: a task that begins anew gives them anew.
    states: replay.states.map((name) => [
      name,
      replay
        .stateEntries(name)
        .map(({ key, ...rest }) => (NUMBERED.has(name) ? rest : { key, ...rest }))
        .map((entry) => JSON.stringify(entry))
        .sort(),
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
        anyDrafts(250, 450),
        anyPhases,
        fc.array(move, { minLength: 3, maxLength: 8 }),
        async (drafts, phases, moves) => {
          const recording = await recordingOf(TOPICS, recordsOf(drafts, phases))
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
      { seed: 77, numRuns: 5, endOnFailure: true },
    )
  },
)

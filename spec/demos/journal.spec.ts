import { type TraceEvent, tracer } from 'tidemark'
import { createReplay, openRecording, type Recording } from 'tidemark/replay'
import { Journal } from '../../demos/site/journal.js'
import { recordDemo } from '../../demos/site/recordDemo.js'
import { ToldTrace } from '../../demos/site/toldTrace.js'
import { clickstreamCase } from './clickstreamCase.js'
import type { DemoCase } from './demoCase.js'
import { fraudCase } from './fraudCase.js'
import { ordersCase } from './ordersCase.js'

const COUNT = 200

/** What a page knows of a replay that has gone to these places, one after the other. */
async function journalOf(recording: Recording, { build }: DemoCase, places: readonly number[]): Promise<Journal> {
  const trace = new ToldTrace(recording)
  const journal = new Journal()
  const replay = createReplay({
    recording,
    pipeline: (app) => build(app),
    options: { trace: tracer((event) => trace.add(event)) },
    // Few checkpoints: most ways back lead over records that are told again.
    maxCheckpointBytes: 200_000,
  })
  for (const index of places) {
    await replay.seek({ index })
    journal.take(structuredClone(trace.take()))
  }
  await replay.close()
  return journal
}

function forgotten(event: TraceEvent | undefined) {
  return event?.type === 'out' && (event.of ?? event.met) === undefined ? { of: undefined, met: undefined } : {}
}

test.each([clickstreamCase, ordersCase, fraudCase])(
  '$demo.name: whichever way a replay has gone, its trace is that of one that went straight on',
  async (it) => {
    const recording = await openRecording(await recordDemo(it.demo, { seed: 3, count: COUNT, partitions: 2 }))
    const end = recording.size
    const straight = await journalOf(recording, it, [end])
    const wandered = await journalOf(
      recording,
      it,
      [120, 60, 60, 150, 40, 130, 190, 189, 200].map((place) => place + end - COUNT),
    )
    expect(wandered.generation).toBe(0)
    expect(wandered.furthest).toBe(end)
    for (const index of [0, 1, 40, end - 140, end - 60, end])
      expect([index, wandered.last(index)]).toEqual([index, straight.last(index)])
    const [found, wanted] = [wandered, straight].map((journal) => journal.between(0, journal.last(end)))
    // Records that a join has kept over a checkpoint have forgotten where they came from.
    expect(found).toEqual(wanted?.map((event, n) => ({ ...event, ...forgotten(found?.[n]) })))
    expect(wandered.between(wandered.last(40), wandered.last(41)).every(({ id }) => id > wandered.last(40))).toBe(true)
  },
)

test('after a gap it begins anew, with the operators it knows', async () => {
  const recording = await openRecording(
    await recordDemo(clickstreamCase.demo, { seed: 3, count: COUNT, partitions: 2 }),
  )
  const journal = await journalOf(recording, clickstreamCase, [10])
  const nodes = journal.between(0, journal.last(10)).filter(({ type }) => type === 'node').length
  const event = {
    id: 9_999,
    type: 'time',
    task: '0_0',
    node: '0.1',
    operator: 'sessions',
    cause: undefined,
    time: 1,
  } as const
  journal.take([{ index: 300, events: [event] }])
  expect(journal.generation).toBe(1)
  expect(journal.furthest).toBe(300)
  const known = journal.between(0, journal.last(300))
  expect(known.map(({ type }) => type)).toEqual([...Array.from({ length: nodes }, () => 'node'), 'time'])
  expect(journal.last(299)).toBe(0)
})

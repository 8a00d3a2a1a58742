import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { filter, map, type Observable, Subject } from 'rxjs'
import {
  aggregate,
  count,
  hoppingWindow,
  local,
  mapValues,
  record,
  type StreamRecord,
  sessionWindow,
  type TraceEvent,
  tracer,
  tumblingWindow,
} from '../../lib/index.js'
import type { Lane } from '../../lib/marbles/lane.js'
import { lineageOf } from '../../lib/marbles/lineage.js'
import { Scene } from '../../lib/marbles/scene.js'

type In = StreamRecord<string, number>

const OPTIONS = { lanes: undefined, rows: 4, keep: 1_000 }

function trace(pipeline: (source: Observable<In>) => Observable<unknown>, records: readonly In[]): TraceEvent[] {
  const told: TraceEvent[] = []
  const source = new Subject<In>()
  local(pipeline(source), { trace: tracer((event) => told.push(event)) }).subscribe()
  for (const one of records) source.next(one)
  return told
}

function sceneOf(events: readonly TraceEvent[], options = OPTIONS): Scene {
  const scene = new Scene(options)
  for (const event of events) scene.add(event, 0)
  return scene
}

const sessions = (source: Observable<In>) =>
  source.pipe(sessionWindow(6, { grace: 20 }), aggregate(count(), { emit: 'close' }))

/** All that can be seen of a scene. */
const seen = (scene: Scene) =>
  scene.lanes.map((lane) => ({
    name: lane.name,
    time: scene.timeOf(lane),
    marbles: lane.marbles.map(({ event, time, key, shape }) => [event, time, key, shape]),
    brackets: bracketsOf(lane),
  }))

const bracketsOf = (lane: Lane) =>
  [...lane.brackets.values()]
    .map(({ key, start, end, count, isClosed }) => ({ key, start, end, count, isClosed }))
    .sort((a, b) => a.start - b.start || String(a.key).localeCompare(String(b.key)))

describe('a scene', () => {
  test('has a lane for each operator that emits, sources first, with marbles by event time', () => {
    const scene = sceneOf(trace(sessions, [record('a', 1, 10), record('a', 1, 5), record('b', 1, 60)]))
    expect(seen(scene)).toEqual([
      {
        name: 'in',
        time: 60,
        marbles: [
          [9, 5, 'a', 'record'],
          [3, 10, 'a', 'record'],
          [14, 60, 'b', 'record'],
        ],
        brackets: [],
      },
      {
        name: 'aggregate',
        time: 60,
        marbles: [[23, 10, 'a', 'final']],
        brackets: [
          { key: 'a', start: 5, end: 11, count: 2, isClosed: true },
          { key: 'b', start: 60, end: 61, count: 1, isClosed: false },
        ],
      },
    ])
  })

  test('shows what a plain operator left out', () => {
    const events = trace(
      (source) =>
        source.pipe(
          mapValues((n) => n),
          filter(({ value }) => value > 1),
          map((one) => one),
          mapValues((n) => n),
        ),
      [record('a', 1, 1), record('a', 2, 2)],
    )
    const shapes = sceneOf(events).lanes.map(({ name, marbles }) => [name, marbles.map(({ shape }) => shape)])
    expect(shapes).toEqual([
      ['in', ['record', 'record']],
      ['mapValues', ['filtered', 'record']],
      ['mapValues', ['record']],
    ])
  })

  test('marks what comes too late, where it was dropped', () => {
    const events = trace(
      (source) => source.pipe(tumblingWindow(10), aggregate(count(), { emit: 'close' })),
      [record('a', 1, 1), record('a', 1, 25), record('a', 1, 3)],
    )
    const lane = sceneOf(events).lanes[1] as Lane
    expect(lane.marbles.map(({ time, shape }) => [time, shape])).toEqual([
      [1, 'final'],
      [3, 'late'],
    ])
    expect(lane.dropped).toBe(1)
  })

  test('merges sessions into one bracket that knows where it comes from', () => {
    const lane = sceneOf(trace(sessions, [record('a', 1, 1), record('a', 1, 12), record('a', 1, 6)])).lanes.find(
      ({ name }) => name === 'aggregate',
    )
    // It has emitted nothing, and is there for its windows.
    const [merged, ...others] = [...(lane as Lane).brackets.values()]
    expect(others).toEqual([])
    expect(merged).toMatchObject({ start: 1, end: 13, count: 3, isClosed: false })
    expect(merged?.before).toEqual([
      { start: 1, end: 2 },
      { start: 12, end: 13 },
    ])
  })

  test('has a bracket per task, where several have windows of one key', () => {
    const events = trace(
      (source) => source.pipe(tumblingWindow(10), aggregate(count())),
      [record('a', 1, 1), record('a', 1, 2)],
    )
    const last = events.length
    const elsewhere = events.map((event): TraceEvent => {
      const moved = { ...event, id: event.id + last, task: 'another', cause: event.cause && event.cause + last }
      return moved.type === 'window' ? { ...moved, was: moved.was.map((id) => id + last) } : moved
    })
    const lane = sceneOf([...events, ...elsewhere.slice(0, -1)]).lanes.find(({ name }) => name === 'aggregate') as Lane
    expect(bracketsOf(lane).map(({ start, count }) => [start, count])).toEqual([
      [0, 2],
      [0, 2],
    ])
  })

  test('puts overlapping windows of a key on lines of their own', () => {
    const lane = sceneOf(trace((source) => source.pipe(hoppingWindow(10, 5), aggregate(count())), [record('a', 1, 12)]))
      .lanes[1]
    expect([...(lane as Lane).brackets.values()].map(({ start, level }) => [start, level])).toEqual([
      [5, 0],
      [10, 1],
    ])
    expect(lane?.levels).toBe(2)
  })

  test('shows the named operators only, in the order in which they are named', () => {
    const events = trace(sessions, [record('a', 1, 1), record('a', 1, 60)])
    const names = (lanes: string[]) => sceneOf(events, { ...OPTIONS, lanes } as never).lanes.map(({ name }) => name)
    expect(names(['aggregate', 'in'])).toEqual(['aggregate', 'in'])
    expect(names(['aggregate'])).toEqual(['aggregate'])
  })

  test('finds each of many marbles at one time, and piles up three on a line', () => {
    const keys = ['a', 'b']
    const records = Array.from({ length: 40 }, (_, n) => record(keys[n % 2] as string, n, 7))
    const scene = sceneOf(trace((source) => source.pipe(mapValues((n) => n)), records))
    const { marbles } = scene.lanes[0] as Lane
    expect(marbles.map(({ value }) => value)).toEqual(records.map(({ value }) => value))
    for (const marble of marbles) expect(scene.marbleOf(marble.event)).toBe(marble)
    expect(marbles.map(({ row, stack }) => [row, stack])).toEqual(
      records.map((_, n) => [n % 2, Math.min(3, Math.floor(n / 2))]),
    )
  })

  test('keeps so many marbles and no more, and lets go of the windows of those that have gone', () => {
    const records = Array.from({ length: 2_000 }, (_, n) => record('a', n, n * 5))
    const events = trace((source) => source.pipe(tumblingWindow(10), aggregate(count(), { emit: 'close' })), records)
    const scene = sceneOf(events, { ...OPTIONS, keep: 100 })
    expect(scene.size).toBeLessThanOrEqual(120)
    expect(scene.events.size).toBeLessThanOrEqual(1_200)
    for (const lane of scene.lanes) {
      expect(lane.marbles.length).toBeLessThanOrEqual(120)
      expect(lane.brackets.size).toBeLessThanOrEqual(120)
    }
    expect(scene.lanes[0]?.marbles.at(-1)?.time).toBe(1_999 * 5)
  })

  const records = fc.array(fc.record({ key: fc.constantFrom('a', 'b'), timestamp: fc.integer({ min: 0, max: 60 }) }), {
    minLength: 1,
    maxLength: 20,
  })

  test('cut back to an event it is what it was then', () => {
    fc.assert(
      fc.property(records, fc.nat(), (given, cut) => {
        const events = trace(
          sessions,
          given.map(({ key, timestamp }) => record(key, 1, timestamp)),
        )
        const id = (cut % events.length) + 1
        const scene = sceneOf(events)
        scene.truncate(id)
        const then = events.slice(0, id)
        expect(seen(scene)).toEqual(seen(sceneOf(then)))
        expect(scene.last).toBe(id)
        for (const event of events.slice(id)) scene.add(event, 0)
        expect(seen(scene)).toEqual(seen(sceneOf(events)))
      }),
      { seed: 3, numRuns: 60 },
    )
  })

  test('a final result came from the records of its session, and each of these has touched it', () => {
    fc.assert(
      fc.property(records, (given) => {
        const scene = sceneOf(
          trace(sessions, [...given.map(({ key, timestamp }) => record(key, 1, timestamp)), record('z', 1, 900)]),
        )
        const [source, results] = scene.lanes as [Lane, Lane]
        const late = new Set(results.marbles.filter(({ shape }) => shape === 'late').map(({ record }) => record))
        for (const result of results.marbles.filter(({ shape }) => shape === 'final')) {
          const { start, end } = (result.record as unknown as { window: { start: number; end: number } }).window
          const wanted = source.marbles.filter(
            ({ key, time, record }) => key === result.key && time >= start && time < end && !late.has(record),
          )
          const { from, movedBy } = lineageOf(scene, result)
          expect(new Set(from)).toEqual(new Set(wanted))
          for (const marble of wanted) expect(lineageOf(scene, marble).touched).toContain(result)
          // Time was past its end, gap and grace: 1 + 6 + 20 ms after its last record.
          expect(movedBy?.time).toBeGreaterThanOrEqual(end + 26)
        }
      }),
      { seed: 4, numRuns: 60 },
    )
  })
})

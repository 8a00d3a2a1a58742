import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { filter, from, lastValueFrom, map, type Observable, Subject, toArray } from 'rxjs'
import {
  aggregate,
  count,
  hoppingWindow,
  local,
  mapAsync,
  mapValues,
  peek,
  process,
  record,
  type StreamRecord,
  sessionWindow,
  slidingWindow,
  streamStreamJoin,
  streamTableJoin,
  sum,
  type TraceEvent,
  toTable,
  tracer,
  tumblingWindow,
  type WindowedRecord,
  withWatermark,
} from '../../lib/index.js'
import { until } from '../until.js'
import { sourcesOf, traceText } from './traceText.js'

type In = StreamRecord<string, any>

/** Runs records through a pipeline and gives what the tracer told, line by line; of some types only, if they are named. */
function traced(
  pipeline: (source: Observable<In>) => Observable<unknown>,
  records: readonly In[],
  ...types: readonly TraceEvent['type'][]
): string[] {
  const told: TraceEvent[] = []
  const source = new Subject<In>()
  const subscription = local(pipeline(source), { trace: tracer((event) => told.push(event)) }).subscribe()
  for (const one of records) source.next(one)
  subscription.unsubscribe()
  return told.filter(({ type }) => types.length === 0 || types.includes(type)).map(traceText)
}

describe('what a tracer tells', () => {
  test('a record comes out, comes in, and is missing behind a filter', () => {
    const lines = traced(
      (source) =>
        source.pipe(
          mapValues((n: number) => n * 2),
          filter(({ value }) => value > 0),
          map((one) => ({ ...one, key: one.key.toUpperCase() })),
          peek(() => {}),
        ),
      [record('a', 1, 1), record('a', -1, 2)],
    )
    expect(lines).toEqual([
      '1 node in local.0<0 reads nothing',
      '2 node mapValues local.0 reads local.0<0',
      '3 node peek local.1 reads local.0',
      '4 out in a:1@1',
      '5 time in <4 1',
      '6 in mapValues <4 a:1@1',
      '7 out mapValues <6 a:2@1',
      '8 in peek <7 A:2@1',
      '9 out peek <8 A:2@1',
      '10 out in a:-1@2',
      '11 time in <10 2',
      '12 in mapValues <10 a:-1@2',
      '13 out mapValues <12 a:-2@2',
    ])
  })

  test('a tumbling window opens, takes a record, closes and takes no more', () => {
    const lines = traced(
      (source) => source.pipe(tumblingWindow(10), aggregate(count(), { emit: 'close' })),
      [record('a', 1, 1), record('a', 2, 4), record('b', 3, 12), record('a', 4, 5)],
    )
    expect(lines).toEqual([
      '1 node in local.0<0 reads nothing',
      '2 node aggregate local.0 reads local.0<0',
      '3 out in a:1@1',
      '4 time in <3 1',
      '5 in aggregate <3 a:1@1',
      '6 state aggregate <5 aggregate a [0,10) = 1',
      '7 window aggregate <5 opened a [0,10) 1',
      '8 time aggregate <3 1',
      '9 out in a:2@4',
      '10 time in <9 4',
      '11 in aggregate <9 a:2@4',
      '12 state aggregate <11 aggregate a [0,10) = 2 was 6',
      '13 window aggregate <11 updated a [0,10) 2 was 7',
      '14 time aggregate <9 4',
      '15 out in b:3@12',
      '16 time in <15 12',
      '17 in aggregate <15 b:3@12',
      '18 state aggregate <17 aggregate b [10,20) = 1',
      '19 window aggregate <17 opened b [10,20) 1',
      '20 time aggregate <15 12',
      // It was the third record that moved time to 12.
      '21 fired aggregate <15 at 10',
      '22 state aggregate <21 aggregate a [0,10) deleted was 12',
      '23 window aggregate <21 closed a [0,10) 2 was 13',
      '24 out aggregate <21 a:2@4 [0,10) of 23',
      '25 out in a:4@5',
      '26 in aggregate <25 a:4@5',
      '27 dropped aggregate <26 a:4@5 late',
    ])
  })

  test('several keys of a window close at once and come out one by one', () => {
    const lines = traced(
      (source) => source.pipe(tumblingWindow(10), aggregate(count(), { emit: 'close' })),
      [record('b', 1, 1), record('a', 1, 1), record('c', 1, 10)],
      'window',
      'out',
    )
    expect(lines.slice(-4)).toEqual([
      '21 window aggregate <19 closed b [0,10) 1 was 7',
      '23 window aggregate <19 closed a [0,10) 1 was 12',
      '24 out aggregate <19 a:1@1 [0,10) of 23',
      '26 out aggregate <25 b:1@1 [0,10) of 21',
    ])
  })

  test('with a watermark time rises before the record comes in', () => {
    const lines = traced(
      (source) => source.pipe(withWatermark({ maxOutOfOrderness: 3 }), tumblingWindow(10), aggregate(count())),
      [record('a', 1, 8), record('a', 2, 13)],
      'time',
      'in',
      'window',
    )
    expect(lines).toEqual([
      '4 time in <3 5',
      '5 time aggregate <3 5',
      '6 in aggregate <3 a:1@8',
      '8 window aggregate <6 opened a [0,10) 1',
      '11 time in <10 10',
      '12 time aggregate <10 10',
      '13 in aggregate <10 a:2@13',
      '15 window aggregate <13 opened a [10,20) 1',
      '19 window aggregate <17 closed a [0,10) 1 was 8',
    ])
  })

  test('a record opens all hopping windows that it belongs to', () => {
    const lines = traced(
      (source) => source.pipe(hoppingWindow(10, 5), aggregate(count())),
      [record('a', 1, 7), record('a', 1, 11)],
      'window',
      'out',
    )
    expect(lines).toEqual([
      '3 out in a:1@7',
      '7 window aggregate <5 opened a [0,10) 1',
      '8 out aggregate <5 a:1@7 [0,10) of 7',
      '10 window aggregate <5 opened a [5,15) 1',
      '11 out aggregate <5 a:1@7 [5,15) of 10',
      '13 out in a:1@11',
      '17 window aggregate <15 updated a [5,15) 2 was 10',
      '18 out aggregate <15 a:2@11 [5,15) of 17',
      '20 window aggregate <15 opened a [10,20) 1',
      '21 out aggregate <15 a:1@11 [10,20) of 20',
      '25 window aggregate <23 closed a [0,10) 1 was 7',
    ])
  })

  test('a session grows, and a record between two of them merges them', () => {
    const lines = traced(
      (source) => source.pipe(sessionWindow(6, { grace: 20 }), aggregate(count(), { emit: 'close' })),
      [record('a', 1, 1), record('a', 1, 3), record('a', 1, 14), record('b', 1, 8), record('a', 1, 8)],
      'window',
      'state',
    )
    expect(lines).toEqual([
      '6 state aggregate <5 aggregate a [1,2) = 1',
      '7 window aggregate <5 opened a [1,2) 1',
      '12 state aggregate <11 aggregate a [1,2) deleted was 6',
      '13 state aggregate <11 aggregate a [1,4) = 2',
      '14 window aggregate <11 updated a [1,4) 2 was 7',
      '19 state aggregate <18 aggregate a [14,15) = 1',
      '20 window aggregate <18 opened a [14,15) 1',
      '24 state aggregate <23 aggregate b [8,9) = 1',
      '25 window aggregate <23 opened b [8,9) 1',
      '28 state aggregate <27 aggregate a [1,4) deleted was 13',
      '29 state aggregate <27 aggregate a [14,15) deleted was 19',
      '30 state aggregate <27 aggregate a [1,15) = 4',
      '31 window aggregate <27 merged a [1,15) 4 was 14+20',
    ])
  })

  test('a session that another takes over is taken back, as a result of its last event', () => {
    const lines = traced(
      (source) => source.pipe(sessionWindow(6, { grace: 20 }), aggregate(count())),
      [record('a', 1, 1), record('a', 1, 3)],
      'out',
    )
    expect(lines).toEqual([
      '3 out in a:1@1',
      '8 out aggregate <5 a:1@1 [1,2) of 7',
      '10 out in a:1@3',
      '14 out aggregate <12 a:null@1 [1,2) of 7',
      '17 out aggregate <12 a:2@3 [1,4) of 16',
    ])
  })

  test('a sliding window that begins with its neighbour’s records counts them', () => {
    const lines = traced(
      (source) => source.pipe(slidingWindow(10), aggregate(count())),
      [record('a', 1, 20), record('a', 1, 25)],
      'window',
    )
    // [10, 21) ends at the first record; of the second, [21, 32) begins after the first and [15, 26) ends at the second.
    expect(lines.map((line) => line.replace(/^\d+ window aggregate <\d+ /, ''))).toEqual([
      'opened a [10,21) 1',
      'opened a [21,32) 1',
      'opened a [15,26) 2',
      'closed a [10,21) 1 was 7',
    ])
  })

  test('a sliding window’s count is that of its records, in whatever order they come', () => {
    const drafts = fc.array(fc.tuple(fc.constantFrom('a', 'b'), fc.nat(120)), { minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(drafts, fc.constantFrom(0, 3, 25), (given, grace) => {
        const events = new Map<number, TraceEvent>()
        const source = new Subject<In>()
        const counted = source.pipe(slidingWindow(10, { grace }), aggregate(count()))
        local(counted, { trace: tracer((event) => events.set(event.id, event)) }).subscribe()
        for (const [key, timestamp] of given) source.next(record(key, 1, timestamp))
        for (const event of events.values()) {
          if (event.type !== 'out' || event.operator !== 'aggregate') continue
          const of = events.get(event.of as number) as TraceEvent & { type: 'window' }
          expect([of.type, of.count]).toEqual(['window', event.record.value])
        }
      }),
      { seed: 7, numRuns: 200 },
    )
  })

  test('a window whose aggregator gives null is gone', () => {
    const none = { init: () => 0, add: (acc: number, one: In) => (one.value === 0 ? null : acc + one.value) }
    const lines = traced(
      (source) => source.pipe(tumblingWindow(10), aggregate(none as never)),
      [record('a', 1, 1), record('a', 0, 2)],
      'window',
    )
    expect(lines).toEqual(['7 window aggregate <5 opened a [0,10) 1', '15 window aggregate <12 gone a [0,10) 1 was 7'])
  })

  test('a join’s result comes from the later record; what met nothing is made of what had been kept', () => {
    const told: TraceEvent[] = []
    const [left, right] = [new Subject<In>(), new Subject<In>()]
    const joined = left.pipe(streamStreamJoin(right, (l, r) => [l, r], { within: 5, kind: 'left' }))
    local(joined, { trace: tracer((event) => told.push(event)) }).subscribe()
    left.next(record('a', 1, 1))
    right.next(record('a', 'X', 3))
    left.next(record('b', 2, 10))
    right.next(record('c', 'Y', 30))
    const shown = told.filter(
      ({ type, operator }) => ['in', 'fired'].includes(type) || (type === 'out' && operator !== 'in'),
    )
    const ids = new Map(shown.map((event, index) => [event.id, index]))
    const simple = shown.map((event) => ({
      type: event.type,
      key: 'record' in event ? event.record?.key : undefined,
      from: event.type === 'in' ? undefined : event.type === 'fired' ? event.cause : ids.get(event.cause as number),
      of: event.type === 'out' && event.of !== undefined ? ids.get(event.of) : undefined,
    }))
    const moving = told.find((event) => event.type === 'out' && event.record.key === 'c')
    expect(simple).toEqual([
      { type: 'in', key: 'a' },
      { type: 'in', key: 'a' },
      { type: 'out', key: 'a', from: 1 },
      { type: 'in', key: 'b' },
      { type: 'in', key: 'c' },
      { type: 'fired', from: moving?.id },
      { type: 'out', key: 'b', from: 5, of: 3 },
    ])
  })

  test('a match of a join leads back to both of its records', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ isLeft: fc.boolean(), key: fc.constantFrom('a', 'b'), timestamp: fc.nat(30) }), {
          maxLength: 25,
        }),
        (given) => {
          const events = new Map<number, TraceEvent>()
          const [left, right] = [new Subject<In>(), new Subject<In>()]
          // Each value is its record's number: a pair says which two it is made of.
          const pairs = left.pipe(streamStreamJoin(right, (l: number, r: number) => [l, r], { within: 6, grace: 30 }))
          local(pairs, { trace: tracer((event) => events.set(event.id, event)) }).subscribe()
          for (const [n, { isLeft, key, timestamp }] of given.entries())
            (isLeft ? left : right).next(record(key, n, timestamp))
          for (const event of events.values()) {
            if (event.type !== 'out' || event.operator !== 'streamStreamJoin') continue
            const found = [...sourcesOf(events, event.id)].map(
              (id) => (events.get(id) as { record?: In }).record?.value,
            )
            expect(new Set(found)).toEqual(new Set(event.record.value as number[]))
          }
        },
      ),
      { seed: 9, numRuns: 60 },
    )
  })

  test('what was joined with a row leads back to the record behind the row too', () => {
    const events = new Map<number, TraceEvent>()
    const [stream, changes] = [new Subject<In>(), new Subject<In>()]
    const users = toTable('users', changes)
    const joined = stream.pipe(streamTableJoin(users, (l, r) => [l, r], { kind: 'left' }))
    local(joined, { trace: tracer((event) => events.set(event.id, event)) }).subscribe()
    changes.next(record('a', 1, 1))
    changes.next(record('a', 2, 2))
    stream.next(record('a', 3, 3))
    stream.next(record('b', 4, 4))
    const results = [...events.values()].filter((event) => event.type === 'out' && event.operator === 'streamTableJoin')
    const values = results.map(({ id }) =>
      [...sourcesOf(events, id)].map((source) => (events.get(source) as { record?: In }).record?.value).sort(),
    )
    expect(values).toEqual([[2, 3], [4]])
  })

  test('what a timer emits is made of the record that set it', () => {
    const lines = traced(
      (source) =>
        source.pipe(
          process<In, In>(({ timers, emit }) => ({
            record: ({ key, timestamp }) => timers.at(timestamp + 10, key),
            timer: (timestamp, key) => emit(record(key, 'due', timestamp)),
          })),
        ),
      [record('a', 1, 1), record('b', 1, 20)],
      'in',
      'fired',
      'out',
    )
    expect(lines).toEqual([
      '3 out in a:1@1',
      '5 in process <3 a:1@1',
      '8 out in b:1@20',
      '10 in process <8 b:1@20',
      '13 fired process <8 at 11',
      '15 out process <13 a:"due"@11 of 5',
    ])
  })

  test('the answer of a call is made of the record that it was made for', async () => {
    const told: TraceEvent[] = []
    const source = new Subject<In>()
    const answers = new Map<string, (n: number) => void>()
    const results = source.pipe(
      mapAsync((one) => new Promise<number>((done) => answers.set(one.key, done)), { order: 'none' }),
    )
    local(results, { trace: tracer((event) => told.push(event)) }).subscribe()
    source.next(record('a', 1, 1))
    source.next(record('b', 1, 2))
    await until('both calls', () => answers.size === 2)
    answers.get('b')?.(5)
    const isOut = (event: TraceEvent) => event.type === 'out' && event.operator === 'mapAsync'
    await until('the answer', () => told.some(isOut))
    const asked = told.find((event) => event.type === 'in' && event.record.key === 'b')
    expect(told.filter(isOut)).toMatchObject([{ record: { key: 'b', value: 5 }, of: asked?.id }])
    expect(told.find(({ id }) => id === told.find(isOut)?.cause)).toMatchObject({
      type: 'fired',
      time: undefined,
      cause: undefined,
    })
  })

  test('events stay what they were, whatever becomes of the state', () => {
    const told: TraceEvent[] = []
    const source = new Subject<In>()
    const kept = source.pipe(
      process<In, In>(({ keyed }) => {
        const state = keyed<string, number[]>()
        return {
          record({ key, value }) {
            const list = state.get(key) ?? []
            list.push(value)
            state.put(key, list)
          },
        }
      }),
    )
    local(kept, { trace: tracer((event) => told.push(event)) }).subscribe()
    source.next(record('a', 1, 1))
    source.next(record('a', 2, 2))
    expect(told.flatMap((event) => (event.type === 'state' ? [event.value] : []))).toEqual([[1], [1, 2]])
  })

  test('ids rise over all tasks that one tracer follows', async () => {
    const ids: number[] = []
    const trace = tracer(({ id }) => ids.push(id))
    for (let n = 0; n < 2; n++)
      await lastValueFrom(local(from([record('a', 1, 1)]).pipe(mapValues((v) => v)), { trace }))
    expect(ids.length).toBeGreaterThan(8)
    expect(ids).toEqual(ids.map((_, index) => index + 1))
  })
})

describe('properties', () => {
  const records = fc.array(
    fc.record({
      key: fc.constantFrom('a', 'b', 'c'),
      value: fc.integer({ min: -2, max: 9 }),
      timestamp: fc.integer({ min: 0, max: 120 }),
    }),
    { minLength: 1, maxLength: 40 },
  )
  const pipelines: { readonly [name: string]: (source: Observable<In>) => Observable<unknown> } = {
    tumbling: (source) =>
      source.pipe(
        tumblingWindow(20, { grace: 10 }),
        aggregate(
          sum(({ value }) => value),
          { emit: 'close' },
        ),
      ),
    hopping: (source) =>
      source.pipe(
        filter(({ value }) => value > 0),
        hoppingWindow(20, 5),
        aggregate(count()),
      ),
    sessions: (source) =>
      source.pipe(withWatermark({ maxOutOfOrderness: 30 }), sessionWindow(7), aggregate(count(), { emit: 'close' })),
    sliding: (source) => source.pipe(slidingWindow(10, { grace: 50 }), aggregate(count())),
    chained: (source) =>
      source.pipe(
        withWatermark({ maxOutOfOrderness: 15 }),
        tumblingWindow(10),
        aggregate(count(), { emit: 'close' }),
        map(({ window: _, final: __, ...rest }) => rest as In),
        tumblingWindow(30),
        aggregate(
          sum(({ value }) => value),
          { emit: 'close' },
        ),
      ),
    joined: (source) =>
      source.pipe(
        filter(({ value }) => value % 2 === 0),
        streamStreamJoin(source.pipe(filter(({ value }) => value % 2 !== 0)), (l, r) => [l, r], {
          within: 8,
          kind: 'outer',
        }),
      ),
  }

  test.each(Object.keys(pipelines))(
    '%s: outputs are those without a trace, and each leads back to a source record',
    (name) => {
      const pipeline = pipelines[name] as (source: Observable<In>) => Observable<unknown>
      fc.assert(
        fc.property(records, (given) => {
          const input = given.map(({ key, value, timestamp }) => record(key, value, timestamp))
          const run = (trace?: ReturnType<typeof tracer>) => {
            const source = new Subject<In>()
            const outputs: unknown[] = []
            local(pipeline(source), trace === undefined ? {} : { trace }).subscribe((one) => outputs.push(one))
            for (const one of input) source.next(one)
            source.complete()
            return outputs
          }
          const events = new Map<number, TraceEvent>()
          const outputs = run(tracer((event) => events.set(event.id, event)))
          expect(outputs).toEqual(run())
          for (const event of events.values())
            if (event.type === 'out') expect(sourcesOf(events, event.id).size).toBeGreaterThan(0)
        }),
        { seed: 5, numRuns: 60 },
      )
    },
  )

  test('a tumbling result leads back to just the records that its window has taken', async () => {
    await fc.assert(
      fc.asyncProperty(records, async (given) => {
        const events = new Map<number, TraceEvent>()
        const input = given.map(({ key, value, timestamp }) => record(key, value, timestamp))
        const sums = from(input).pipe(tumblingWindow(20, { grace: 10 }), aggregate(count(), { emit: 'close' }))
        await lastValueFrom(local(sums, { trace: tracer((event) => events.set(event.id, event)) }).pipe(toArray()))
        const late = new Set<unknown>()
        let newest = -1
        for (const one of input) {
          newest = Math.max(newest, one.timestamp)
          if (one.timestamp - (one.timestamp % 20) + 30 <= newest) late.add(one)
        }
        for (const event of events.values()) {
          if (event.type !== 'out' || event.operator !== 'aggregate') continue
          const { key, window } = event.record as WindowedRecord
          const wanted = input.filter(
            (one) => one.key === key && one.timestamp >= window.start && one.timestamp < window.end && !late.has(one),
          )
          const found = [...sourcesOf(events, event.id)].map(
            (id) => (events.get(id) as TraceEvent & { type: 'out' }).record,
          )
          expect(new Set(found)).toEqual(new Set(wanted))
          expect(found).toHaveLength(wanted.length)
        }
      }),
      { seed: 6, numRuns: 60 },
    )
  })
})

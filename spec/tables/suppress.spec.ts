import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { from, map, merge, type Observable, Subject } from 'rxjs'
import {
  aggregate,
  type Change,
  cogroup,
  collect,
  count,
  json,
  local,
  record,
  reduce,
  type StreamRecord,
  type SuppressOptions,
  sessionWindow,
  sideOutput,
  slidingWindow,
  sum,
  suppress,
  type Table,
  tableGroupBy,
  tableTableJoin,
  toStream,
  toTable,
  toTopic,
  tumblingWindow,
  type Window,
  withWatermark,
} from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

expect.extend(matchers)

type Upserts = Observable<StreamRecord<string, number | null>>
type AnyTable = Table<string, any, any>

const kept = (options: SuppressOptions) => (s: Upserts) =>
  toTable('t', s).pipe(suppress<string, number, undefined>(options))

test('its diagram', async () => {
  const table = 'a-b--c------d--|'
  const out = '-----x------y--(z|)'
  expectDrawn('tables/suppress.ts', `table  ${table}`, `out    ${out}`)
  await runMarbles({
    source: table,
    out,
    values: {
      a: ['ann', 1],
      b: ['ann', 2],
      c: ['bob', 5],
      d: ['ann', 3],
      x: { key: 'ann', value: 2, previous: null, timestamp: 2 },
      y: { key: 'bob', value: 5, previous: null, timestamp: 5 },
      z: { key: 'ann', value: 3, previous: 2, timestamp: 12 },
    },
    pipeline: (s) => kept({ until: '5ms' })(s as Upserts).changes(),
  })
})

/** The results of windows until their close. */
const closed =
  (window: (s: any) => Observable<any>, options: SuppressOptions = { until: 'close' }) =>
  (s: any) =>
    (toTable('t', window(s).pipe(aggregate(collect()))) as AnyTable).pipe(
      suppress<string, any, any>(options) as (table: AnyTable) => AnyTable,
      toStream<string, any, any>() as (table: AnyTable) => Observable<any>,
    )
const tumbling = (s: any) => s.pipe(tumblingWindow(10, { grace: 3 }))
const session = (s: any) => s.pipe(sessionWindow(4, { grace: 3 }))
const sliding = (s: any) => s.pipe(slidingWindow(6, { grace: 3 }))

describe('laws', () => {
  const upserts = [6, 2, null, 7, 8, 1, 9, null].map((value, i) =>
    record(['ann', 'bob', 'eve'][i % 3] as string, value, i * 2),
  )
  const stream = (options: SuppressOptions) => () => (s: any) => kept(options)(s).pipe(toStream())
  describe.each([{ until: 3 }, { until: 7, maxRecords: 2 }] as const)('%j', (options) => {
    for (const law of operatorLaws(stream(options), upserts)) test(law.name, law.run)
  })

  const times = [1, 4, 12, 9, 13, 21, 22, 22, 35, 41]
  const input = times.map((time, i) => record(['ann', 'bob'][i % 2] as string, i, time))
  describe.each([
    ['tumbling', tumbling],
    ['session', session],
    ['sliding', sliding],
  ])('until the close of %s windows', (_, window) => {
    for (const law of operatorLaws(() => closed(window), input)) test(law.name, law.run)
  })
  describe('behind a watermark', () => {
    const marked = (s: any) => tumbling(s.pipe(withWatermark({ maxOutOfOrderness: 5 })))
    for (const law of operatorLaws(() => closed(marked), input)) test(law.name, law.run)
    for (const law of operatorLaws(() => closed(marked, { until: 6 }), input)) test(`a time: ${law.name}`, law.run)
    const windowed = () => (s: any) =>
      kept({ until: 6 })(s.pipe(withWatermark({ maxOutOfOrderness: 5 }))).pipe(
        toStream(),
        tumblingWindow(4) as any,
        aggregate(count(), { emit: 'close' }),
      ) as Observable<any>
    for (const law of operatorLaws(windowed, input)) test(`windows behind it: ${law.name}`, law.run)
  })
})

describe('edges: a time', () => {
  const values = {
    a: ['ann', 1],
    b: ['bob', 2],
    c: ['ann', 3],
    d: ['ann', null],
    e: ['eve', 4],
    p: { key: 'ann', value: 1, previous: null },
    q: { key: 'bob', value: 2, previous: null },
    r: { key: 'ann', value: 3, previous: null },
    s: { key: 'ann', value: null, previous: null },
    t: { key: 'ann', value: null, previous: 1 },
    u: { key: 'eve', value: 4, previous: null },
  } as const
  test.each<{ name: string; source: string; out: string; options?: Partial<SuppressOptions> }>([
    { name: 'an empty table', source: '|', out: '|' },
    { name: 'an error; nothing is flushed', source: 'a--#', out: '---#' },
    { name: 'no time at all: right away', source: 'a--c-|', out: 'p--v-|', options: { until: 0 } },
    { name: 'not before the limit', source: 'a----b@4--', out: '---' },
    { name: 'at the limit', source: 'a----b@5--', out: '-----p@0' },
    {
      name: 'the last value, with its timestamp; later changes do not put it off',
      source: 'a---c-b',
      out: '------r@4',
    },
    { name: 'by the timestamp of the first, be the last older', source: 'a@9-c@2-b@14', out: '--------r@2' },
    { name: 'a delete comes out too', source: 'a---d-b', out: '------s@4' },
    { name: 'what was before is what came out last', source: 'a-----b--d-e@15', out: '------p----(qt)' },
    { name: 'by time, then key', source: '(ba@0e@1)--a@90', out: '-----------(pqu)' },
    { name: 'all on completion', source: '(ba@0)--|', out: '--------(pq|)' },
    { name: 'no more than maxRecords: the first comes early', source: 'bae', out: '--q', options: { maxRecords: 2 } },
    { name: 'what is due anyhow makes room', source: 'ba------e@5', out: '--------q', options: { maxRecords: 2 } },
    { name: 'a row that waits already takes no room', source: 'bac', out: '-', options: { maxRecords: 2 } },
  ])('$name', async ({ source, out, options }) => {
    await runMarbles({
      source,
      out,
      values: { ...values, v: { key: 'ann', value: 3, previous: 1 } },
      pipeline: (s) => kept({ until: 5, ...options } as SuppressOptions)(s as Upserts).changes(),
    })
  })

  test('a full buffer fails the app, if it is told to, unless what is due makes room', async () => {
    const full = (source: string, out: string) =>
      runMarbles({
        source,
        out,
        values,
        pipeline: (s) => kept({ until: 5, maxRecords: 2, whenFull: 'fail' })(s as Upserts).changes(),
      })
    expect((await full('bae', '--#')).error).toMatchObject({ code: 'BUFFER_FULL' })
    expect((await full('ba------e@5', '--------q')).error).toBeUndefined()
  })

  test('of rows of windows it counts from the first change too', () => {
    const seen: unknown[] = []
    const counts = toTable(
      't',
      from([3, 7, 8, 9].map((time) => record('ann', 1, time))).pipe(tumblingWindow(100), aggregate(count())),
    )
    local(
      (counts as AnyTable).pipe(suppress<string, any, any>({ until: 5 }) as (table: AnyTable) => AnyTable).changes(),
    ).subscribe(({ value, timestamp }) => seen.push([value, timestamp]))
    expect(seen).toEqual([
      [3, 8],
      [4, 9],
    ])
  })

  test('it asks its table what was before, though the table would not know it otherwise', async () => {
    await runMarbles({
      source: 'a-----b--d-e@15',
      out: '   ------p----(qt)',
      values,
      pipeline: (s) =>
        toTable(undefined, s as Upserts)
          .pipe(suppress<string, number, undefined>({ until: 5 }))
          .changes(),
    })
  })

  test('a late record of a versioned table is dropped, and counted', async () => {
    const t = await testApp(
      (app) => {
        const table = app.table<number>('t', { value: json(), name: 't', history: 100 })
        app.run('out', table.pipe(suppress({ until: 5, name: 's' }), toStream(), toTopic('out')))
      },
      { topics: { t: 1, out: 1 } },
    )
    for (const [key, value, timestamp] of [
      ['ann', 1, 20],
      ['ann', 2, 10],
      ['bob', 3, 30],
    ] as const)
      await t.send('t', { key, value, timestamp })
    await t.settle()
    expect(await t.records('out')).toEqualRecords([{ key: 'ann', value: 1, timestamp: 20 }])
    expect(t.app.stats().tasks[0]?.dropped).toEqual([{ operator: 's', reason: 'out of order', count: 1 }])
    await t.stop()
  })

  test('an update of a row that waits is in the checkpoint', async () => {
    const t = await testApp(
      (app) => {
        const table = app.table<number>('t', { value: json(), name: 't' })
        app.run('out', table.pipe(suppress({ until: 50, name: 's' }), toStream(), toTopic('out')))
      },
      { topics: { t: 1, out: 1 } },
    )
    for (const value of [1, 2]) {
      await t.send('t', { key: 'ann', value, timestamp: value })
      await t.settle()
    }
    await t.crash()
    await t.restart()
    await t.send('t', { key: 'bob', value: 3, timestamp: 60 })
    await t.settle()
    expect(await t.records('out')).toEqualRecords([{ key: 'ann', value: 2, timestamp: 2 }])
    await t.stop()
  })

  test('a watermark declared after it is TWO_WATERMARKS, as it goes by time already', () => {
    const codes: unknown[] = []
    kept({ until: 5 })(from([record('ann', 1, 1)]))
      .pipe(toStream())
      .pipe(withWatermark({ maxOutOfOrderness: 5 }) as any, aggregate(count()) as any)
      .subscribe({ error: (error) => codes.push(error.code) })
    expect(codes).toEqual(['TWO_WATERMARKS'])
  })
})

describe('edges: until the close', () => {
  const run = (window: (s: any) => Observable<any>, times: readonly number[], options?: SuppressOptions) => {
    const source = new Subject<StreamRecord<string, number>>()
    const steps: unknown[][] = []
    local(closed(window, options)(source)).subscribe({
      next: ({ value, window, timestamp, final }) =>
        steps.at(-1)?.push([value, window.start, window.end, timestamp, final]),
      error: (error) => steps.at(-1)?.push(error.code),
    })
    for (const [index, time] of times.entries()) {
      steps.push([])
      source.next(record('ann', index, time))
    }
    steps.push([])
    source.complete()
    return steps
  }

  test('a window: once end + grace have passed', () => {
    expect(run(tumbling, [1, 4, 12, 13])).toEqual([
      [],
      [],
      [],
      [[[0, 1], 0, 10, 4, true]],
      [[[2, 3], 10, 20, 13, true]],
    ])
  })

  test('time is that of the results, not of the records behind them', () => {
    // The late record is older than what its window has: the result keeps the time of that.
    expect(run(tumbling, [12, 3, 14])).toEqual([[], [], [[[1], 0, 10, 3, true]], [[[0, 2], 10, 20, 14, true]]])
  })

  test('a session: once gap and grace have passed its last record; what it replaced says nothing', () => {
    expect(run(session, [1, 4, 10, 11])).toEqual([
      [],
      [],
      [],
      // A ms before it closes, as in Kafka Streams: one may follow.
      [[[0, 1], 1, 5, 4, false]],
      [[[2, 3], 10, 12, 11, true]],
    ])
    expect(run(session, [1, 4, 12])[2]).toEqual([[[0, 1], 1, 5, 4, true]])
  })

  test('a sliding window: once grace has passed its last moment', () => {
    expect(run(sliding, [8, 11])).toEqual([
      [],
      [[[0], 2, 9, 8, false]],
      [
        [[0, 1], 5, 12, 11, true],
        [[1], 9, 16, 11, true],
      ],
    ])
  })

  test('behind a watermark: as soon as the window has closed', () => {
    const marked = (window: (s: any) => Observable<any>) => (s: any) =>
      window(s.pipe(withWatermark({ maxOutOfOrderness: 5 })))
    expect(run(marked(tumbling), [1, 17, 18])).toEqual([[], [], [[[0], 0, 10, 1, true]], [[[1, 2], 10, 20, 18, true]]])
    expect(run(marked(session), [1, 13, 14])[2]).toEqual([[[0], 1, 2, 1, true]])
    expect(run(marked(sliding), [8, 16, 17])[2]).toEqual([[[0], 2, 9, 8, true]])
  })

  test('too many at a time fail the app', () => {
    expect(run(tumbling, [1, 10, 11, 21], { until: 'close', maxRecords: 1 })).toEqual([[], ['BUFFER_FULL'], [], [], []])
  })

  test('null from the aggregator: a row that is gone says nothing', () => {
    const drop = reduce((_: number, value: number) => (value === 1 ? (null as never) : value))
    const seen: unknown[] = []
    local(
      toTable('t', from([3, 1].map((value) => record('ann', value, value))).pipe(tumblingWindow(10), aggregate(drop)))
        .pipe(suppress({ until: 'close' }))
        .changes(),
    ).subscribe((change) => seen.push(change))
    expect(seen).toEqual([])
  })

  test.each<[string, () => unknown]>([
    ['BAD_DURATION', () => suppress({ until: -1 })],
    ['BAD_OPTION', () => suppress({ until: 5, maxRecords: 0 })],
    ['BAD_OPTION', () => suppress({ until: 'close', maxRecords: 5, whenFull: 'emit' as 'fail' })],
  ])('%s', (code, make) => {
    expect(make).toThrow(expect.objectContaining({ code }))
  })

  test('rows without windows are BAD_OPTION at planning', async () => {
    const app = testApp(
      (a) => {
        const table = a.table<number>('t', { value: json(), name: 't' })
        a.run('x', table.pipe(suppress({ until: 'close' })).changes())
      },
      { topics: { t: 1 } },
    )
    await expect(app).rejects.toMatchObject({ code: 'BAD_OPTION', place: { operator: 'suppress' } })
  })
})

describe('rows', () => {
  test('are the table’s, as they were before what waits', () => {
    const source = new Subject<StreamRecord<string, number | null>>()
    const table = kept({ until: 5 })(source)
    const subscription = local(table.changes()).subscribe()
    const rows = () => [...table.entries()].sort()
    source.next(record('ann', 1, 0))
    expect(rows()).toEqual([])
    expect(table.get('ann')).toBeUndefined()
    source.next(record('bob', 2, 5))
    expect(rows()).toEqual([['ann', 1]])
    source.next(record('ann', 3, 6))
    expect(table.get('ann')).toBe(1)
    expect(table.get('eve')).toBeUndefined()
    source.next(record('ann', null, 7))
    expect(rows()).toEqual([['ann', 1]])
    source.next(record('eve', 4, 12))
    expect(rows()).toEqual([['bob', 2]])
    expect(table.get('bob')).toBe(2)
    subscription.unsubscribe()
  })

  test('what a row was before has no time of its own: a join goes by that of the other side', () => {
    const [a, b] = [new Subject<StreamRecord<string, number>>(), new Subject<StreamRecord<string, number>>()]
    const seen: unknown[] = []
    local(
      toTable('b', b)
        .pipe(tableTableJoin(kept({ until: 5 })(a), (x: number, y: number) => x + y, { kind: 'inner' }))
        .changes(),
    ).subscribe(({ value, timestamp }) => seen.push([value, timestamp]))
    a.next(record('ann', 1, 0))
    a.next(record('bob', 9, 5))
    a.next(record('ann', 2, 9))
    b.next(record('ann', 10, 0))
    expect(seen).toEqual([[11, 0]])
  })

  test('what follows can take back what came out before', () => {
    const seen: unknown[] = []
    const table = kept({ until: 5 })(
      from([
        record('ann', 1, 0),
        record('ann', 2, 1),
        record('bob', 9, 6),
        record('ann', 5, 7),
        record('ann', 7, 8),
        record('bob', 9, 20),
      ]),
    )
    const totals = table.pipe(
      tableGroupBy(
        () => 'all',
        sum((r) => r.value),
        { name: 'totals' },
      ),
    )
    local(totals.changes()).subscribe(({ value }) => seen.push(value))
    expect(seen).toEqual([2, 11, 16])
  })
})

describe('against folding the changes', () => {
  const given = fc.array(
    fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd'), value: fc.option(fc.nat(9), { freq: 4 }), time: fc.nat(40) }),
    { maxLength: 30 },
  )

  test('a time, with and without a bound', () => {
    fc.assert(
      fc.property(given, fc.nat(12), fc.option(fc.integer({ min: 1, max: 3 })), (all, limit, bound) => {
        const source = new Subject<StreamRecord<string, number | null>>()
        const steps: unknown[][] = []
        const options = { until: limit, ...(bound !== null && { maxRecords: bound }) }
        local(kept(options)(source).changes()).subscribe(({ key, value, previous, timestamp }) =>
          steps.at(-1)?.push({ key, value, previous, timestamp }),
        )
        const rows = new Map<string, number | null>()
        let waiting: { key: string; from: number; value: number | null; timestamp: number }[] = []
        let now = Number.NEGATIVE_INFINITY
        const release = (isOut: (rank: number, from: number) => boolean) => {
          const ranked = waiting.toSorted((a, b) => a.from - b.from || (a.key < b.key ? -1 : 1))
          const out = ranked.filter(({ from }, rank) => isOut(ranked.length - rank, from))
          waiting = waiting.filter((one) => !out.includes(one))
          return out.map(({ key, value, timestamp }) => {
            const previous = rows.get(key) ?? null
            rows.set(key, value)
            return { key, value, previous, timestamp }
          })
        }
        const expected = all.map(({ key, value, time }) => {
          now = Math.max(now, time)
          const known = waiting.find((one) => one.key === key)
          if (known === undefined) waiting.push({ key, from: time, value, timestamp: time })
          else Object.assign(known, { value, timestamp: time })
          return [...release((_, from) => from + limit <= now), ...release((rank) => bound !== null && rank > bound)]
        })
        for (const { key, value, time } of all) {
          steps.push([])
          source.next(record(key, value, time))
        }
        steps.push([])
        source.complete()
        expect(steps).toEqual([...expected, release(() => true)])
      }),
      { seed: 35, numRuns: 300 },
    )
  })

  test('behind a watermark: what follows may still get what waits, and nothing that is older', () => {
    const disorder = 6
    const jittered = fc
      .array(
        fc.record({
          key: fc.constantFrom('a', 'b', 'c'),
          pause: fc.nat(4),
          jitter: fc.nat(disorder),
        }),
        { maxLength: 30 },
      )
      .map((all) => {
        let base = 0
        return all.map(({ key, pause, jitter }) => {
          base += pause
          return { key, time: base + jitter }
        })
      })
    fc.assert(
      fc.property(jittered, fc.nat(12), fc.option(fc.integer({ min: 1, max: 3 })), (all, limit, bound) => {
        let waiting: { key: string; from: number; timestamp: number }[] = []
        let reached = Number.NEGATIVE_INFINITY
        let open: number[] = []
        /** Lets go what is due at that time, and what is too much; then the windows of a ms close that nothing can come to any more. */
        const pass = (now: number) => {
          const ranked = waiting.toSorted((a, b) => a.from - b.from || (a.key < b.key ? -1 : 1))
          const tooMany = bound === null ? 0 : Math.max(0, ranked.length - bound)
          const out = ranked.filter(({ from }, rank) => from + limit <= now || rank < tooMany)
          waiting = waiting.filter((one) => !out.includes(one))
          expect(out.filter(({ timestamp }) => timestamp < reached)).toEqual([])
          open.push(...out.map(({ timestamp }) => timestamp))
          reached = Math.max(reached, Math.min(now, ...waiting.map(({ timestamp }) => timestamp)))
          const closed = open.filter((start) => start + 1 <= reached)
          open = open.filter((start) => start + 1 > reached)
          return [...new Set(closed)].sort((a, b) => a - b)
        }
        const expected = all.map(({ key, time }, index) => {
          const known = waiting.find((one) => one.key === key)
          if (known === undefined) waiting.push({ key, from: time, timestamp: time })
          else known.timestamp = time
          return pass(Math.max(...all.slice(0, index + 1).map((one) => one.time)) - disorder)
        })

        const source = new Subject<StreamRecord<string, number>>()
        const late = sideOutput<StreamRecord<string, number>>('late')
        const steps: number[][] = []
        const options = { until: limit, ...(bound !== null && { maxRecords: bound }) }
        const windows = kept(options)(source.pipe(withWatermark({ maxOutOfOrderness: disorder })) as Upserts).pipe(
          toStream(),
          tumblingWindow(1, { late }) as any,
          aggregate(count(), { emit: 'close' }),
        ) as Observable<any>
        const lost: unknown[] = []
        local(merge(windows, late.pipe(map((one) => ({ lost: one }))))).subscribe((one: any) =>
          'lost' in one ? lost.push(one) : steps.at(-1)?.push(one.window.start),
        )
        for (const [index, { key, time }] of all.entries()) {
          steps.push([])
          source.next(record(key, index, time))
        }
        steps.push([])
        source.complete()
        expect(lost).toEqual([])
        const closed = steps.map((starts) => [...new Set(starts)])
        const inModel = [...expected, pass(Number.POSITIVE_INFINITY)]
        // What comes out early lets time behind it go on with the next record only.
        if (bound === null) expect(closed).toEqual(inModel)
        else expect([...new Set(closed.flat())].sort()).toEqual([...new Set(inModel.flat())].sort())
      }),
      { seed: 36, numRuns: 300 },
    )
  })

  test.each([
    ['tumbling', tumbling, 10],
    ['session', session, undefined],
  ] as const)('until the close of %s windows', (_, window, size) => {
    fc.assert(
      fc.property(given, (all) => {
        const records = all.map(({ key, time }, index) => record(key, index, time))
        const changes: Change<string, unknown, Window>[] = []
        const table = toTable('t', window(from(records)).pipe(aggregate(collect()))) as AnyTable
        local(table.changes()).subscribe((change) => changes.push(change as never))
        const closeOf = ({ end }: Window) => (size === undefined ? end - 1 + 4 + 3 : end + 3)

        const waiting = new Map<string, Change<string, unknown, Window>>()
        let now = Number.NEGATIVE_INFINITY
        const release = () => {
          const due = [...waiting].filter(([, { window }]) => closeOf(window) <= now)
          for (const [row] of due) waiting.delete(row)
          return due
            .map(([, change]) => change)
            .filter(({ value }) => value !== null)
            .sort(
              (a, b) =>
                a.window.end - b.window.end ||
                (a.key < b.key ? -1 : a.key > b.key ? 1 : a.window.start - b.window.start),
            )
        }
        const expected = changes.flatMap((change) => {
          now = Math.max(now, change.timestamp)
          waiting.set(`${change.window.start} ${change.window.end} ${change.key}`, change)
          return release()
        })
        now = Number.POSITIVE_INFINITY
        expected.push(...release())
        const shown = ({ key, value, window, timestamp }: Change<string, unknown, Window>) => ({
          key,
          value,
          window,
          timestamp,
        })
        const came: unknown[] = []
        local(closed(window)(from(records)).pipe(map((r) => shown(r as never)))).subscribe((one) => came.push(one))
        expect(came).toEqual(expected.map(shown))
      }),
      { seed: 36, numRuns: 200 },
    )
  })
})

test('in an app: what waits survives a crash, once', async () => {
  const t = await testApp(
    (app) => {
      const counts = app
        .stream<number>('in', { value: json() })
        .pipe(tumblingWindow(10), aggregate(count(), { name: 'c' }))
      const table = toTable('c', counts).pipe(suppress({ until: 'close', name: 'final' }))
      app.run('out', table.changes().pipe(map(({ key, value }) => record(key, value, 0))) as Observable<never>)
      return table
    },
    { topics: { in: 1 } },
  )
  await t.send('in', { key: 'a', value: 1, timestamp: 3 })
  await t.settle()
  await t.crash()
  await t.restart()
  expect((await t.state('final')).map(({ start, value }) => [start, value])).toEqual([[10, [1, null]]])
  await t.send('in', { key: 'b', value: 1, timestamp: 11 })
  await t.settle()
  expect((await t.state('final')).map(({ start }) => start)).toEqual([20])
  expect(t.errors).toEqual([])
  await t.stop()
})

test.each<[string, SuppressOptions]>([
  ['after a time', { until: 12 }],
  ['early, as there are too many', { until: 1000, maxRecords: 1 }],
])('behind a watermark, what comes out %s is not late for a window behind it', async (_, options) => {
  const times = [100, 111, 112, 113, 5000, 9000]
  const t = await testApp(
    (app) => {
      const source = app.stream<number>('in', { value: json(), watermark: { maxOutOfOrderness: 0 } })
      const changes = toTable('t', source).pipe(suppress({ ...options, name: 's' }), toStream())
      app.run(
        'out',
        changes.pipe(tumblingWindow(10), aggregate(count(), { name: 'second', emit: 'close' }), toTopic('out')),
      )
    },
    { topics: { in: 1, out: 1 } },
  )
  await t.send(
    'in',
    times.map((timestamp, i) => ({ key: `k${i}`, value: 1, timestamp })),
  )
  await t.settle()
  // The last one waits in `suppress`, and holds back nothing before it.
  expect((await t.records('out')).map(({ timestamp }) => timestamp)).toEqual(times.slice(0, -1))
  expect(t.app.stats().tasks.flatMap(({ dropped }) => dropped)).toEqual([])
  await t.stop()
})

describe('windows of several streams', () => {
  type Counts = Table<string, number, Window>

  /** What comes out of the window that begins at 0. */
  async function firstWindow(
    made: (streams: Record<'a' | 'b', Observable<StreamRecord<string, number>>>) => Table<string, unknown, Window>,
    sent: readonly (readonly ['a' | 'b', number])[],
    watermark?: { maxOutOfOrderness: number },
  ) {
    const options = { value: json<number>(), ...(watermark !== undefined && { watermark }) }
    const t = await testApp(
      (app) => {
        const table = made({ a: app.stream<number>('a', options), b: app.stream<number>('b', options) })
        app.run('out', table.pipe(suppress({ until: 'close', name: 's' }), toStream(), toTopic('out')))
      },
      { topics: { a: 1, b: 1, out: 1 } },
    )
    for (const [topic, timestamp] of sent) {
      await t.send(topic, { key: 'k', value: 1, timestamp })
      await t.settle()
    }
    const out = (await t.records('out')).filter(({ window }) => window?.start === 0)
    expect(t.errors).toEqual([])
    await t.stop()
    return out.map(({ value, final }) => [value, final === true])
  }

  const counted = (s: Observable<StreamRecord<string, number>>, name: string, grace: number): Counts =>
    toTable(name, s.pipe(tumblingWindow(10, { grace }), aggregate(count(), { name, retention: 100 }))) as Counts

  test.each([
    ['right', 0, 20, 'b'],
    ['left', 20, 0, 'a'],
  ] as const)('joined with different graces: the longer one counts, on the %s', async (_, left, right, late) => {
    const sent = [
      ['a', 1],
      ['b', 2],
      ['a', 12],
      ['b', 13],
      [late, 3],
      ['a', 45],
      ['b', 46],
    ] as const
    const join = (watermark?: { maxOutOfOrderness: number }) =>
      firstWindow(
        ({ a, b }) =>
          counted(a, 'l', left).pipe(
            tableTableJoin(counted(b, 'r', right), (x: number, y: number) => x + y, { kind: 'inner' }),
          ),
        sent,
        watermark,
      )
    expect(await join()).toEqual([[3, false]])
    expect(await join({ maxOutOfOrderness: 0 })).toEqual([[3, true]])
  })

  test('behind a cogroup, nothing is final while one of its inputs may still change it', async () => {
    const cogrouped = ({ a, b }: Record<'a' | 'b', Observable<StreamRecord<string, number>>>) =>
      toTable(
        'c',
        cogroup(
          { init: () => 0 },
          [
            [a.pipe(tumblingWindow(10)), (acc: number) => acc + 1],
            [b.pipe(tumblingWindow(10)), (acc: number) => acc + 100],
          ],
          { name: 'c' },
        ),
      ) as Counts
    const sent = [
      ['a', 1],
      ['a', 50],
      ['b', 2],
      ['b', 60],
      ['a', 100],
      ['b', 100],
    ] as const
    expect(await firstWindow(cogrouped, sent)).toEqual([
      [1, false],
      [101, false],
    ])
    expect(await firstWindow(cogrouped, sent, { maxOutOfOrderness: 0 })).toEqual([[101, true]])
  })
})

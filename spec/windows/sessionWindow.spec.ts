import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { mergeMap } from 'rxjs'
import {
  aggregate,
  collect,
  count,
  json,
  record,
  reduce,
  type StreamRecord,
  sessionWindow,
  shared,
  withWatermark,
} from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'
import { byClose, type Shown, stepwise } from './steps.js'

expect.extend(matchers)

const window = (start: number, end: number) => ({ start, end })

test('its diagram', async () => {
  const source = '-a---a---------a--|'
  const out = '-p---(qr)------s--|'
  expectDrawn('windows/sessionWindow.ts', `in   ${source}`, `out  ${out}`)
  await runMarbles({
    source,
    out,
    values: {
      a: ['ann', 1],
      p: { key: 'ann', value: 1, window: window(1, 2), timestamp: 1, final: false },
      q: { key: 'ann', value: null, window: window(1, 2), timestamp: 1, final: false },
      r: { key: 'ann', value: 2, window: window(1, 6), timestamp: 5, final: false },
      s: { key: 'ann', value: 1, window: window(15, 16), timestamp: 15, final: false },
    },
    pipeline: (s) => s.pipe(sessionWindow('4ms'), aggregate(count())),
  })
})

type Emit = 'update' | 'close' | { every: number }
const lists = (options: { grace?: number; late?: any; emit?: Emit; retention?: number; early?: any } = {}) => {
  const { emit = 'update', retention, early, ...rest } = options
  return (source: any) =>
    source.pipe(
      sessionWindow(5, rest),
      aggregate(collect(), {
        emit,
        ...(retention !== undefined && { retention }),
        ...(early !== undefined && { early }),
      }),
    )
}

describe.each([
  { emit: 'update' },
  { emit: 'close' },
  { emit: 'close', retention: 40 },
  { emit: { every: 7 } },
  { emit: 'close', early: (values: number[]) => values.length === 2 },
] as const)('laws, %j', (options) => {
  const times = [1, 4, 12, 9, 13, 21, 22, 22, 35, 30, 41]
  const input = times.map((time, i) => record(['ann', 'bob'][i % 2] as string, i, time))
  for (const law of operatorLaws(() => lists({ ...options, grace: 3 }), input)) test(law.name, law.run)
})

describe('edges', () => {
  const result = (start: number, end: number, value: readonly (string | null)[] | null) => ({
    key: 'ann',
    value,
    timestamp: end - 1,
    window: window(start, end),
  })
  const values = {
    a: ['ann', 'a'],
    b: ['ann', 'b'],
    c: ['ann', 'c'],
    n: ['ann', null],
    k: [null, 'k'],
    x: ['bob', 'x'],
    p: result(1, 2, ['a']),
    q: result(1, 2, null),
    r: result(1, 7, ['a', 'b']),
    s: result(7, 8, ['b']),
    t: result(7, 8, null),
    u: result(1, 8, ['a', 'b', 'c']),
    v: result(1, 2, ['a', 'b']),
    w: result(1, 7, null),
    y: result(1, 7, ['a', 'b', 'c']),
    m: result(1, 2, [null]),
    e: result(4, 8, ['b', 'c']),
    o: result(15, 16, ['a']),
    g: { key: 'bob', value: ['x'], window: window(20, 21) },
  } as const
  test.each([
    { name: 'an empty source', source: '|', out: '|' },
    { name: 'an error', source: 'a@1-#', out: 'p---#' },
    { name: 'a null key is dropped', source: 'k|', out: '-|' },
    { name: 'a null value counts', source: 'n@1|', out: 'm--|' },
    { name: 'gap apart is one session', source: 'a@1b@6----|', out: 'p--(qr)---|' },
    { name: 'further apart are two', source: 'a@1b@7|', out: 'p--s--|' },
    {
      name: 'a record in between joins them',
      source: 'a@1b@7c@4-----|',
      out: '   p--s--(qtu)---|',
      grace: 2,
    },
    {
      name: 'one that is gap and grace behind is not found any more',
      source: 'a@1b@7c@4----|',
      out: '   p--s--(te)---|',
      grace: 1,
    },
    {
      name: 'what does not grow is replaced too',
      source: 'a@1b@6-----c@3----|',
      out: '   p--(qr)----(wy)---|',
    },
    { name: 'but for a single moment', source: 'a@1b@1|', out: 'p--v--|' },
    {
      name: 'late: the session that it would make has closed',
      source: 'x@20--a@14-|',
      out: '   g----------|',
      late: '  ------a',
    },
    {
      name: 'open until gap and grace have passed its last record',
      source: 'x@20--a@15-|',
      out: '   g-----o----|',
      late: '',
    },
    {
      name: 'what would be late by itself joins a session that is open',
      source: 'b@7x@20--c@4-----|',
      out: '   s--g-----(te)----|',
      late: '',
      grace: 9,
    },
  ])('$name', async ({ source, out, late, grace = 0 }) => {
    await runMarbles({
      source,
      out,
      ...(late !== undefined && { late }),
      values,
      pipeline: (s, tools) => lists({ late: tools.late, grace })(s),
    })
  })
})

test.each([
  { later: 25, sessions: [[10, 14]] },
  {
    later: 26,
    sessions: [
      [10, 11],
      [13, 14],
    ],
  },
])(
  'a record that brings the time $later with an earlier one: whether that joins what is closing',
  ({ later, sessions }) => {
    // A gap of 5 and a grace of 10: the first session closes at 26.
    const records = [record('ann', [10], 10), record('ann', [13], later)]
    const steps = stepwise(records, (s) =>
      s.pipe(
        withWatermark({ maxOutOfOrderness: 0 }),
        shared<StreamRecord<string, number[]>>(),
        mergeMap(({ key, value }) => value.map((time: number) => record(key, time, time))),
        sessionWindow(5, { grace: 10 }),
        aggregate(collect(), { emit: 'close' }),
      ),
    )
    expect(steps.flatMap(({ results }) => results.map(({ start, end }) => [start, end]))).toEqual(sessions)
  },
)

test('a gap of 0: records of one moment share a session, and no others', () => {
  const steps = stepwise(
    [3, 4, 3, 4].map((time, index) => record('ann', index, time)),
    (s) => s.pipe(sessionWindow(0, { grace: 2 }), aggregate(collect())),
  )
  expect(steps.map(({ results }) => results.map(({ value, start, end }) => [value, start, end]))).toEqual([
    [[[0], 3, 4]],
    [[[1], 4, 5]],
    [[[0, 2], 3, 4]],
    [[[1, 3], 4, 5]],
    [],
  ])
})

test('null from the aggregator: its sessions are gone, and the next record begins anew', () => {
  const concat = reduce((a: string, b: string) => (b === 'x' ? (null as never) : a + b))
  const records = ['a', 'x', 'b'].map((value, time) => record('ann', value, time))
  const steps = stepwise(records, (s) => s.pipe(sessionWindow(5), aggregate(concat)))
  expect(steps.map(({ results }) => results.map(({ value, start, end }) => [value, start, end]))).toEqual([
    [['a', 0, 1]],
    [
      [null, 0, 1],
      [null, 0, 2],
    ],
    [['b', 2, 3]],
    [],
  ])
})

test('the accumulator begins with init, then the sessions are merged in by end, then the record is added', () => {
  const log: string[] = []
  const traced = {
    init: () => 'i',
    add: (acc: string, r: { value: string }) => `${acc}${r.value}`,
    merge(a: string, b: string, key: unknown) {
      log.push(`${a} ${b} of ${key}`)
      return `${a}+${b}`
    },
  }
  const records = [
    [1, 'a'],
    [12, 'c'],
    [6, 'b'],
  ] as const
  const steps = stepwise(
    records.map(([time, value]) => record('ann', value, time)),
    (s) => s.pipe(sessionWindow(6, { grace: 20 }), aggregate(traced, { emit: 'close' })),
  )
  expect(log).toEqual(['i ia of ann', 'i+ia ic of ann'])
  expect(steps[3]?.results.map(({ value }) => value)).toEqual(['i+ia+icb'])
})

describe('refused', () => {
  test.each(['-1s', 0.5, -1])('a gap of %s is BAD_DURATION', (gap) => {
    expect(() => sessionWindow(gap as number)).toThrow(expect.objectContaining({ code: 'BAD_DURATION' }))
  })

  test('an aggregator without merge is BAD_OPTION at planning', async () => {
    const bare = { init: () => 0, add: (n: number) => n + 1 }
    const app = testApp(
      (a) => a.run('x', a.stream<number>('in', { value: json() }).pipe(sessionWindow(5), aggregate(bare))),
      {
        topics: { in: 1 },
      },
    )
    await expect(app).rejects.toMatchObject({ code: 'BAD_OPTION', place: { operator: 'aggregate' } })
  })
})

test.each([
  ['gap and grace', undefined, { 0: -12, 4: 37 }],
  ['retention: as long as a session can be taken back', 20, { 0: -24, 4: 25 }],
])('it holds back what follows by its %s', async (_, retention, watermarks) => {
  await runMarbles({
    source: 'a@1-a@50',
    watermarks,
    values: { a: ['ann', 1] },
    pipeline: (s) =>
      s.pipe(
        withWatermark({ maxOutOfOrderness: 5 }),
        lists({ grace: 3, ...(retention !== undefined && { retention }) }),
      ),
  })
})

interface Given {
  readonly key: string
  readonly time: number
  readonly index: number
}

/** The sessions of records, by sorting their times and splitting where the gap is larger. */
function split(records: readonly Given[], gap: number): Given[][] {
  const sorted = records.toSorted((a, b) => a.time - b.time)
  return sorted.reduce<Given[][]>((sessions, one) => {
    const session = sessions.at(-1)
    if (session !== undefined && one.time - (session.at(-1) as Given).time <= gap) session.push(one)
    else sessions.push([one])
    return sessions
  }, [])
}

const boundsOf = (session: readonly Given[]) => ({
  start: (session[0] as Given).time,
  last: (session.at(-1) as Given).time,
})

const indices = (session: readonly Given[]) => session.map(({ index }) => index).sort((a, b) => a - b)

/** A result of a session, its values in no order. */
const sorted = (result: Shown) => ({
  ...result,
  value: result.value === null ? null : [...(result.value as number[])].sort((a, b) => a - b),
})

describe('against sorting and splitting', () => {
  const given = fc
    .array(fc.record({ key: fc.constantFrom('a', 'b', 'c'), time: fc.nat(60) }), { maxLength: 40 })
    .map((all) => all.map((one, index) => ({ ...one, index })))
  const gap = fc.integer({ min: 1, max: 9 })
  const recordsOf = (all: readonly Given[]) => all.map(({ key, time, index }) => record(key, index, time))

  /** The records that still count, step by step: those of sessions that are found no more leave. */
  function* replay(all: readonly Given[], gap: number, grace: number, kept: number, bound: number | undefined) {
    let live: Given[] = []
    let before = Number.NEGATIVE_INFINITY
    for (const one of all) {
      const now = Math.max(before, bound === undefined ? one.time : one.time - bound)
      // Behind a watermark the last moment is still open.
      const passed = bound === undefined ? before : now - 1
      before = now
      const others = live.filter(({ key }) => key !== one.key)
      const sessions = split(
        live.filter(({ key }) => key === one.key),
        gap,
      ).filter((session) => boundsOf(session).last + kept > passed)
      const own = split([...sessions.flat(), one], gap).find((session) => session.includes(one)) as Given[]
      const isLate = boundsOf(own).last + 1 + gap + grace <= now
      const found = sessions.filter((session) => own.includes(session[0] as Given))
      live = [...others, ...sessions.flat(), ...(isLate ? [] : [one])]
      yield { one, own, isLate, found }
    }
  }

  test.each([
    { bound: undefined, retention: 0 },
    { bound: undefined, retention: 30 },
    { bound: 4, retention: 0 },
  ])('what each record brings, %j', ({ bound, retention }) => {
    fc.assert(
      fc.property(given, gap, fc.nat(12), (all, gap, grace) => {
        const kept = gap + grace + retention
        const steps = stepwise(recordsOf(all), (s, late) =>
          (bound === undefined ? s : s.pipe(withWatermark({ maxOutOfOrderness: bound }))).pipe(
            sessionWindow(gap, { grace, late }),
            aggregate(collect(), { retention: kept }),
          ),
        )
        const expected = [...replay(all, gap, grace, kept, bound)].map(({ one, own, isLate, found }) => {
          if (isLate) return { results: [], late: [one.index] }
          const { start, last } = boundsOf(own)
          const shown = (session: readonly Given[], value: unknown) => {
            const bounds = boundsOf(session)
            return {
              key: one.key,
              value,
              timestamp: bounds.last,
              start: bounds.start,
              end: bounds.last + 1,
              final: false,
            }
          }
          const replaced = start === last ? [] : found.map((session) => shown(session, null))
          return { results: [...replaced, shown(own, indices(own))], late: [] }
        })
        const came = steps.map(({ results, late }) => ({ results: results.map(sorted), late }))
        expect(came).toEqual([...expected, { results: [], late: [] }])
      }),
      { seed: 16, numRuns: 250 },
    )
  })

  test.each([0, 30])('each session on its close, with a retention of gap + grace + %s', (retention) => {
    fc.assert(
      fc.property(given, gap, fc.nat(12), (all, gap, grace) => {
        const kept = gap + grace + retention
        const steps = stepwise(recordsOf(all), (s) =>
          s.pipe(sessionWindow(gap, { grace }), aggregate(collect(), { emit: 'close', retention: kept })),
        )
        const open = new Map<string, Shown>()
        const idOf = ({ key, start, end }: Shown) => `${key} ${start} ${end}`
        const closing = (now: number) => {
          const due = [...open.values()].filter(({ end }) => end + gap + grace <= now).sort(byClose)
          for (const session of due) open.delete(idOf(session))
          return due
        }
        let now = Number.NEGATIVE_INFINITY
        const expected = [...replay(all, gap, grace, kept, undefined)].map(({ one, own, isLate, found }) => {
          now = Math.max(now, one.time)
          const shown = (session: readonly Given[]): Shown => {
            const { start, last } = boundsOf(session)
            return { key: one.key, value: indices(session), timestamp: last, start, end: last + 1, final: true }
          }
          if (!isLate) {
            for (const session of found) open.delete(idOf(shown(session)))
            open.set(idOf(shown(own)), shown(own))
          }
          return closing(now)
        })
        const came = steps.map(({ results }) => results.map(sorted))
        expect(came).toEqual([...expected, closing(Number.POSITIVE_INFINITY)])
      }),
      { seed: 22, numRuns: 250 },
    )
  })

  test('with enough grace: on close, all sessions once, by end, start and key', () => {
    fc.assert(
      fc.property(given, gap, (all, gap) => {
        const steps = stepwise(recordsOf(all), (s) =>
          s.pipe(sessionWindow(gap, { grace: 100 }), aggregate(collect(), { emit: 'close' })),
        )
        const expected = ['a', 'b', 'c'].flatMap((key) =>
          split(
            all.filter((one) => one.key === key),
            gap,
          ).map((session) => {
            const { start, last } = boundsOf(session)
            return { key, value: indices(session), timestamp: last, start, end: last + 1, final: true }
          }),
        )
        expect(steps.flatMap(({ results }) => results).map(sorted)).toEqual(expected.sort(byClose))
      }),
      { seed: 17, numRuns: 200 },
    )
  })

  test('in order: each session comes out once, as soon as time has passed it by gap and grace', () => {
    fc.assert(
      fc.property(given, gap, fc.nat(12), (all, gap, grace) => {
        const inOrder = all.toSorted((a, b) => a.time - b.time).map((one, index) => ({ ...one, index }))
        const steps = stepwise(recordsOf(inOrder), (s) =>
          s.pipe(sessionWindow(gap, { grace }), aggregate(collect(), { emit: 'close', retention: 100 })),
        )
        const windows = ['a', 'b', 'c']
          .flatMap((key) =>
            split(
              inOrder.filter((one) => one.key === key),
              gap,
            ).map((session) => {
              const { start, last } = boundsOf(session)
              return { key, value: indices(session), timestamp: last, start, end: last + 1, final: true }
            }),
          )
          .sort(byClose)
        let closed = Number.NEGATIVE_INFINITY
        const expected = [...inOrder.map(({ time }) => time), Number.POSITIVE_INFINITY].map((time) => {
          const due = windows.filter(({ end }) => end + gap + grace > closed && end + gap + grace <= time)
          closed = time
          return due
        })
        expect(steps.map(({ results }) => results.map(sorted))).toEqual(expected)
      }),
      { seed: 18, numRuns: 200 },
    )
  })
})

import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { filter, map, merge, type Observable, Subject } from 'rxjs'
import {
  type AggregateOptions,
  type App,
  cogroup,
  json,
  local,
  record,
  type StreamRecord,
  sessionWindow,
  shared,
  sideOutput,
  toTable,
  toTopic,
  tumblingWindow,
  type Window,
  type WindowOptions,
  withWatermark,
} from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

expect.extend(matchers)

type Rows = Observable<StreamRecord<string, number>>

/** The values of both streams, side by side. */
const lists = {
  init: () => ({ a: [] as number[], b: [] as number[] }),
  merge: (x: Lists, y: Lists) => ({ a: [...x.a, ...y.a], b: [...x.b, ...y.b] }),
}
interface Lists {
  readonly a: readonly number[]
  readonly b: readonly number[]
}
const both = (a: Rows, b: Rows, options: AggregateOptions = {}) =>
  cogroup(
    lists,
    [
      [a, (acc: Lists, r) => ({ ...acc, a: [...acc.a, r.value] })],
      [b, (acc: Lists, r) => ({ ...acc, b: [...acc.b, r.value] })],
    ],
    options,
  )

test('its diagram', async () => {
  const [orders, paid, out] = ['a-----c--|', '---b-----|', 'x--y--z--|']
  expectDrawn('operators/cogroup.ts', `orders  ${orders}`, `paid    ${paid}`, `out     ${out}`)
  await runMarbles({
    source: { orders, paid },
    out,
    values: {
      a: ['ann', 5],
      b: ['ann', 4],
      c: ['ann', 2],
      x: { key: 'ann', value: [5, 0], timestamp: 0 },
      y: { key: 'ann', value: [5, 4], timestamp: 3 },
      z: { key: 'ann', value: [7, 4], timestamp: 6 },
    },
    pipeline: ({ orders, paid }) =>
      cogroup({ init: () => [0, 0] }, [
        [orders, ([o, p]: number[], r) => [(o as number) + r.value, p as number]],
        [paid, ([o, p]: number[], r) => [o as number, (p as number) + r.value]],
      ]),
  })
})

describe('laws', () => {
  const input = [1, 4, 12, 9, 13, 21, 22, 22, 35, 41].map((time, i) => record(['ann', 'bob'][i % 2] as string, i, time))
  const isA = filter((r: StreamRecord<string, number>) => r.value % 3 > 0)
  const isB = filter((r: StreamRecord<string, number>) => r.value % 3 === 0)
  const halves = (window: (s: Rows) => Rows, options: AggregateOptions) => () => (source: any) => {
    const s = source.pipe(shared())
    return local(both(window(s.pipe(isA)), window(s.pipe(isB)), options))
  }
  const chains: Record<string, () => (s: any) => Observable<any>> = {
    'without a window': halves((s) => s, {}),
    tumbling: halves((s) => s.pipe(tumblingWindow(10, { grace: 3 })), {}),
    'tumbling, on close': halves((s) => s.pipe(tumblingWindow(10, { grace: 3 })), { emit: 'close' }),
    'tumbling, every 7': halves((s) => s.pipe(tumblingWindow(10, { grace: 3 })), { emit: { every: 7 } }),
    sessions: halves((s) => s.pipe(sessionWindow(4, { grace: 3 })), {}),
    'behind a watermark': () => (s: any) => {
      const timed = s.pipe(withWatermark({ maxOutOfOrderness: 5 }), shared())
      const windowed = (half: any) => timed.pipe(half, tumblingWindow(10))
      return local(both(windowed(isA), windowed(isB), { emit: 'close' }))
    },
  }
  describe.each(Object.entries(chains))('%s', (_, chain) => {
    // An endless source gives one input all it has before the other is there.
    for (const law of operatorLaws(chain, input, { isAsync: true })) test(law.name, law.run)
  })
})

describe('edges', () => {
  const windowed = (options: WindowOptions = {}) => tumblingWindow<StreamRecord<string, number>>(10, options)
  const result = (start: number, a: number[], b: number[], timestamp: number) => ({
    key: 'ann',
    value: { a, b },
    timestamp,
    window: { start, end: start + 10 },
  })
  const values = {
    p: ['ann', 1],
    q: ['ann', 2],
    n: ['ann', null],
    k: [null, 1],
    x: result(0, [1], [], 3),
    y: result(30, [], [2], 30),
    z: result(0, [1, 1], [], 5),
    u: result(0, [], [2], 9),
    v: result(30, [1], [2], 30),
    f: { ...result(0, [1, 1], [], 5), final: true },
    g: { ...result(30, [1], [2], 30), final: true },
    j: { ...result(30, [1], [], 30), final: true },
    i: { ...result(30, [], [2], 30), final: true },
  } as const
  const run = (
    source: { a: string; b: string },
    out: string,
    late: string | undefined,
    options: AggregateOptions = {},
    maxOutOfOrderness?: number,
  ) =>
    runMarbles({
      source,
      out,
      ...(late !== undefined && { late }),
      values,
      pipeline: ({ a, b }, tools) => {
        const timed = (s: Rows) => (maxOutOfOrderness === undefined ? s : s.pipe(withWatermark({ maxOutOfOrderness })))
        const declare = windowed({ late: tools.late })
        return both(timed(a).pipe(declare), timed(b).pipe(declare), options)
      },
    })

  test.each([
    { name: 'empty sources', a: '|', b: '---|', out: '---|' },
    { name: 'an error of either', a: 'p@3--', b: '-----#', out: 'x----#' },
    { name: 'null keys are dropped', a: 'k-p@3|', b: '-----|', out: '--x--|' },
    {
      name: 'each has its own stream time: the other being ahead makes nothing late',
      a: '  p@3-----p@5--|',
      b: '  ---q@30------|',
      out: 'x--y----z----|',
      late: '',
    },
    {
      name: 'its own does',
      a: '  p@3-----p@5--|',
      b: '  ---q@30----q@9-|',
      out: 'x--y----z------|',
      late: '-----------q',
    },
    {
      name: 'a window closes by the time of the one that is behind',
      a: '  p@3-----p@5--p@30--|',
      b: '  ---q@30------------|',
      out: '-------------f-----(g|)',
      options: { emit: 'close' } as const,
    },
    {
      name: 'one that has had no record keeps all open',
      a: '  p@3-----p@5--p@30--|',
      b: '  -------------------|',
      out: '-------------------(fj|)',
      options: { emit: 'close' } as const,
    },
  ])('$name', async ({ a, b, out, late, options }) => {
    await run({ a, b }, out, late, options)
  })

  test('with watermarks the lowest rules for all', async () => {
    await run({ a: 'p@3-----p@5--|', b: '---q@30------|' }, '-------------(fi|)', '', { emit: 'close' }, 0)
    // Nothing is late by its own input's newest record.
    await run({ a: 'p@3-p@30-p@5--|', b: '--------------|' }, '--------------(fj|)', '', { emit: 'close' }, 25)
  })

  test('streams with different windows, or only one with any, are LOST_WINDOW', () => {
    const codesOf = (a: (s: Rows) => Rows, b: (s: Rows) => Rows) => {
      const codes: unknown[] = []
      const source = new Subject<StreamRecord<string, number>>()
      local(both(a(source), b(source))).subscribe({ error: (error) => codes.push(error.code) })
      return codes
    }
    const ten = (s: Rows) => s.pipe(tumblingWindow(10))
    const five = (s: Rows) => s.pipe(tumblingWindow(5))
    expect(codesOf(ten, ten)).toEqual([])
    expect(codesOf(ten, five)).toEqual(['LOST_WINDOW'])
    expect(codesOf(ten, (s) => s)).toEqual(['LOST_WINDOW'])
    expect(codesOf((s) => s, ten)).toEqual(['LOST_WINDOW'])
  })

  test('sessions need merge', () => {
    const codes: unknown[] = []
    const source = new Subject<StreamRecord<string, number>>()
    local(cogroup({ init: () => 0 }, [[source.pipe(sessionWindow(5)), (acc: number) => acc + 1]])).subscribe({
      error: (error) => codes.push(error.code),
    })
    expect(codes).toEqual(['BAD_OPTION'])
  })

  test('inputs of different numbers of partitions are CO_PARTITION', async () => {
    const app = testApp(
      (a) => a.run('x', both(a.stream<number>('a', { value: json() }), a.stream<number>('b', { value: json() }))),
      { topics: { a: 1, b: 2 } },
    )
    await expect(app).rejects.toMatchObject({ code: 'CO_PARTITION' })
  })
})

describe('in an app', () => {
  const pipeline = (emit: 'update' | 'close') => (app: App) => {
    const window = tumblingWindow<StreamRecord<string, number>>(10, { grace: 2 })
    const read = (topic: string) => app.stream<number>(topic, { value: json() }).pipe(window)
    const results = both(read('a'), read('b'), { name: 'both', emit })
    app.run('out', results.pipe(toTopic('out')))
    return toTable('both', results as never)
  }
  const topics = { a: 1, b: 1, out: 1 }
  const steps = [
    ['a', 3],
    ['b', 25],
    ['a', 7],
    ['b', 14],
    ['a', 12],
    ['a', 2],
    ['b', 40],
    ['a', 41],
    ['b', 29],
  ] as const

  test.each(['update', 'close'] as const)('emit %s: each input’s time survives a crash anywhere', async (emit) => {
    const outputs: unknown[] = []
    for (let crashAt = -1; crashAt < steps.length; crashAt++) {
      const t = await testApp(pipeline(emit), { topics })
      for (const [index, [topic, timestamp]] of steps.entries()) {
        await t.send(topic, { key: 'k', value: index, timestamp })
        await t.settle()
        if (index !== crashAt) continue
        await t.crash()
        await t.restart()
      }
      expect(t.errors).toEqual([])
      outputs.push(
        (await t.records('out')).map(({ value, timestamp, window, final }) => ({ value, timestamp, window, final })),
      )
      await t.stop()
    }
    const [first, ...others] = outputs
    for (const other of others) expect(other).toEqual(first)
    expect(first).toHaveLength(emit === 'update' ? 6 : 3)
  })

  test('its result is a table, without a second state', async () => {
    const t = await testApp(pipeline('update'), { topics })
    await t.send('a', { key: 'k', value: 1, timestamp: 3 })
    await t.send('b', { key: 'k', value: 2, timestamp: 4 })
    await t.settle()
    expect([...t.result.entries()]).toEqual([['k', { a: [1], b: [2] }, { start: 0, end: 10 }]])
    expect((await t.state('both')).map(({ start, value }) => [start, value])).toEqual([[0, { a: [1], b: [2] }]])
    await t.stop()
  })
})

test('against recomputing: what each record brings, on updates and on close', () => {
  const given = fc.array(
    fc.record({ from: fc.constantFrom('a', 'b'), key: fc.constantFrom('k', 'l'), time: fc.nat(50) }),
    { maxLength: 30 },
  )
  fc.assert(
    fc.property(given, fc.integer({ min: 1, max: 12 }), fc.nat(8), fc.boolean(), (all, size, grace, isClose) => {
      const sources = { a: new Subject<StreamRecord<string, number>>(), b: new Subject<StreamRecord<string, number>>() }
      const late = sideOutput<StreamRecord<string, number>>('late')
      const declare = tumblingWindow<StreamRecord<string, number>>(size, { grace, late })
      const said: unknown[][] = []
      const results = both(sources.a.pipe(declare), sources.b.pipe(declare), { emit: isClose ? 'close' : 'update' })
      local(
        merge(
          results.pipe(
            map((r) => {
              const { key, value, window, timestamp } = r as typeof r & { window: Window }
              return { key, value, start: window.start, timestamp }
            }),
          ),
          late.pipe(map(({ value }) => ({ late: value }))),
        ),
      ).subscribe((one) => said[said.length - 1]?.push(one))

      const times = { a: Number.NEGATIVE_INFINITY, b: Number.NEGATIVE_INFINITY }
      let closed = Number.NEGATIVE_INFINITY
      const taken: { from: 'a' | 'b'; key: string; time: number; index: number }[] = []
      /** What a window holds of a key. */
      const shown = (key: string, start: number) => {
        const inside = taken.filter((one) => one.key === key && one.time >= start && one.time < start + size)
        const of = (from: 'a' | 'b') => inside.filter((one) => one.from === from).map(({ index }) => index)
        return { key, value: { a: of('a'), b: of('b') }, start, timestamp: Math.max(...inside.map(({ time }) => time)) }
      }
      const closing = (now: number) => {
        const windows = new Map(
          taken.map(({ key, time }) => {
            const start = time - (time % size)
            return [`${start} ${key}`, { key, start }]
          }),
        )
        const due = [...windows.values()]
          .filter(({ start }) => start + size + grace > closed && start + size + grace <= now)
          .sort((x, y) => x.start - y.start || (x.key < y.key ? -1 : 1))
        closed = Math.max(closed, now)
        return isClose ? due.map(({ key, start }) => shown(key, start)) : []
      }
      const expected = all.map(({ from: name, key, time }, index) => {
        const from = name as 'a' | 'b'
        times[from] = Math.max(times[from], time)
        const start = time - (time % size)
        const isLate = start + size + grace <= times[from]
        if (!isLate) taken.push({ from, key, time, index })
        return [
          ...(isLate ? [{ late: index }] : isClose ? [] : [shown(key, start)]),
          ...closing(Math.min(times.a, times.b)),
        ]
      })
      for (const [index, { from, key, time }] of all.entries()) {
        said.push([])
        sources[from as 'a' | 'b'].next(record(key, index, time))
      }
      said.push([])
      sources.a.complete()
      sources.b.complete()
      expect(said).toEqual([...expected, closing(Number.POSITIVE_INFINITY)])
    }),
    { seed: 34, numRuns: 300 },
  )
})

import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { from, type Observable, type OperatorFunction, Subject } from 'rxjs'
import {
  type AggregateOptions,
  type Aggregator,
  aggregate,
  type Change,
  collect,
  count,
  countWindow,
  customWindow,
  globalWindow,
  hoppingWindow,
  json,
  local,
  record,
  type StreamRecord,
  sessionWindow,
  slidingWindow,
  toTable,
  toTopic,
  tumblingWindow,
  type Window,
  withWatermark,
} from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'
import { byClose, type Shown, stepwise } from '../windows/steps.js'

expect.extend(matchers)

const window = (start: number, end: number) => ({ start, end })

describe('its diagram', () => {
  const source = '-a--a--a----a--|'
  const first = { key: 'ann', window: window(0, 10) }
  const second = { key: 'ann', window: window(10, 20) }
  test.each<[text: string, options: AggregateOptions, out: string]>([
    ["{ emit: 'update' }", { emit: 'update' }, '-p--q--r----s--|'],
    ["{ emit: 'close' }", { emit: 'close' }, '------------x--(y|)'],
    ["{ emit: { every: '5ms' } }", { emit: { every: '5ms' } }, '-------r----x--(y|)'],
    ["{ emit: 'close', early: (n) => n === 2 }", { emit: 'close', early: (n) => n === 2 }, '----q-------x--(y|)'],
  ])('%s', async (text, options, out) => {
    expectDrawn('operators/aggregate.ts', `${'in'.padEnd(41)}${source}`, `${text.padEnd(41)}${out}`)
    await runMarbles({
      source,
      out,
      values: {
        a: ['ann', 1],
        p: { ...first, value: 1, final: false },
        q: { ...first, value: 2, final: false },
        r: { ...first, value: 3, final: false },
        s: { ...second, value: 1, final: false },
        x: { ...first, value: 3, timestamp: 7, final: true },
        y: { ...second, value: 1, timestamp: 12, final: true },
      },
      pipeline: (s) => s.pipe(tumblingWindow('10ms'), aggregate(count(), options)),
    })
  })
})

/** Every kind of window, and every way to emit. */
const WINDOWS: Record<string, (source: any) => Observable<any>> = {
  tumbling: (s) => s.pipe(tumblingWindow(10, { grace: 3 })),
  hopping: (s) => s.pipe(hoppingWindow(10, 4, { grace: 3 })),
  sliding: (s) => s.pipe(slidingWindow(6, { grace: 3 })),
  session: (s) => s.pipe(sessionWindow(4, { grace: 3 })),
  count: (s) => s.pipe(countWindow(3, { every: 2 })),
  global: (s) => s.pipe(globalWindow()),
  custom: (s) =>
    s.pipe(
      customWindow(
        {
          windowsOf: (time) => [
            window(time - (time % 10), time - (time % 10) + 10),
            window(0, 40 * Math.ceil((time + 1) / 40)),
          ],
          maxSize: 400,
        },
        { grace: 3 },
      ),
    ),
}
const EMITS: Record<string, AggregateOptions> = {
  update: { emit: 'update' },
  close: { emit: 'close' },
  every: { emit: { every: 7 } },
  early: { emit: 'close', early: (values) => values.length % 2 === 0 },
  both: { emit: { every: 7 }, early: (values, r) => r.value % 3 === 0 && values.length > 1 },
}
const given = fc.array(fc.record({ key: fc.constantFrom('a', 'b'), time: fc.nat(60) }), { maxLength: 30 })

describe.each(Object.keys(WINDOWS))('the table of %s windows', (kind) => {
  test.each(Object.keys(EMITS))('emit %s: a change says what readers knew', (mode) => {
    fc.assert(
      fc.property(given, (all) => {
        const records = all.map(({ key, time }, index) => record(key, index, time))
        const results = (WINDOWS[kind] as (s: any) => any)(from(records)).pipe(aggregate(collect(), EMITS[mode]))
        const known = new Map<string, unknown>()
        let last: Change<string, unknown, Window> | undefined
        local(toTable('t', results as Observable<any>).changes()).subscribe((change: any) => {
          const row = `${change.window.start} ${change.window.end} ${change.key}`
          // A session of one moment is replaced without a word, in Kafka Streams.
          const isMoment = kind === 'session' && change.window.end - change.window.start === 1 && mode === 'update'
          const isSilent = isMoment && change.value !== null && change.previous === null
          if (!isSilent) expect(change.previous).toEqual(known.get(row) ?? null)
          if (change.value === null || change.final === true) known.delete(row)
          else known.set(row, change.value)
          last = change
        })
        if (mode !== 'update') expect(known.size).toBe(0)
        if (all.length > 0 && mode !== 'update') expect(last?.final).toBe(true)
      }),
      { seed: 31, numRuns: 60 },
    )
  })

  test('an early result for each record is what an update says', () => {
    fc.assert(
      fc.property(given, fc.boolean(), (all, isInOrder) => {
        // In order, windows close between one record of a key and the next.
        const some = isInOrder ? all.slice(0, 9).sort((a, b) => a.time - b.time) : all
        const records = some.map(({ key, time }, index) => record(key, index, time))
        const run = (options: AggregateOptions) =>
          stepwise(records, (s) => (WINDOWS[kind] as (s: any) => any)(s).pipe(aggregate(collect(), options))).map(
            ({ results }) => results.filter(({ final }) => !final),
          )
        expect(run({ emit: 'close', early: () => true })).toEqual(run({ emit: 'update' }))
      }),
      { seed: 36, numRuns: 300 },
    )
  })

  test.each(Object.keys(EMITS))('emit %s: so it does where the aggregator deletes', (mode) => {
    /** Keeps the values since the last that is divisible by 3. */
    const since = {
      init: (): number[] => [],
      add: (values: number[], { value }: { value: number }) => (value % 3 === 0 ? (null as never) : [...values, value]),
      merge: (a: number[], b: number[]) => [...a, ...b],
    }
    fc.assert(
      fc.property(given, (all) => {
        const records = all.map(({ key, time }, index) => record(key, index, time))
        const results = (WINDOWS[kind] as (s: any) => any)(from(records)).pipe(aggregate(since, EMITS[mode]))
        const known = new Map<string, unknown>()
        local(toTable('t', results as Observable<any>).changes()).subscribe(({ key, window, value, previous }: any) => {
          const row = `${window.start} ${window.end} ${key}`
          const isMoment = kind === 'session' && window.end - window.start === 1 && mode === 'update'
          if (!isMoment) expect(previous).toEqual(known.get(row) ?? null)
          if (value === null) known.delete(row)
          else known.set(row, value)
        })
      }),
      { seed: 37, numRuns: 60 },
    )
  })

  test('on close, the last result is what the updates came to', () => {
    fc.assert(
      fc.property(given, (all) => {
        const records = all.map(({ key, time }, index) => record(key, index, time))
        const run = (mode: string) =>
          stepwise(records, (s) =>
            (WINDOWS[kind] as (s: any) => any)(s).pipe(aggregate(collect(), EMITS[mode])),
          ).flatMap(({ results }) => results)
        const rows = new Map<string, Shown>()
        for (const result of run('update')) {
          const row = `${result.start} ${result.end} ${result.key}`
          if (result.value === null) rows.delete(row)
          else rows.set(row, { ...result, final: true })
        }
        const expected = [...rows.values()].sort(byClose)
        for (const mode of ['close', 'every', 'early', 'both'])
          expect(
            run(mode)
              .filter(({ final }) => final)
              .sort(byClose),
          ).toEqual(expected)
      }),
      { seed: 32, numRuns: 60 },
    )
  })
})

describe('laws', () => {
  const times = [1, 4, 12, 9, 13, 21, 22, 22, 35, 41]
  const input = times.map((time, i) => record(['ann', 'bob'][i % 2] as string, i, time))
  describe.each(['tumbling', 'hopping', 'sliding', 'custom'])('%s', (kind) => {
    describe.each([
      { emit: { every: 7 } },
      { emit: 'close', early: (values: readonly number[]) => values.length === 2 },
      { emit: 'close', retention: 450 },
      { emit: 'update', retention: 500 },
    ] as const)('%j', (options) => {
      const operator = () => (s: any) =>
        (WINDOWS[kind] as (s: any) => any)(s).pipe(aggregate(collect(), options as never))
      for (const law of operatorLaws(operator, input)) test(law.name, law.run)
    })
  })
  describe('behind a watermark', () => {
    const operator = () => (s: any) =>
      (WINDOWS.sliding as (s: any) => any)(s.pipe(withWatermark({ maxOutOfOrderness: 5 }))).pipe(
        aggregate(collect(), { emit: { every: 7 }, retention: 30 }),
      )
    for (const law of operatorLaws(operator, input)) test(law.name, law.run)
  })
})

describe('against recomputing: every and early, over tumbling windows', () => {
  test.each([undefined, 4])('watermark %s', (bound) => {
    fc.assert(
      fc.property(
        given,
        fc.integer({ min: 1, max: 15 }),
        fc.nat(9),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 2, max: 5 }),
        (all, size, grace, every, nth) => {
          const records = all.map(({ key, time }, index) => record(key, index, time))
          const open = new Map<string, Shown & { value: number[]; tick: number | undefined }>()
          let now = Number.NEGATIVE_INFINITY
          const shown = ({ tick: _, ...result }: Shown & { tick?: number | undefined }, final: boolean) => ({
            ...result,
            final,
          })
          const pass = (time: number) => {
            const said: Shown[] = []
            for (;;) {
              const closing = [...open.values()].filter(({ end }) => end + grace <= time).sort(byClose)[0]
              const [ticking] = [...open.values()]
                .filter(({ tick }) => tick !== undefined && tick <= time)
                .sort((a, b) => (a.tick as number) - (b.tick as number) || byClose(a, b))
              if (closing !== undefined && (ticking === undefined || closing.end + grace <= (ticking.tick as number))) {
                said.push(shown(closing, true))
                open.delete(`${closing.start} ${closing.key}`)
              } else if (ticking !== undefined) {
                ticking.tick = undefined
                if (ticking.end + grace > time) said.push(shown(ticking, false))
              } else return said
            }
          }
          const expected = records.map(({ key, value, timestamp }) => {
            now = Math.max(now, bound === undefined ? timestamp : timestamp - bound)
            const said: Shown[] = []
            const start = timestamp - (timestamp % size)
            const end = start + size
            if (end + grace > now) {
              const known = open.get(`${start} ${key}`)
              const changed = {
                key,
                value: [...(known?.value ?? []), value],
                timestamp: Math.max(known?.timestamp ?? 0, timestamp),
                start,
                end,
                final: false,
                tick: known?.tick ?? (Math.floor(Math.max(0, now) / every) + 1) * every,
              }
              const isEarly = changed.value.length % nth === 0
              open.set(`${start} ${key}`, isEarly ? { ...changed, tick: undefined } : changed)
              if (isEarly) said.push(shown(changed, false))
            }
            return [...said, ...pass(now)]
          })
          const steps = stepwise(records, (s) =>
            (bound === undefined ? s : s.pipe(withWatermark({ maxOutOfOrderness: bound }))).pipe(
              tumblingWindow(size, { grace }),
              aggregate(collect(), { emit: { every }, early: (values) => values.length % nth === 0 }),
            ),
          )
          expect(steps.map(({ results }) => results)).toEqual([...expected, pass(Number.POSITIVE_INFINITY)])
        },
      ),
      { seed: 33, numRuns: 300 },
    )
  })
})

test('at a tick, windows speak in the order in which they close: by end, then start, then key', () => {
  const windows = [window(0, 10), window(5, 10), window(2, 9), window(20, 30)]
  const windowsOf = (time: number) => windows.filter((_, index) => [1, 6, 4, 20][index] === time)
  const records = [record('d', 1, 1), record('a', 1, 6), record('b', 1, 1), record('c', 1, 4), record('z', 1, 20)]
  const steps = stepwise(records, (s) =>
    s.pipe(customWindow({ windowsOf, maxSize: 10 }, { grace: 20 }), aggregate(count(), { emit: { every: 10 } })),
  )
  expect(steps[4]?.results.map(({ key, start, end }) => [key, start, end])).toEqual([
    ['c', 2, 9],
    ['b', 0, 10],
    ['d', 0, 10],
    ['a', 5, 10],
  ])
})

describe('retention', () => {
  const rowsOf = (emit: AggregateOptions['emit'], retention?: number) => {
    const source = new Subject<StreamRecord<string, number>>()
    const table = toTable(
      't',
      source.pipe(
        tumblingWindow(10, { grace: 5 }),
        aggregate(collect(), { ...(emit && { emit }), ...(retention !== undefined && { retention }) }),
      ),
    )
    const subscription = local(table.changes()).subscribe()
    const at = (time: number) => {
      source.next(record('b', time, time))
      return table.get('a', window(0, 10))
    }
    source.next(record('a', 0, 3))
    return { at, table, end: () => subscription.unsubscribe() }
  }

  test.each(['update', 'close', { every: 4 }] as const)('emit %j: rows show what windows have come to', (emit) => {
    const { at, table, end } = rowsOf(emit)
    expect(table.get('a', window(0, 10))).toEqual([0])
    expect(at(14)).toEqual([0])
    expect(at(15)).toBeUndefined()
    expect([...table.entries()]).toEqual([['b', [14, 15], window(10, 20)]])
    end()
  })

  test.each(['update', 'close', { every: 4 }] as const)('emit %j: and stay until start + retention', (emit) => {
    const { at, table, end } = rowsOf(emit, 30)
    expect(at(29)).toEqual([0])
    expect([...table.entries()].sort()).toEqual([
      ['a', [0], window(0, 10)],
      ['b', [29], window(20, 30)],
    ])
    expect(at(30)).toBeUndefined()
    end()
  })

  test.each(['update', 'close'] as const)(
    'emit %s: what is kept comes out once, whenever the app is started again',
    async (emit) => {
      const t = await testApp(
        (app) => {
          const results = app
            .stream<number>('in', { value: json() })
            .pipe(tumblingWindow(10), aggregate(collect(), { name: 'lists', emit, retention: 100 }))
          app.run('out', results.pipe(toTopic('out')))
          return toTable('lists', results)
        },
        { topics: { in: 1, out: 1 } },
      )
      const restart = async () => {
        await t.crash()
        await t.restart()
      }
      await t.send('in', { key: 'a', value: 1, timestamp: 1 })
      await t.settle()
      await restart()
      await t.send('in', { key: 'b', value: 2, timestamp: 15 })
      await t.settle()
      await restart()
      await t.send('in', { key: 'b', value: 3, timestamp: 25 })
      await t.settle()
      await restart()
      expect(await t.records('out')).toEqualRecords(
        [
          { key: 'a', value: [1], window: window(0, 10), final: emit === 'close' },
          { key: 'b', value: [2], window: window(10, 20), final: emit === 'close' },
          { key: 'b', value: [3], window: window(20, 30), final: false },
        ].slice(0, emit === 'close' ? 2 : 3),
      )
      expect([...t.result.entries()].sort()).toEqual([
        ['a', [1], window(0, 10)],
        ['b', [2], window(10, 20)],
        ['b', [3], window(20, 30)],
      ])
      await t.send('in', { key: 'b', value: 4, timestamp: 120 })
      await t.settle()
      expect([...t.result.entries()]).toEqual([['b', [4], window(120, 130)]])
      expect(await t.state('lists')).toHaveLength(1)
      expect(await t.state('lists.closed')).toEqual([])
      expect(t.errors).toEqual([])
      await t.stop()
    },
  )

  test('of a session it counts from the last record, and a late record joins what is kept', () => {
    const late = [
      [3, 'a'],
      [40, 'b'],
      [36, 'a'],
      [7, 'a'],
    ] as const
    const run = (retention: number) =>
      stepwise(
        late.map(([time, key]) => record(key, time, time)),
        (s) => s.pipe(sessionWindow(5, { grace: 30 }), aggregate(collect(), { retention })),
      ).map(({ results }) => results.map(({ key, value }) => [key, value]))
    expect(run(35)[3]).toEqual([['a', [7]]])
    expect(run(38)[3]).toEqual([
      ['a', null],
      ['a', [3, 7]],
    ])
  })
})

describe('where a result comes from', () => {
  test.each<[AggregateOptions, object]>([
    [{ emit: 'update' }, { topic: 't', partition: 2, offset: 3 }],
    [
      { emit: 'close', early: () => true },
      { topic: 't', partition: 2, offset: 3 },
    ],
    // Time brought it, in the task's partition.
    [{ emit: 'close' }, { topic: '', partition: 0, offset: 0 }],
  ])('%j', (options, place) => {
    const seen: unknown[] = []
    from([record('a', 1, 1, { topic: 't', partition: 2, offset: 3 })])
      .pipe(tumblingWindow(10), aggregate(count(), options))
      .subscribe((result) => seen.push(result))
    expect(seen[0]).toMatchObject(place)
    expect(seen.at(-1)).toMatchObject(options.emit === 'update' ? place : { topic: '', partition: 0, offset: 0 })
  })
})

describe('refused', () => {
  const codesOf = (pipeline: (s: any) => any) => {
    const codes: unknown[] = []
    pipeline(from([record('a', 1, 1)])).subscribe({ error: (error: any) => codes.push(error.code) })
    return codes
  }
  test.each<[string, AggregateOptions]>([
    ['close', { emit: 'close' }],
    ['every', { emit: { every: 5 } }],
    ['retention', { retention: 5 }],
  ])('%s without a window', (_, options) => {
    expect(codesOf((s) => s.pipe(aggregate(count(), options)))).toEqual(['BAD_OPTION'])
  })

  test.each<[string, AggregateOptions]>([
    ['early with update', { early: () => true }],
    ['early with update', { emit: 'update', early: () => true }],
  ])('%s', (_, options) => {
    expect(() => aggregate(count(), options)(from([]))).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }))
  })

  test.each<[string, AggregateOptions]>([
    ['every', { emit: { every: 0 } }],
    ['every', { emit: { every: '5' as never } }],
    ['retention', { retention: -1 }],
  ])('%s that is no duration', (_, options) => {
    expect(() => aggregate(count(), options)(from([]))).toThrow(expect.objectContaining({ code: 'BAD_DURATION' }))
  })

  test.each([
    ['tumbling', 12],
    ['hopping', 12],
    ['sliding', 8],
    ['session', 6],
    ['custom', 402],
  ])('a retention of %s windows that is too short', (kind, retention) => {
    const run = (ms: number) =>
      codesOf((s) => (WINDOWS[kind] as (s: any) => any)(s).pipe(aggregate(count(), { retention: ms })))
    expect(run(retention)).toEqual(['BAD_OPTION'])
    expect(run(retention + 1)).toEqual([])
  })
})

test.each(Object.keys(WINDOWS))('what changes in a window after a checkpoint is in the next one: %s', async (kind) => {
  const run = async (crashes: boolean) => {
    const t = await testApp(
      (app) => {
        const stream = app.stream<number>('in', { value: json() })
        const results = (WINDOWS[kind] as (s: any) => any)(stream).pipe(aggregate(collect(), { name: 'n' }))
        app.run('out', results.pipe(toTopic('out')))
      },
      { topics: { in: 1, out: 1 } },
    )
    for (const timestamp of [11, 12, 13, 14]) {
      await t.send('in', { key: 'a', value: timestamp, timestamp })
      await t.settle()
      if (!crashes || timestamp !== 13) continue
      await t.crash()
      await t.restart()
    }
    const out = await t.records('out')
    await t.stop()
    return out.map(({ value, window }) => ({ value, window }))
  }
  expect(await run(true)).toEqual(await run(false))
})

describe('what is kept beside the windows', () => {
  const start = (
    options: AggregateOptions,
    aggregator: Aggregator<any, unknown, any> = collect(),
    window: OperatorFunction<any, any> = tumblingWindow(10),
  ) =>
    testApp(
      (app) => {
        const stream = app.stream<number>('in', { value: json() })
        app.run('x', stream.pipe(window, aggregate(aggregator, { ...options, name: 'n' })))
      },
      { topics: { in: 1 } },
    )
  const sizes = async (t: Awaited<ReturnType<typeof start>>) =>
    Promise.all(['n', 'n.told', 'n.pending', 'n.closed'].map(async (name) => (await t.state(name)).length))

  test.each<[AggregateOptions, number[], number[]]>([
    [{ emit: 'update' }, [1, 0, 0, 0], [1, 0, 0, 0]],
    [{ emit: 'update', retention: 30 }, [1, 0, 0, 0], [2, 0, 0, 0]],
    [{ emit: 'close' }, [1, 0, 0, 0], [1, 0, 0, 0]],
    [{ emit: 'close', retention: 30 }, [1, 0, 0, 0], [1, 0, 0, 1]],
    [{ emit: { every: 2 } }, [1, 1, 1, 0], [1, 0, 1, 0]],
    [{ emit: 'close', early: () => true }, [1, 1, 0, 0], [1, 1, 0, 0]],
  ])('%j is gone with the window', async (options, open, closed) => {
    const t = await start(options)
    for (const timestamp of [1, 4, 5]) await t.send('in', { key: 'a', value: 1, timestamp })
    await t.settle()
    expect(await sizes(t)).toEqual(open)
    await t.send('in', { key: 'a', value: 1, timestamp: 15 })
    await t.settle()
    expect(await sizes(t)).toEqual(closed)
    expect(t.errors).toEqual([])
    await t.stop()
  })

  test('what was said of a session that another takes over is forgotten', async () => {
    const t = await start({ emit: 'close', early: () => true }, collect(), sessionWindow(5))
    for (const timestamp of [1, 3, 4]) await t.send('in', { key: 'a', value: 1, timestamp })
    await t.settle()
    expect(await sizes(t)).toEqual([1, 1, 0, 0])
    await t.stop()
  })

  test('a result that came early leaves nothing for the next tick', async () => {
    const t = await start({ emit: { every: 2 }, early: (values) => values.length === 2 })
    await t.send('in', { key: 'a', value: 1, timestamp: 0 })
    await t.settle()
    expect(await sizes(t)).toEqual([1, 0, 1, 0])
    await t.send('in', { key: 'a', value: 1, timestamp: 1 })
    await t.settle()
    expect(await sizes(t)).toEqual([1, 1, 0, 0])
    await t.stop()
  })

  test('results need not be plain data where no table is read', async () => {
    const dates = { init: () => 0, add: (n: number) => n + 1, result: (n: number) => new Date(n) }
    const t = await start({ emit: { every: 2 } }, dates)
    for (const timestamp of [1, 4]) await t.send('in', { key: 'a', value: 1, timestamp })
    await t.settle()
    expect(t.errors).toEqual([])
    expect(await sizes(t)).toEqual([1, 1, 0, 0])
    await t.stop()
  })
})

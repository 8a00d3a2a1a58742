import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { merge } from 'rxjs'
import { aggregate, collect, countWindow, json, record, reduce, sum, suppress, toTable, withWatermark } from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'
import { type Shown, stepwise } from './steps.js'

expect.extend(matchers)

const window = (start: number, end: number) => ({ start, end })

test('its diagram', async () => {
  const source = 'a--b--c--d--e--|'
  const out = '------x-----y--(z|)'
  expectDrawn('windows/countWindow.ts', `in   ${source}`, `out  ${out}`)
  await runMarbles({
    source,
    out,
    values: {
      a: ['ann', 1],
      b: ['bob', 5],
      c: ['ann', 2],
      d: ['ann', 4],
      e: ['ann', 3],
      x: { key: 'ann', value: 3, window: window(0, 2), timestamp: 6, final: true },
      y: { key: 'ann', value: 7, window: window(2, 4), timestamp: 12, final: true },
      z: { key: 'bob', value: 5, window: window(0, 2), timestamp: 3, final: true },
    },
    pipeline: (s) =>
      s.pipe(
        countWindow(2),
        aggregate(
          sum((r: { value: number }) => r.value),
          { emit: 'close' },
        ),
      ),
  })
})

describe.each([{ emit: 'update' }, { emit: 'close' }, { emit: { every: 5 } }] as const)('laws, %j', ({ emit }) => {
  const input = [1, 4, 12, 9, 13, 21, 22, 22, 35, 41].map((time, i) => record(['ann', 'bob'][i % 2] as string, i, time))
  const operator = () => (s: any) => s.pipe(countWindow(3, { every: 2 }), aggregate(collect(), { emit }))
  for (const law of operatorLaws(operator, input)) test(law.name, law.run)
})

describe('edges', () => {
  const values = {
    a: ['ann', 'a'],
    b: ['ann', 'b'],
    n: ['ann', null],
    k: [null, 'k'],
    p: { key: 'ann', value: ['a'], window: window(0, 2), timestamp: 9, final: false },
    q: { key: 'ann', value: ['a', 'b'], window: window(0, 2), timestamp: 9, final: false },
    x: { key: 'ann', value: ['a', 'b'], window: window(0, 2), timestamp: 9, final: true },
    y: { key: 'ann', value: ['a', null], window: window(0, 2), timestamp: 9, final: true },
    z: { key: 'ann', value: ['a'], window: window(0, 2), timestamp: 9, final: true },
  } as const
  test.each<{ name: string; source: string; out: string; emit?: 'update' | 'close' }>([
    { name: 'an empty source', source: '|', out: '|' },
    { name: 'an error', source: 'a@9-#', out: '----#' },
    { name: 'a null key is dropped', source: 'ka@9b@1-|', out: '----x---|' },
    { name: 'a null value counts', source: 'a@9n@1-|', out: '---y---|' },
    { name: 'no record is late', source: 'a@9b@1-|', out: '---x---|' },
    { name: 'what is not full comes out on completion', source: 'a@9-|', out: '----(z|)' },
    { name: 'updates, and no word on close', source: 'a@9b@1-|', out: 'p--q---|', emit: 'update' },
  ])('$name', async ({ source, out, emit = 'close' }) => {
    await runMarbles({
      source,
      out,
      values,
      pipeline: (s) => s.pipe(countWindow(2), aggregate(collect(), { emit })),
    })
  })

  test('every: in event time, whatever the numbers of records', async () => {
    await runMarbles({
      source: 'a@1-b@7-',
      out: '   ----u---',
      values: { ...values, u: { key: 'ann', value: ['a', 'b'], window: window(0, 3), timestamp: 7, final: false } },
      pipeline: (s) => s.pipe(countWindow(3), aggregate(collect(), { emit: { every: 5 } })),
    })
  })

  test('nothing is dropped', async () => {
    const t = await testApp(
      (app) => app.run('x', app.stream<number>('in', { value: json() }).pipe(countWindow(2), aggregate(collect()))),
      { topics: { in: 1 } },
    )
    await t.send(
      'in',
      [9, 1, 5].map((timestamp) => ({ key: 'a', value: 1, timestamp })),
    )
    await t.settle()
    expect(t.app.stats().tasks[0]?.dropped).toEqual([])
    await t.stop()
  })

  test('windows of another size or step are others: LOST_WINDOW where they meet', async () => {
    const meet = (one: any, other: any) =>
      testApp(
        (a) => {
          const stream = a.stream<number>('in', { value: json() })
          a.run('x', merge(stream.pipe(one), stream.pipe(other)).pipe(aggregate(collect()) as any))
        },
        { topics: { in: 1 } },
      )
    await expect(meet(countWindow(4), countWindow(3))).rejects.toMatchObject({ code: 'LOST_WINDOW' })
    await expect(meet(countWindow(4), countWindow(4, { every: 2 }))).rejects.toMatchObject({ code: 'LOST_WINDOW' })
    await (await meet(countWindow(4), countWindow(4, { every: 4 }))).stop()
  })

  test('null from the aggregator deletes the window; a full one says nothing of it', () => {
    const concat = reduce((a: string, b: string) => (b === 'x' ? (null as never) : a + b))
    const records = ['a', 'x', 'b', 'c'].map((value) => record('ann', value, 1))
    const steps = stepwise(records, (s) => s.pipe(countWindow(2), aggregate(concat, { emit: 'close' })))
    expect(steps.flatMap(({ results }) => results.map(({ value, start }) => [value, start]))).toEqual([['bc', 2]])
  })

  test('time behind it is its own', async () => {
    await runMarbles({
      source: 'a@7-a@50',
      watermarks: { 0: 2, 4: 45 },
      values,
      pipeline: (s) =>
        s.pipe(withWatermark({ maxOutOfOrderness: 5 }), countWindow(2), aggregate(collect(), { emit: 'close' })),
    })
  })

  test('with results at ticks, time behind it lags by as much: one may be as old as the tick before', async () => {
    await runMarbles({
      source: 'a@7-a@50',
      watermarks: { 0: -13, 4: 30 },
      values,
      pipeline: (s) =>
        s.pipe(withWatermark({ maxOutOfOrderness: 0 }), countWindow(9), aggregate(collect(), { emit: { every: 20 } })),
    })
  })

  test('a size that is none is told from a step that is none', () => {
    expect(() => countWindow(0)).toThrow('countWindow: size')
    expect(() => countWindow(3, { every: 0 })).toThrow('countWindow: every')
    expect(() => countWindow(1, { every: 1 })).not.toThrow()
  })

  test.each([
    () => countWindow(0),
    () => countWindow(1.5),
    () => countWindow(2.5, { every: 2 }),
    () => countWindow(3, { every: 0 }),
    () => countWindow(3, { every: 4 }),
  ])('BAD_OPTION: %s', (make) => {
    expect(make).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }))
  })

  test.each([
    ['retention', (s: any) => s.pipe(countWindow(3), aggregate(collect(), { emit: 'close', retention: 100 }))],
    [
      'suppress until the close',
      (s: any) =>
        toTable('t', s.pipe(countWindow(3), aggregate(collect())))
          .pipe(suppress({ until: 'close' }) as never as (table: any) => any)
          .changes(),
    ],
  ])('%s is BAD_OPTION at planning, as time closes nothing', async (_, pipeline) => {
    const app = testApp((a) => a.run('x', pipeline(a.stream<number>('in', { value: json() }))), { topics: { in: 1 } })
    await expect(app).rejects.toMatchObject({ code: 'BAD_OPTION' })
  })
})

test('against slicing each key’s records', () => {
  const given = fc.array(fc.record({ key: fc.constantFrom('a', 'b'), time: fc.nat(20) }), { maxLength: 30 })
  const sizes = fc
    .integer({ min: 1, max: 6 })
    .chain((size) => fc.tuple(fc.constant(size), fc.integer({ min: 1, max: size })))
  fc.assert(
    fc.property(given, sizes, (all, [size, every]) => {
      const records = all.map(({ key, time }, index) => record(key, index, time))
      const steps = stepwise(records, (s) =>
        s.pipe(countWindow(size, { every }), aggregate(collect(), { emit: 'close' })),
      )
      /** The windows of a key, each with the record that fills it. */
      const windowsOf = (key: string) => {
        const own = records.filter((one) => one.key === key)
        const windows: { result: Shown; filledBy: number }[] = []
        for (let start = 0; start < own.length; start += every) {
          const inside = own.slice(start, start + size)
          const result = {
            key,
            value: inside.map(({ value }) => value),
            timestamp: Math.max(...inside.map(({ timestamp }) => timestamp)),
            start,
            end: start + size,
            final: true,
          }
          windows.push({ result, filledBy: inside[size - 1]?.value ?? all.length })
        }
        return windows
      }
      const windows = ['a', 'b'].flatMap(windowsOf)
      const expected = [...all, undefined].map((_, index) =>
        windows
          .filter(({ filledBy }) => filledBy === index)
          .map(({ result }) => result)
          .sort((a, b) => a.end - b.end || (a.key < b.key ? -1 : 1)),
      )
      expect(steps.map(({ results }) => results)).toEqual(expected)
    }),
    { seed: 19, numRuns: 250 },
  )
})

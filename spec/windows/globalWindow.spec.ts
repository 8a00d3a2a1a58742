import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { merge } from 'rxjs'
import {
  type AggregateOptions,
  aggregate,
  collect,
  count,
  globalWindow,
  json,
  mapValues,
  record,
  tumblingWindow,
  withWatermark,
} from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'
import { type Shown, stepwise } from './steps.js'

expect.extend(matchers)

const window = { start: 0, end: Number.MAX_SAFE_INTEGER }

test('its diagram', async () => {
  const source = '-a-a--a-a---a--|'
  const out = '------x-----y--(z|)'
  expectDrawn('windows/globalWindow.ts', `in   ${source}`, `out  ${out}`)
  await runMarbles({
    source,
    out,
    values: {
      a: ['ann', 1],
      x: { key: 'ann', value: 3, window, timestamp: 6, final: false },
      y: { key: 'ann', value: 5, window, timestamp: 12, final: false },
      z: { key: 'ann', value: 5, window, timestamp: 12, final: true },
    },
    pipeline: (s) => s.pipe(globalWindow(), aggregate(count(), { emit: { every: '5ms' } })),
  })
})

describe.each([
  { emit: 'update' },
  { emit: { every: 5 } },
  { emit: 'close', early: (values: readonly number[]) => values.length % 2 === 0 },
] as const)('laws, %j', (options) => {
  const input = [1, 4, 12, 9, 13, 21].map((time, i) => record(['ann', 'bob'][i % 2] as string, i, time))
  const operator = () => (s: any) => s.pipe(globalWindow(), aggregate(collect(), options as never))
  for (const law of operatorLaws(operator, input)) test(law.name, law.run)
})

describe('edges', () => {
  const values = {
    a: ['ann', 'a'],
    n: ['ann', null],
    k: [null, 'k'],
    b: ['bob', 'b'],
    x: { key: 'ann', value: ['a', null], window, timestamp: 9, final: true },
    y: { key: 'bob', value: ['b'], window, timestamp: 0, final: true },
  } as const
  test.each([
    { name: 'an empty source', source: '|', out: '|' },
    { name: 'nothing comes on close before completion', source: 'a@9n@1-', out: '-' },
    { name: 'on completion by key; no record is late, null values count', source: '(a@9bn@1)|', out: '---------(xy|)' },
    { name: 'a null key is dropped', source: 'k|', out: '-|' },
  ])('$name', async ({ source, out }) => {
    await runMarbles({
      source,
      out,
      values,
      pipeline: (s) => s.pipe(globalWindow(), aggregate(collect(), { emit: 'close' })),
    })
  })

  test('time behind it does not come to be', async () => {
    const run = await runMarbles({
      source: 'a@7-a@50|',
      values,
      pipeline: (s) => s.pipe(withWatermark({ maxOutOfOrderness: 5 }), globalWindow(), aggregate(collect())),
    })
    expect(run.watermarks).toEqual({})
    expect(run.completed).toBe(8)
  })

  test('once it has completed, it holds back nothing beside it', async () => {
    const pass = mapValues((value: unknown) => value) as any
    await runMarbles({
      source: { one: 'a@1-|', two: '------b@2-b@20-' },
      out: '          ----------(xy)',
      values: {
        ...values,
        x: { key: 'ann', value: 1, timestamp: 1, final: true },
        y: { key: 'bob', value: 1, timestamp: 2, final: true },
      },
      pipeline: ({ one, two }) => {
        const none = withWatermark({ maxOutOfOrderness: 0 })
        const counts = one.pipe(none, globalWindow(), aggregate(count())) as any
        return merge(counts, two.pipe(none as any, pass)).pipe(
          tumblingWindow(10) as any,
          aggregate(count(), { emit: 'close' }),
        ) as any
      },
    })
  })

  test('retention is BAD_OPTION at planning', async () => {
    const app = testApp(
      (a) =>
        a.run(
          'x',
          a.stream<number>('in', { value: json() }).pipe(globalWindow(), aggregate(count(), { retention: 10 })),
        ),
      { topics: { in: 1 } },
    )
    await expect(app).rejects.toMatchObject({ code: 'BAD_OPTION' })
  })
})

describe('against recomputing from all records', () => {
  const given = fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c'), time: fc.nat(60) }), { maxLength: 30 })
  const settings = fc.record({
    every: fc.option(fc.integer({ min: 1, max: 15 }), { nil: undefined }),
    nth: fc.option(fc.integer({ min: 2, max: 5 }), { nil: undefined }),
    bound: fc.nat(10),
  })

  test('update: with each record, all of its key so far', () => {
    fc.assert(
      fc.property(given, (all) => {
        const records = all.map(({ key, time }, index) => record(key, index, time))
        const steps = stepwise(records, (s) => s.pipe(globalWindow(), aggregate(collect())))
        const expected = records.map(({ key }, index) => [wordOf(records.slice(0, index + 1), key, false)])
        expect(steps.map(({ results }) => results)).toEqual([...expected, []])
      }),
      { seed: 51, numRuns: 200 },
    )
  })

  test('close, every and early: at each tick of time, where something is new, and all in the end', () => {
    fc.assert(
      fc.property(given, settings, (all, { every, nth, bound }) => {
        const records = all.map(({ key, time }, index) => record(key, index, time))
        const timeAt = (index: number) => Math.max(...all.slice(0, index + 1).map(({ time }) => time)) - bound
        const keys = [...new Set(all.map(({ key }) => key))].sort()
        /** By key, how many records had come when it last had a word. */
        const told = new Map<string, number>()
        const expected = records.map(({ key }, index) => {
          const come = records.slice(0, index + 1)
          const speaking: { key: string; tick: number }[] = []
          const isEarly = nth !== undefined && come.filter((other) => other.key === key).length % nth === 0
          if (isEarly) told.set(key, come.length)
          for (const other of keys) {
            const firstNew = come.findIndex((one, i) => one.key === other && i >= (told.get(other) ?? 0))
            if (every === undefined || firstNew < 0) continue
            const tick = (Math.floor(Math.max(0, timeAt(firstNew)) / every) + 1) * every
            if (tick > timeAt(index)) continue
            speaking.push({ key: other, tick })
            told.set(other, come.length)
          }
          speaking.sort((a, b) => a.tick - b.tick || (a.key < b.key ? -1 : 1))
          const words = [...(isEarly ? [key] : []), ...speaking.map((one) => one.key)]
          return words.map((speaker) => wordOf(come, speaker, false))
        })
        const options: AggregateOptions = {
          emit: every === undefined ? 'close' : { every },
          ...(nth !== undefined && { early: (values: readonly unknown[]) => values.length % nth === 0 }),
        }
        const steps = stepwise(records, (s) =>
          s.pipe(withWatermark({ maxOutOfOrderness: bound }), globalWindow(), aggregate(collect(), options)),
        )
        const last = keys.map((key) => wordOf(records, key, true))
        expect(steps.map(({ results }) => results)).toEqual([...expected, last])
        expect(steps.flatMap(({ late }) => late)).toEqual([])
      }),
      { seed: 52, numRuns: 300 },
    )
  })

  /** What a key says of all its records. */
  function wordOf(records: readonly { key: string; value: number; timestamp: number }[], key: string, final: boolean) {
    const own = records.filter((one) => one.key === key)
    const timestamp = Math.max(...own.map((one) => one.timestamp))
    return { key, value: own.map(({ value }) => value), timestamp, ...window, final } satisfies Shown
  }
})

import { describe, expect, test } from '@jest/globals'
import { aggregate, collect, count, globalWindow, json, record, withWatermark } from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

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

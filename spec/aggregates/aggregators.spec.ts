import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { from } from 'rxjs'
import {
  type Aggregator,
  aggregate,
  avg,
  collect,
  count,
  countDistinct,
  first,
  json,
  last,
  max,
  min,
  record,
  reduce,
  sum,
} from 'tidemark'
import { operatorLaws, runMarbles } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

type Value = { readonly value: any }
const value = (r: Value) => r.value

interface Case {
  readonly name: string
  readonly call: string
  readonly make: () => Aggregator<any, unknown, any>
  readonly source: string
  readonly out: string
  /** What it should be of a list of values, not empty, in order of arrival: by other means. */
  readonly of: (values: readonly number[]) => unknown
}

const cases: Case[] = [
  { name: 'count', call: 'count()', make: count, source: 'a--a--a--|', out: '1--2--3--|', of: (v) => v.length },
  {
    name: 'sum',
    call: 'sum(r => r.value)',
    make: () => sum(value),
    source: '2--3--1--|',
    out: '2--5--6--|',
    of: (v) => v.reduce((a, b) => a + b),
  },
  {
    name: 'max',
    call: 'max(r => r.value)',
    make: () => max(value),
    source: '2--3--1--|',
    out: '2--3--3--|',
    of: (v) => Math.max(...v),
  },
  {
    name: 'min',
    call: 'min(r => r.value)',
    make: () => min(value),
    source: '2--3--1--|',
    out: '2--2--1--|',
    of: (v) => Math.min(...v),
  },
  {
    name: 'avg',
    call: 'avg(r => r.value)',
    make: () => avg(value),
    source: '2--4--0--|',
    out: '2--3--2--|',
    of: (v) => v.reduce((a, b) => a + b) / v.length,
  },
  {
    name: 'reduce',
    call: 'reduce((a, b) => a * b)',
    make: () => reduce((a: number, b: number) => a * b),
    source: '2--3--1--|',
    out: '2--6--6--|',
    of: (v) => v.reduce((a, b) => a * b),
  },
  { name: 'collect', call: 'collect()', make: collect, source: 'x--y--z--|', out: 'p--q--r--|', of: (v) => [...v] },
  { name: 'first', call: 'first()', make: first, source: 'x--y--z--|', out: 'x--x--x--|', of: (v) => v[0] },
  { name: 'last', call: 'last()', make: last, source: 'x--y--z--|', out: 'x--y--z--|', of: (v) => v[v.length - 1] },
  {
    name: 'countDistinct',
    call: 'countDistinct(r => r.value)',
    make: () => countDistinct(value),
    source: 'x--y--x--|',
    out: '1--2--2--|',
    of: (v) => new Set(v).size,
  },
]

const symbols = {
  ...Object.fromEntries([0, 1, 2, 3, 4, 5, 6].map((n) => [n, { key: 'ann', value: n }])),
  ...Object.fromEntries(['a', 'x', 'y', 'z'].map((text) => [text, { key: 'ann', value: text }])),
  p: { key: 'ann', value: ['x'] },
  q: { key: 'ann', value: ['x', 'y'] },
  r: { key: 'ann', value: ['x', 'y', 'z'] },
}

describe.each(cases)('$name', ({ name, call, make, source, out, of }) => {
  test('its diagram', async () => {
    const width = Math.max('in'.length, call.length)
    expectDrawn(`aggregates/${name}.ts`, `${'in'.padEnd(width)}  ${source}`, `${call.padEnd(width)}  ${out}`)
    await runMarbles({ source, out, values: symbols, pipeline: (s) => s.pipe(aggregate(make())) })
  })

  const input = [3, 1, 2, 2, 5, 3].map((n, i) => record(['ann', 'bob'][i % 2] as string, n, i))
  for (const law of operatorLaws(() => aggregate(make()), input)) test(law.name, law.run)

  const small = fc.array(
    fc.integer({ min: -9, max: 9 }).filter((n) => n !== 0),
    { minLength: 1, maxLength: 20 },
  )
  const add = (values: readonly number[], aggregator: Aggregator<Value, unknown, any>) =>
    values.reduce<any>(
      (acc, n, i) => (i === 0 && !aggregator.init ? n : aggregator.add(acc, { value: n })),
      aggregator.init?.(),
    )
  const show = (aggregator: Aggregator<Value, unknown, any>, acc: unknown) =>
    aggregator.result ? aggregator.result(acc) : acc

  test('is what recomputing gives, and so after its accumulator has been through JSON', () => {
    fc.assert(
      fc.property(small, (values) => {
        const aggregator = make()
        const acc = add(values, aggregator)
        expect(show(aggregator, acc)).toEqual(of(values))
        expect(show(aggregator, json<any>().deserialize(json().serialize(acc)))).toEqual(of(values))
      }),
      { seed: 3, numRuns: 100 },
    )
  })

  const { remove } = make()
  if (remove === undefined) return
  test('takes records back, in any order', () => {
    fc.assert(
      fc.property(small, fc.infiniteStream(fc.nat()), (values, picks) => {
        const aggregator = make()
        let acc = add(values, aggregator)
        const left = [...values]
        while (left.length > 1) {
          const [taken] = left.splice((picks.next().value as number) % left.length, 1)
          acc = remove(acc, { value: taken })
          expect(show(aggregator, acc)).toEqual(of(left))
        }
      }),
      { seed: 4, numRuns: 100 },
    )
  })
})

test('a result that has come out does not change when more comes in', () => {
  const results: (readonly unknown[])[] = []
  from([1, 2, 3].map((n) => record('a', n, n)))
    .pipe(aggregate(collect()))
    .subscribe((r) => results.push(r.value))
  expect(results).toEqual([[1], [1, 2], [1, 2, 3]])
})

test.each<[string, () => Aggregator<any, unknown, any>, unknown]>([
  ['first', first, null],
  ['last', last, null],
  ['collect', collect, [null]],
  ['count', count, 1],
])('%s takes a null value, which a window lets through', (_name, make, expected) => {
  const aggregator = make()
  const acc = aggregator.add(aggregator.init?.(), { value: null })
  expect(aggregator.result ? aggregator.result(acc) : acc).toEqual(expected)
})

test('avg and sum of none, after all has been taken back', () => {
  const mean = avg(value)
  expect(mean.result?.(mean.remove?.([4, 1], { value: 4 }) as never)).toBe(0)
  expect(sum(value).remove?.(4, { value: 4 })).toBe(0)
})

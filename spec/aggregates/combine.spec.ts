import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { from } from 'rxjs'
import { type Aggregator, aggregate, avg, collect, count, last, median, min, record, reduce, sum } from 'tidemark'
import { oneAggregator } from '../../lib/aggregates/combine.js'
import { aggregatorLaws, Fold } from './aggregatorLaws.js'

type Numbers = { readonly value: number }
const value = (r: Numbers) => r.value

describe('laws, of all that can take records back', () => {
  const laws = aggregatorLaws({
    make: () => oneAggregator({ n: count(), s: sum(value), all: collect() }),
    values: fc.integer({ min: -9, max: 9 }),
    of: (values) => ({ n: values.length, s: values.reduce((a, b) => a + b), all: [...values] }),
    can: ['remove', 'merge'],
    none: { n: 0, s: 0, all: [] },
  })
  for (const law of laws) test(law.name, law.run)
})

describe('laws, of some that have no value of none', () => {
  const laws = aggregatorLaws({
    make: () => oneAggregator({ n: count(), mean: avg(value), middle: median(value) }),
    values: fc.constantFrom(2, 4),
    of: (values) => values.length,
    can: ['remove', 'merge', 'commutes'],
    none: null,
    same: (came, length) => expect(came).toMatchObject({ n: length }),
  })
  for (const law of laws) test(law.name, law.run)
})

describe('laws, with one that folds the first value', () => {
  const laws = aggregatorLaws({
    make: () => oneAggregator({ n: count(), joined: reduce((a: string, b: string) => a + b), last: last() }),
    values: fc.constantFrom('a', 'b', 'c'),
    of: (values) => ({ n: values.length, joined: values.join(''), last: values[values.length - 1] }),
    can: ['merge'],
  })
  for (const law of laws) test(law.name, law.run)
})

describe('edges', () => {
  test('none of them at all', () => {
    expect(new Fold(oneAggregator({})).add(1).result()).toEqual({})
  })

  test('a part that gives null begins anew with the next record, the others go on', () => {
    const shortened = reduce((a: number, b: number) => (b === 0 ? (null as never) : a + b))
    const results: unknown[] = []
    from([1, 2, 0, 5, 6].map((n, i) => record('a', n, i)))
      .pipe(aggregate({ n: count(), sum: shortened }))
      .subscribe((r) => results.push(r.value))
    expect(results).toEqual([
      { n: 1, sum: 1 },
      { n: 2, sum: 3 },
      { n: 3, sum: null },
      { n: 4, sum: 5 },
      { n: 5, sum: 11 },
    ])
  })

  test('the same of a part with a start', () => {
    const product: Aggregator<Numbers, string, number> = {
      init: () => 100,
      add: (acc, { value }) => (value === 0 ? (null as never) : acc + value),
      result: (acc) => `${acc}`,
    }
    const fold = new Fold(oneAggregator({ product }))
    expect([1, 0, 2].map((n) => fold.add(n).result())).toEqual([
      { product: '101' },
      { product: null },
      { product: '102' },
    ])
  })

  test('a part that holds nothing merges to the other one, and takes nothing back', () => {
    const emptied: Aggregator<Numbers, number, number> = {
      add: (acc, { value }) => (value === 0 ? (null as never) : acc + value),
      remove: (acc, { value }) => acc - value,
      merge: (a, b) => a + b,
    }
    const make = (...values: number[]) => new Fold(oneAggregator({ n: count(), emptied })).addAll(values)
    expect(make(1, 0).merge(make(5)).result()).toEqual({ n: 3, emptied: 5 })
    expect(make(5).merge(make(1, 0)).result()).toEqual({ n: 3, emptied: 5 })
    expect(make(1, 0).merge(make(1, 0)).result()).toEqual({ n: 4, emptied: null })
    expect(make(1, 0).remove(1).result()).toEqual({ n: 1, emptied: null })
  })

  test('the key of a session reaches each part', () => {
    const keys: unknown[] = []
    const part: Aggregator<Numbers, number, number> = {
      init: () => 0,
      add: (acc) => acc + 1,
      merge(a, b, key) {
        keys.push(key)
        return a + b
      },
    }
    new Fold(oneAggregator({ part, other: part })).add(1).merge(new Fold(oneAggregator({ part, other: part })).add(2))
    expect(keys).toEqual(['ann', 'ann'])
  })

  test('one part that cannot take records back is enough, and one that cannot merge', () => {
    const { merge: _merge, ...unmergeable } = count()
    expect(oneAggregator({ n: count(), least: min(value) }).remove).toBe(undefined)
    expect(oneAggregator({ n: count(), least: min(value) }).merge).toBeInstanceOf(Function)
    expect(oneAggregator({ n: count(), other: unmergeable }).merge).toBe(undefined)
  })
})

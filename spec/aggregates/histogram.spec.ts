import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { type Histogram, histogram } from 'tidemark'
import { aggregatorLaws, expectDiagram, Fold } from './aggregatorLaws.js'
import { exactTotal, uneven } from './exactly.js'

const make = (buckets: readonly number[]) => histogram((r: { value: number }) => r.value, { buckets })

test('its diagram', () =>
  expectDiagram('histogram', {
    call: 'histogram(r => r.value, { buckets: [2, 5] })',
    source: '2--3--9--|',
    out: 'p--q--r--|',
    make: () => make([2, 5]),
    values: {
      p: { counts: [1, 0, 0], count: 1, sum: 2 },
      q: { counts: [1, 1, 0], count: 2, sum: 5 },
      r: { counts: [1, 1, 1], count: 3, sum: 14 },
    },
  }))

describe('laws', () => {
  const bounds = [-1, 0, 0.5, 1000]
  const recomputed = (values: readonly number[]): Histogram => ({
    counts: [...bounds, Number.POSITIVE_INFINITY].map((bound, i, all) => {
      const beneath = i === 0 ? Number.NEGATIVE_INFINITY : (all[i - 1] as number)
      return values.filter((x) => beneath < x && x <= bound).length
    }),
    count: values.length,
    sum: exactTotal(values),
  })
  const laws = aggregatorLaws({
    make: () => make(bounds),
    values: fc.oneof(fc.constantFrom(...bounds), uneven),
    of: recomputed,
    can: ['remove', 'merge', 'commutes'],
    none: recomputed([]),
  })
  for (const law of laws) test(law.name, law.run)
})

describe('edges', () => {
  test('a number on a bound belongs beneath it', () => {
    expect(new Fold(make([1, 2])).addAll([1, 2, 2.5, 1.5]).result()).toEqual({ counts: [1, 2, 1], count: 4, sum: 7 })
  })

  test('buckets that change afterwards make no difference', () => {
    const buckets = [1, 2]
    const aggregator = make(buckets)
    buckets[0] = 9
    expect(new Fold(aggregator).add(1).result().counts).toEqual([1, 0, 0])
  })

  test.each([
    ['none', []],
    ['equal ones', [1, 1]],
    ['falling ones', [2, 1]],
    ['infinity', [1, Number.POSITIVE_INFINITY]],
    ['NaN', [Number.NaN]],
  ])('%s are refused', (_name, buckets) => {
    expect(() => make(buckets)).toThrow(
      expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining('histogram: buckets') }),
    )
  })

  test.each([Number.NaN, undefined])('%p is refused', (x) => {
    expect(() => new Fold(make([1])).add(x)).toThrow(/NOT_A_NUMBER: histogram got/)
    expect(() => new Fold(make([1])).add(1).remove(x)).toThrow(/NOT_A_NUMBER: histogram got/)
  })
})

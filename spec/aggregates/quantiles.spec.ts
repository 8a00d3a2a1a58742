import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { quantiles } from 'tidemark'
import { aggregatorLaws, expectDiagram, Fold, throughJson } from './aggregatorLaws.js'
import { uneven } from './exactly.js'
import { expectWithin, quantileOf, seededNumbers } from './samples.js'

const ASKED = [0, 0.01, 0.5, 0.9, 0.99, 1] as const

const make = (relativeError?: number) =>
  quantiles((r: { value: number }) => r.value, ASKED, relativeError === undefined ? {} : { relativeError })

test('its diagram', () =>
  expectDiagram('quantiles', {
    call: 'quantiles(r => r.value, [0.5, 1])',
    source: 'a--b--c--|',
    out: 'p--q--r--|',
    make: () => quantiles((r: { value: number }) => r.value, [0.5, 1]),
    values: { a: 10, b: 20, c: 30, p: [10, 10], q: [10, 20], r: [20, 30] },
    shown: (values: readonly number[]) => values.map(Math.round),
  }))

describe.each([undefined, 0.1, 0.001])('laws (error %s)', (relativeError) => {
  const laws = aggregatorLaws({
    make: () => make(relativeError),
    values: fc.oneof(fc.integer({ min: -3, max: 3 }), uneven),
    of: (values) => ASKED.map((q) => quantileOf(values, q)),
    can: ['remove', 'merge', 'commutes'],
    none: null,
    same: (came, expected: number[]) => {
      came.forEach((x, i) => {
        expectWithin(x, expected[i] as number, relativeError ?? 0.01)
      })
    },
  })
  for (const law of laws) test(law.name, law.run)
})

describe('its error, on 20,000 numbers', () => {
  test.each(Object.entries(seededNumbers(20_000)))('%s', (_name, numbers) => {
    for (const relativeError of [0.05, 0.01, 0.001]) {
      const came = new Fold(make(relativeError)).addAll(numbers).result()
      ASKED.forEach((q, i) => {
        expectWithin(came[i] as number, quantileOf(numbers, q), relativeError)
      })
    }
  })
})

describe('edges', () => {
  test.each([5e-324, 1e-308, -1e-310, 0])('%p is taken for 0', (x) => {
    expect(new Fold(make()).addAll([x]).result()).toEqual([0, 0, 0, 0, 0, 0])
    expect(new Fold(make()).addAll([x, 1]).remove(x).result()[0]).toBeCloseTo(1, 1)
  })

  test.each([1e-307, 1e-306, Number.MAX_VALUE, -Number.MAX_VALUE])('%p is within 1 %% too', (x) => {
    expectWithin(new Fold(make()).add(x).result()[2], x, 0.01)
  })

  test('what was never added is not taken back', () => {
    expect(new Fold(make()).add(1).remove(7).result()).toEqual(new Fold(make()).add(1).result())
  })

  test('keeps one count for each step, at most 116 for a power of ten', () => {
    const numbers = Array.from({ length: 50_000 }, (_, i) => 10 ** (i / 50_000))
    const kept = throughJson(new Fold(make()).addAll(numbers).acc)
    expect(JSON.stringify(kept).length).toBeLessThan(116 * 10)
  })

  test('asking in another order, or changing what was asked with, makes no difference', () => {
    const asked = [1, 0]
    const aggregator = quantiles((r: { value: number }) => r.value, asked)
    asked[0] = 0
    expect(new Fold(aggregator).addAll([1, 100]).result().map(Math.round)).toEqual([100, 1])
  })

  test.each([-0.1, 1.1, Number.NaN])('a quantile of %p is refused', (q) => {
    expect(() => quantiles((r: { value: number }) => r.value, [0.5, q])).toThrow(
      expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining('quantiles: a quantile') }),
    )
  })

  test.each([0, 0.00001, 0.6, Number.NaN])('an error of %p is refused', (relativeError) => {
    expect(() => make(relativeError)).toThrow(
      expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining('quantiles: relativeError') }),
    )
  })

  test.each([Number.NaN, Number.POSITIVE_INFINITY, undefined])('%p is refused', (x) => {
    expect(() => new Fold(make()).add(x)).toThrow(/NOT_A_NUMBER: quantiles got/)
    expect(() => new Fold(make()).add(1).remove(x)).toThrow(/NOT_A_NUMBER: quantiles got/)
  })
})

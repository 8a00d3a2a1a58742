import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { correlation } from 'tidemark'
import { aggregatorLaws, expectDiagram, Fold } from './aggregatorLaws.js'
import { deviation, ratio, uneven } from './exactly.js'

interface Point {
  readonly x: number
  readonly y: number
}
type PointRecord = { readonly value: Point }

const make = () =>
  correlation(
    (r: PointRecord) => r.value.x,
    (r: PointRecord) => r.value.y,
  )
const points = (pairs: readonly (readonly [x: number, y: number])[]) => pairs.map(([x, y]) => ({ x, y }))

/** Pearson's coefficient, reckoned in whole numbers up to the root. */
function pearson(values: readonly Point[]): number | null {
  const [x, y] = [values.map((point) => point.x), values.map((point) => point.y)]
  const product = deviation(x, x) * deviation(y, y)
  if (product === 0n) return null
  const together = deviation(x, y)
  return Math.sign(Number(together)) * Math.sqrt(ratio(together ** 2n, product))
}

test('its diagram', () =>
  expectDiagram('correlation', {
    call: 'correlation(r => r.value.x, …value.y)',
    source: 'a--b--c--|',
    out: 'n--p--q--|',
    make,
    values: { a: { x: 1, y: 2 }, b: { x: 2, y: 4 }, c: { x: 3, y: 3 }, n: null, p: 1, q: 0.5 },
  }))

describe('laws', () => {
  const laws = aggregatorLaws({
    make,
    values: fc.record({ x: fc.oneof(fc.nat(3), uneven), y: fc.oneof(fc.nat(3), uneven) }),
    of: pearson,
    can: ['remove', 'merge', 'commutes'],
    none: null,
    same(came, expected) {
      if (came === null || expected === null) expect(came).toBe(expected)
      else expect(Math.abs(came - expected)).toBeLessThanOrEqual(2e-15 * Math.abs(expected) + 1e-100)
    },
  })
  for (const law of laws) test(law.name, law.run)
})

describe('edges', () => {
  test.each<[name: string, pairs: [number, number][], expected: number | null]>([
    ['one point has none', [[1, 1]], null],
    ['nor has an x that stays', [[1, 1], [1, 2]], null], // biome-ignore format: a table
    ['nor a y that stays', [[1, 2], [3, 2]], null], // biome-ignore format: a table
    ['falling', [[1, 3], [2, 2], [3, 1]], -1], // biome-ignore format: a table
    ['nothing to do with each other', [[1, 1], [2, 2], [3, 1]], 0], // biome-ignore format: a table
    ['far from 0, on a line', [[1e9, 3e9], [1e9 + 1, 3e9 + 3], [1e9 + 3, 3e9 + 9]], 1], // biome-ignore format: a table
    ['spreads whose product is no double', [[1e-100, 1e-100], [2e-100, 3e-100], [3e-100, 2e-100]], 0.5], // biome-ignore format: a table
  ])('%s', (_name, pairs, expected) => {
    const came = new Fold(make()).addAll(points(pairs)).result()
    if (expected === null) expect(came).toBe(null)
    else expect(came).toBeCloseTo(expected, 14)
  })

  test('never goes beyond 1', () => {
    fc.assert(
      fc.property(fc.array(uneven, { minLength: 2, maxLength: 5 }), uneven, (list, factor) => {
        const came = new Fold(make()).addAll(list.map((x) => ({ x, y: x * factor }))).result()
        expect(Math.abs(came ?? 0)).toBeLessThanOrEqual(1)
      }),
      { seed: 21, numRuns: 500 },
    )
  })

  test.each([Number.NaN, undefined])('%p is refused, in both places', (bad) => {
    expect(() => new Fold(make()).add({ x: bad, y: 1 })).toThrow(/NOT_A_NUMBER: correlation got/)
    expect(() => new Fold(make()).add({ x: 1, y: bad })).toThrow(/NOT_A_NUMBER: correlation got/)
  })
})

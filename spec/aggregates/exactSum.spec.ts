import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { type ExactSum, plus, plusProduct, plusSum, product, rounded } from '../../lib/aggregates/exactSum.js'
import { scaled, uneven } from './exactly.js'

const parts = (sum: ExactSum): readonly number[] => (typeof sum === 'number' ? [sum] : sum)
const sumOf = (list: readonly number[]) => list.reduce<ExactSum>(plus, 0)

/** Any double as a whole number of 2^-1100, or of as much less as is asked for. */
const units = (x: number, exponent = 1100): bigint => {
  let [digits, power] = [x, 0]
  while (!Number.isInteger(digits)) {
    digits *= 2
    power++
  }
  return BigInt(digits) << BigInt(exponent - power)
}
const total = (sum: ExactSum) => parts(sum).reduce((all, part) => all + units(part), 0n)

const any = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e300, max: 1e300 })
const check = <T>(values: fc.Arbitrary<T>, holds: (value: T) => void) =>
  fc.assert(fc.property(values, holds), { seed: 17, numRuns: 500 })

describe('a sum', () => {
  test('has lost nothing, whatever the doubles', () => {
    check(fc.array(fc.oneof(any, uneven)), (list) => {
      expect(total(sumOf(list))).toBe(list.reduce((all, x) => all + units(x), 0n))
    })
  })

  test("is one number where one can hold it, and else few, whose largest the others don't change", () => {
    check(fc.array(uneven, { minLength: 1, maxLength: 50 }), (list) => {
      const sum = sumOf(list)
      const held = parts(sum)
      if (held.length === 1 || total(sum) === units(rounded(sum))) expect(sum).toBe(rounded(sum))
      // They span 175 bits at most, and carries.
      expect(held.length).toBeLessThanOrEqual(4)
      if (held.length > 1) expect((held.at(-1) as number) + (held.at(-2) as number)).toBe(held.at(-1))
    })
  })

  test('is one number again when what one could not hold has gone', () => {
    expect(plus(1e20, 1)).toEqual([1, 1e20])
    expect(plus(plus(1e20, 1), -1)).toBe(1e20)
    expect(plus(plus(1e20, 1), -1e20)).toBe(1)
  })

  test('is 0 again, as one number, when all has been taken away', () => {
    check(fc.array(fc.oneof(any, uneven)), (list) => {
      expect([...list].reverse().reduce((sum, x) => plus(sum, -x), sumOf(list))).toBe(0)
    })
  })

  test('is rounded to the nearest double', () => {
    check(fc.array(uneven, { minLength: 1 }), (list) => {
      expect(rounded(sumOf(list))).toBe(Number(list.reduce((all, x) => all + scaled(x), 0n)) / 2 ** 60)
    })
  })

  test('of two sums, and their difference', () => {
    check(fc.tuple(fc.array(uneven), fc.array(uneven)), ([one, two]) => {
      expect(total(plusSum(sumOf(one), sumOf(two)))).toBe(total(sumOf(one)) + total(sumOf(two)))
      expect(total(plusSum(sumOf(one), sumOf(two), -1))).toBe(total(sumOf(one)) - total(sumOf(two)))
    })
  })
})

describe('a product', () => {
  test('of two doubles has lost nothing', () => {
    check(fc.tuple(uneven, uneven), ([x, y]) => {
      expect(total(plusProduct(0, x, y))).toBe(units(x, 550) * units(y, 550))
    })
  })

  test('of two sums has lost nothing', () => {
    check(fc.tuple(fc.array(uneven), fc.array(uneven)), ([one, two]) => {
      const [a, b] = [sumOf(one), sumOf(two)]
      const halved = (sum: ExactSum) => parts(sum).reduce((all, part) => all + units(part, 550), 0n)
      expect(total(product(a, b))).toBe(halved(a) * halved(b))
    })
  })

  test('that is a whole number only after rounding is not taken for one', () => {
    expect(parts(plusProduct(0, 0.1, 10))).toHaveLength(2)
  })
})

import { expect } from '@jest/globals'
import fc from 'fast-check'

/** Doubles of all sizes and signs, whose sums lose digits: whole numbers of 2^-60. */
export const uneven = fc
  .tuple(fc.integer({ min: -(2 ** 50), max: 2 ** 50 }), fc.integer({ min: -60, max: 60 }))
  .map(([digits, exponent]) => digits * 2 ** exponent + 0)

const SCALE = 2 ** 60

/** A double of {@link uneven} as a whole number of 2^-60. */
export const scaled = (x: number): bigint => BigInt(x * SCALE)

/** The double next to the sum of such, reckoned in whole numbers. */
export const exactTotal = (values: readonly number[]): number =>
  Number(values.reduce((total, x) => total + scaled(x), 0n)) / SCALE

/** `numerator / denominator`, where both may be far too large for doubles. */
export function ratio(numerator: bigint, denominator: bigint): number {
  const bits = (n: bigint) => n.toString(2).length
  const shift = Math.max(0, bits(denominator) - bits(numerator) + 80)
  return Number((numerator << BigInt(shift)) / denominator) * 2 ** -shift
}

/** The variance of such, reckoned in whole numbers. */
export function spreadOf(values: readonly number[], kind: 'population' | 'sample'): number | null {
  const n = BigInt(values.length)
  const divisor = kind === 'sample' ? n - 1n : n
  if (divisor === 0n) return null
  return ratio(deviation(values, values), n * divisor * scaled(1) ** 2n)
}

/** `n·Σxy - Σx·Σy` of such, in units of 2^-120. */
export function deviation(x: readonly number[], y: readonly number[]): bigint {
  const products = x.reduce((total, one, i) => total + scaled(one) * scaled(y[i] as number), 0n)
  const total = (list: readonly number[]) => list.reduce((sum, one) => sum + scaled(one), 0n)
  return BigInt(x.length) * products - total(x) * total(y)
}

/** Equal up to the last bits of a double. */
export function expectNear(came: number | null, expected: number | null): void {
  if (came === null || expected === null) expect(came).toBe(expected)
  else expect(Math.abs(came - expected)).toBeLessThanOrEqual(Math.abs(expected) * 1e-15)
}

import type { Aggregator } from './aggregator.js'
import { type ExactSum, plus, plusProduct, plusSum, product, rounded } from './exactSum.js'
import { finite } from './finite.js'

/** Whether the numbers are all there are, or a sample from which the spread of all is estimated. */
export type SpreadKind = 'population' | 'sample'

export interface SpreadOptions<Kind extends SpreadKind = SpreadKind> {
  /** `population` divides by n, `sample` by n - 1. Default `population`. */
  readonly kind?: Kind
}

/** A sample of one has no spread. */
export type Spread<Kind extends SpreadKind> = 'sample' extends Kind ? number | null : number

type Moments = readonly [count: number, total: ExactSum, squares: ExactSum]

/** `variance` and `stddev`, which differ in what they make of the variance at the end. */
export function spread<R, Kind extends SpreadKind>(
  name: string,
  of: (record: R) => number,
  { kind }: SpreadOptions<Kind>,
  finish: (variance: number) => number,
): Aggregator<R, Spread<Kind>, Moments> {
  const less = kind === 'sample' ? 1 : 0
  return {
    holds: 'moments',
    init: () => [0, 0, 0],
    add([count, total, squares], record) {
      const x = finite(of(record), name)
      return [count + 1, plus(total, x), plusProduct(squares, x, x)]
    },
    remove([count, total, squares], record) {
      const x = finite(of(record), name)
      return count === 1 ? null : [count - 1, plus(total, -x), plusProduct(squares, x, -x)]
    },
    merge: (a, b) => [a[0] + b[0], plusSum(a[1], b[1]), plusSum(a[2], b[2])],
    commutes: true,
    result([count, total, squares]) {
      const value =
        count === less ? null : finish(rounded(scatter(count, total, total, squares)) / (count * (count - less)))
      return value as Spread<Kind>
    },
  }
}

/** `n·Σxy - Σx·Σy`: n times the sum of the products of how far x and y lie from their means. */
export function scatter(count: number, totalX: ExactSum, totalY: ExactSum, products: ExactSum): ExactSum {
  return plusSum(product(count, products), product(totalX, totalY), -1)
}

import type { Aggregator } from './aggregator.js'
import { type ExactSum, plus, plusProduct, plusSum, rounded } from './exactSum.js'
import { finite } from './finite.js'
import { scatter } from './moments.js'

interface Sums {
  readonly n: number
  readonly x: ExactSum
  readonly y: ExactSum
  readonly xx: ExactSum
  readonly xy: ExactSum
  readonly yy: ExactSum
}

/**
 * How two numbers of each record go together: Pearson's coefficient, from -1 to 1.
 *
 * ```
 * in                                     a--b--c--|     a: (1, 2)   b: (2, 4)   c: (3, 3)
 * correlation(r => r.value.x, …value.y)  n--p--q--|     n: null   p: 1   q: 0.5
 * ```
 *
 * `(n·Σxy - Σx·Σy) / √((n·Σx² - (Σx)²)·(n·Σy² - (Σy)²))`; null while all x or all y are equal. Keeps the five sums without rounding, as
 * {@link variance} does: takes records back, and merges, without trace; where the last record is taken back, the key is deleted.
 *
 * @throws TidemarkError `NOT_A_NUMBER` for NaN or infinity, or a sum of products that is too large
 */
export function correlation<R>(x: (record: R) => number, y: (record: R) => number): Aggregator<R, number | null, Sums> {
  const change = (sums: Sums, record: R, sign: 1 | -1): Sums => {
    const [a, b] = [finite(x(record), 'correlation'), finite(y(record), 'correlation')]
    return {
      n: sums.n + sign,
      x: plus(sums.x, sign * a),
      y: plus(sums.y, sign * b),
      xx: plusProduct(sums.xx, a, sign * a),
      xy: plusProduct(sums.xy, a, sign * b),
      yy: plusProduct(sums.yy, b, sign * b),
    }
  }
  return {
    holds: 'correlation',
    init: () => ({ n: 0, x: 0, y: 0, xx: 0, xy: 0, yy: 0 }),
    add: (sums, record) => change(sums, record, 1),
    remove: (sums, record) => (sums.n === 1 ? null : change(sums, record, -1)),
    merge: (a, b) => ({
      n: a.n + b.n,
      x: plusSum(a.x, b.x),
      y: plusSum(a.y, b.y),
      xx: plusSum(a.xx, b.xx),
      xy: plusSum(a.xy, b.xy),
      yy: plusSum(a.yy, b.yy),
    }),
    commutes: true,
    result({ n, x, y, xx, xy, yy }) {
      const [spreadX, spreadY] = [rounded(scatter(n, x, x, xx)), rounded(scatter(n, y, y, yy))]
      if (spreadX === 0 || spreadY === 0) return null
      const together = rounded(scatter(n, x, y, xy)) / geometricMean(spreadX, spreadY)
      return Math.max(-1, Math.min(1, together))
    },
  }
}

/** Of two roots, each has a rounding of its own; one of the product has it only where the product can be held. */
function geometricMean(a: number, b: number): number {
  const square = a * b
  return square > 1e-290 && square < Number.POSITIVE_INFINITY ? Math.sqrt(square) : Math.sqrt(a) * Math.sqrt(b)
}

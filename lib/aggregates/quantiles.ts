import { show, TidemarkError } from '../record/errors.js'
import type { Aggregator } from './aggregator.js'
import { type QuantileOptions, quantileSketch } from './quantileSketch.js'

/**
 * Quantiles of a number of each record, in the order asked for, each within 1 % of the true one.
 *
 * ```
 * in                                 a--b--c--|     a: 10          b: 20          c: 30
 * quantiles(r => r.value, [0.5, 1])  p--q--r--|     p: ~10, ~10    q: ~10, ~20    r: ~20, ~30
 * ```
 *
 * The quantile q of n numbers is the one at place `⌊q·(n - 1)⌋`, counted from 0, of their ascending list; what comes out for such an x lies within
 * `relativeError·|x|` of it. The numbers are counted in steps of that size: one count for each that occurs, with 1 % at most 116 for
 * each power of ten that they span, on either side of 0; magnitudes under 1e-307 are taken for 0. Takes records back, and merges, both
 * without loss; where the last record is taken back, the key is deleted. To change the error is to begin anew: give the state another name. The
 * algorithm is that of Masson, Rim and Lee, "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error Guarantees" (VLDB 2019).
 *
 * @throws TidemarkError `BAD_OPTION` if a quantile isn't from 0 to 1, or `relativeError` not from 0.0001 to 0.5; `NOT_A_NUMBER` for NaN or infinity
 */
export function quantiles<R, const Asked extends readonly number[]>(
  of: (record: R) => number,
  asked: Asked,
  options: QuantileOptions = {},
): Aggregator<R, { readonly [Place in keyof Asked]: number }, unknown> {
  for (const q of asked) {
    if (!(q >= 0 && q <= 1))
      throw new TidemarkError('BAD_OPTION', `quantiles: a quantile must be from 0 to 1; got ${show(q)}`)
  }
  const places = [...asked]
  return quantileSketch(
    'quantiles',
    of,
    options,
    (quantile) => places.map(quantile) as { readonly [Place in keyof Asked]: number },
  )
}

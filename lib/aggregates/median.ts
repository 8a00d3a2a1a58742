import type { Aggregator } from './aggregator.js'
import { type QuantileOptions, quantileSketch } from './quantileSketch.js'

/**
 * The median of a number of each record, within 1 % of the true one; of an even number of records the lower of the two in the middle.
 *
 * ```
 * in                    a--b--c--|     a: 10    b: 30    c: 20
 * median(r => r.value)  p--p--q--|     p: ~10   q: ~20
 * ```
 *
 * `quantiles(of, [0.5])`: what {@link quantiles} says holds here.
 *
 * @throws TidemarkError `BAD_OPTION` if `relativeError` isn't from 0.0001 to 0.5; `NOT_A_NUMBER` for NaN or infinity
 */
export function median<R>(of: (record: R) => number, options: QuantileOptions = {}): Aggregator<R, number, unknown> {
  return quantileSketch('median', of, options, (quantile) => quantile(0.5))
}

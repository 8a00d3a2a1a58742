import type { Aggregator } from './aggregator.js'
import { type Spread, type SpreadKind, type SpreadOptions, spread } from './moments.js'

/**
 * The variance of a number of each record: the mean square of how far they lie from their mean.
 *
 * ```
 * in                      3--3--0--|
 * variance(r => r.value)  0--0--2--|
 * ```
 *
 * `(n·Σx² - (Σx)²) / n²`; with `kind: 'sample'` over `n·(n - 1)`, and null for one record. Both sums are kept, and subtracted, without
 * rounding, so nothing cancels out where the numbers are large and differ little. Takes records back, and merges, both without a trace; where
 * the last record is taken back, the key is deleted. Magnitudes must lie between 1e-145 and 1e150.
 *
 * @throws TidemarkError `NOT_A_NUMBER` for NaN or infinity, or where the squares become too large
 */
export function variance<R, Kind extends SpreadKind = 'population'>(
  of: (record: R) => number,
  options: SpreadOptions<Kind> = {},
): Aggregator<R, Spread<Kind>, unknown> {
  return spread('variance', of, options, (value) => value)
}

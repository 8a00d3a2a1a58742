import type { Aggregator } from './aggregator.js'
import { type Spread, type SpreadKind, type SpreadOptions, spread } from './moments.js'

/**
 * The standard deviation of a number of each record: the root of its {@link variance}.
 *
 * ```
 * in                    2--6--4--|
 * stddev(r => r.value)  0--2--x--|     x: √(8/3)
 * ```
 *
 * With `kind: 'sample'` it is estimated from a sample (n - 1), and null for one record. Kept as the variance is: without rounding. Takes
 * records back, and merges, both without a trace; where the last record is taken back, the key is deleted.
 *
 * @throws TidemarkError `NOT_A_NUMBER` for NaN or infinity, or where the squares become too large
 */
export function stddev<R, Kind extends SpreadKind = 'population'>(
  of: (record: R) => number,
  options: SpreadOptions<Kind> = {},
): Aggregator<R, Spread<Kind>, unknown> {
  return spread('stddev', of, options, Math.sqrt)
}

import type { Aggregator } from './aggregator.js'
import { type ExactSum, plus, plusSum, rounded } from './exactSum.js'
import { finite } from './finite.js'

/**
 * The mean of a number of each record: `sum / count`, where the sum is that of {@link sum}.
 *
 * ```
 * in                 2--4--0--|
 * avg(r => r.value)  2--3--2--|
 * ```
 *
 * Keeps sum and count. Takes records back, and merges; none has no mean: where the last record is taken back, the key is deleted.
 *
 * @throws TidemarkError `NOT_A_NUMBER` for NaN or infinity
 */
export function avg<R>(of: (record: R) => number): Aggregator<R, number, readonly [total: ExactSum, count: number]> {
  return {
    holds: 'avg',
    init: () => [0, 0],
    add: ([total, count], record) => [plus(total, finite(of(record), 'avg')), count + 1],
    remove: ([total, count], record) => (count === 1 ? null : [plus(total, -finite(of(record), 'avg')), count - 1]),
    merge: (a, b) => [plusSum(a[0], b[0]), a[1] + b[1]],
    commutes: true,
    result: ([total, count]) => rounded(total) / count,
  }
}

import type { Aggregator } from './aggregator.js'

/**
 * The mean of a number of each record: `sum / count`. Can take records back; the mean of none is 0.
 *
 * ```
 * in                 2--4--0--|
 * avg(r => r.value)  2--3--2--|
 * ```
 */
export function avg<R>(of: (record: R) => number): Aggregator<R, number, readonly [sum: number, count: number]> {
  return {
    init: () => [0, 0],
    add: ([sum, count], record) => [sum + of(record), count + 1],
    remove: ([sum, count], record) => [sum - of(record), count - 1],
    result: ([sum, count]) => (count === 0 ? 0 : sum / count),
  }
}

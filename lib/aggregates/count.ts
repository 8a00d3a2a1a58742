import type { Aggregator } from './aggregator.js'

/**
 * Counts records.
 *
 * ```
 * in       a--a--a--|
 * count()  1--2--3--|
 * ```
 *
 * Takes records back, and merges; the count of none is 0.
 */
export function count(): Aggregator<unknown, number, number> {
  return {
    holds: 'count',
    init: () => 0,
    add: (n) => n + 1,
    remove: (n) => n - 1,
    merge: (a, b) => a + b,
    commutes: true,
  }
}

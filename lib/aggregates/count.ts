import type { Aggregator } from './aggregator.js'

/**
 * Counts records. Can take records back.
 *
 * ```
 * in       a--a--a--|
 * count()  1--2--3--|
 * ```
 */
export function count(): Aggregator<unknown, number, number> {
  return { init: () => 0, add: (n) => n + 1, remove: (n) => n - 1 }
}

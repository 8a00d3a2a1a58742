import type { Aggregator } from './aggregator.js'

/**
 * Adds up a number of each record. Can take records back; sums of fractions then carry the rounding of both steps.
 *
 * ```
 * in                 2--3--1--|
 * sum(r => r.value)  2--5--6--|
 * ```
 */
export function sum<R>(of: (record: R) => number): Aggregator<R, number, number> {
  return { init: () => 0, add: (total, record) => total + of(record), remove: (total, record) => total - of(record) }
}

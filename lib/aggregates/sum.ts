import type { Aggregator } from './aggregator.js'
import { type ExactSum, plus, plusSum, rounded } from './exactSum.js'
import { finite } from './finite.js'

/**
 * Adds up a number of each record.
 *
 * ```
 * in                 2--3--1--|
 * sum(r => r.value)  2--5--6--|
 * ```
 *
 * The sum of the numbers as they are, rounded once, when it comes out: ten times 0.1 is 1, the order of records makes no difference, and
 * what is taken back leaves no trace. The sum of none is 0. Keeps one number, or a few where fractions need them. Takes records
 * back, and merges.
 *
 * @throws TidemarkError `NOT_A_NUMBER` for NaN or infinity
 */
export function sum<R>(of: (record: R) => number): Aggregator<R, number, ExactSum> {
  return {
    holds: 'sum',
    init: () => 0,
    add: (total, record) => plus(total, finite(of(record), 'sum')),
    remove: (total, record) => plus(total, -finite(of(record), 'sum')),
    merge: (a, b) => plusSum(a, b),
    commutes: true,
    result: rounded,
  }
}

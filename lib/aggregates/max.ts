import type { Aggregator } from './aggregator.js'
import { type ExtremeOptions, extreme } from './extreme.js'

/**
 * The largest of a number or string of each record (strings by code unit).
 *
 * ```
 * in                 2--3--1--|
 * max(r => r.value)  2--3--3--|
 * ```
 *
 * Keeps that one value; merges. With `retractable` it keeps each different value with its count, and takes records back: for tables whose
 * rows change, and for `rollingAggregate`. Where the last record is taken back, the key is deleted.
 *
 * @throws TidemarkError `NOT_A_NUMBER` for NaN or infinity
 */
export function max<R, V extends number | string>(
  of: (record: R) => V,
  options: ExtremeOptions = {},
): Aggregator<R, V, unknown> {
  return extreme('max', of, options)
}

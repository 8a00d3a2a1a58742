import type { Aggregator } from './aggregator.js'

/**
 * The smallest of a number or string of each record (strings by code unit).
 *
 * ```
 * in                 2--3--1--|
 * min(r => r.value)  2--2--1--|
 * ```
 */
export function min<R, V extends number | string>(of: (record: R) => V): Aggregator<R, V, V | null> {
  return {
    init: () => null,
    add(least, record) {
      const value = of(record)
      return least === null || value < least ? value : least
    },
    result: (least) => least as V,
  }
}

import type { Aggregator } from './aggregator.js'

/**
 * The largest of a number or string of each record (strings by code unit).
 *
 * ```
 * in                 2--3--1--|
 * max(r => r.value)  2--3--3--|
 * ```
 */
export function max<R, V extends number | string>(of: (record: R) => V): Aggregator<R, V, V | null> {
  return {
    init: () => null,
    add(most, record) {
      const value = of(record)
      return most === null || value > most ? value : most
    },
    result: (most) => most as V,
  }
}

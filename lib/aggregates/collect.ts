import type { Aggregator } from './aggregator.js'

/**
 * All values in the order of arrival; with `of`, what it makes of each record. Keeps them all: bound it by a window.
 *
 * ```
 * in         x--y--z--|
 * collect()  p--q--r--|     p: [x]   q: [x, y]   r: [x, y, z]
 * ```
 */
export function collect<R extends { readonly value: unknown }>(): Aggregator<R, readonly R['value'][], unknown[]>
export function collect<R, V>(of: (record: R) => V): Aggregator<R, readonly V[], unknown[]>
export function collect<R extends { readonly value: unknown }>(
  of: (record: R) => unknown = (record) => record.value,
): Aggregator<R, readonly unknown[], unknown[]> {
  return {
    init: () => [],
    add(values, record) {
      values.push(of(record))
      return values
    },
    // A result must not grow after it has been emitted.
    result: (values) => values.slice(),
  }
}

import type { Aggregator } from './aggregator.js'
import { sameData } from './sameData.js'

/**
 * All values in the order of arrival; with `of`, what it makes of each record.
 *
 * ```
 * in         x--y--z--|
 * collect()  p--q--r--|     p: [x]   q: [x, y]   r: [x, y, z]
 * ```
 *
 * Keeps them all: bound it by a window. Takes records back: the first value that is equal, member by member, leaves the list, which may come to be empty.
 * Merges: the earlier session's values come first.
 */
export function collect<R extends { readonly value: unknown }>(): Aggregator<R, readonly R['value'][], unknown[]>
export function collect<R, V>(of: (record: R) => V): Aggregator<R, readonly V[], unknown[]>
export function collect<R extends { readonly value: unknown }>(
  of: (record: R) => unknown = (record) => record.value,
): Aggregator<R, readonly unknown[], unknown[]> {
  return {
    holds: 'collect',
    init: () => [],
    add(values, record) {
      values.push(of(record))
      return values
    },
    remove(values, record) {
      const value = of(record)
      const at = values.findIndex((one) => sameData(one, value))
      if (at >= 0) values.splice(at, 1)
      return values
    },
    merge(a, b) {
      for (const value of b) a.push(value)
      return a
    },
    // A result must not grow after it has been emitted.
    result: (values) => values.slice(),
  }
}

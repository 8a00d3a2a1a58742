import type { Aggregator } from './aggregator.js'

/**
 * The value that came last, in the order of arrival; with `of`, what it makes of that record.
 *
 * ```
 * in      x--y--z--|
 * last()  x--y--z--|
 * ```
 *
 * Merges: of two sessions it is the later one's. Doesn't take records back, as it keeps no other.
 */
export function last<R extends { readonly value: unknown }>(): Aggregator<R, R['value'], unknown>
export function last<R, V>(of: (record: R) => V): Aggregator<R, V, unknown>
export function last<R extends { readonly value: unknown }>(
  of: (record: R) => unknown = (record) => record.value,
): Aggregator<R, unknown, readonly unknown[]> {
  return {
    holds: 'last',
    init: () => [],
    add: (_, record) => [of(record)],
    merge: (a, b) => (b.length === 0 ? a : b),
    result: (held) => held[0],
  }
}

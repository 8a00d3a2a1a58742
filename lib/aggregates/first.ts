import type { Aggregator } from './aggregator.js'

/**
 * The value that came first, in the order of arrival; with `of`, what it makes of that record.
 *
 * ```
 * in       x--y--z--|
 * first()  x--x--x--|
 * ```
 *
 * Merges: of two sessions it is the earlier one's. Doesn't take records back, as it keeps no other.
 */
export function first<R extends { readonly value: unknown }>(): Aggregator<R, R['value'], unknown>
export function first<R, V>(of: (record: R) => V): Aggregator<R, V, unknown>
export function first<R extends { readonly value: unknown }>(
  of: (record: R) => unknown = (record) => record.value,
): Aggregator<R, unknown, readonly unknown[]> {
  return {
    holds: 'first',
    init: () => [],
    add: (held, record) => (held.length === 0 ? [of(record)] : held),
    merge: (a, b) => (a.length === 0 ? b : a),
    result: (held) => held[0],
  }
}

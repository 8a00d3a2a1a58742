import type { Aggregator } from './aggregator.js'

/**
 * The value that came first, in the order of arrival; with `of`, what it makes of that record.
 *
 * ```
 * in       x--y--z--|
 * first()  x--x--x--|
 * ```
 */
export function first<R extends { readonly value: unknown }>(): Aggregator<R, R['value'], unknown>
export function first<R, V>(of: (record: R) => V): Aggregator<R, V, unknown>
export function first<R extends { readonly value: unknown }>(
  of: (record: R) => unknown = (record) => record.value,
): Aggregator<R, unknown, unknown> {
  return {
    init: () => [],
    add: (held, record) => ((held as unknown[]).length === 0 ? [of(record)] : held),
    result: (held) => (held as unknown[])[0],
  }
}

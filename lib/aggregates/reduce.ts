import type { Aggregator } from './aggregator.js'

/**
 * Folds values of one type into one; the first value is the start and the first result.
 *
 * ```
 * in                       2--3--1--|
 * reduce((a, b) => a * b)  2--6--6--|
 * ```
 *
 * Null from `reducer` deletes the key. `reducer` merges too: it then gets what two sessions have come to, the earlier one's first. Takes
 * records back if there is a `subtractor`, as a grouped table needs it. Kafka Streams' `reduce`, of tables too.
 */
export function reduce<V>(
  reducer: (aggregate: V, value: V) => V,
  subtractor?: (aggregate: V, value: V) => V,
): Aggregator<{ readonly value: V }, V, V> {
  return {
    holds: 'reduce',
    add: (aggregate, record) => reducer(aggregate, record.value),
    merge: (a, b) => reducer(a, b),
    ...(subtractor !== undefined && {
      remove: (aggregate: V, record: { readonly value: V }) => subtractor(aggregate, record.value),
    }),
  }
}

import type { Aggregator } from './aggregator.js'

/**
 * Folds values of one type into one; the first value is the start and the first result.
 *
 * ```
 * in                       2--3--1--|
 * reduce((a, b) => a * b)  2--6--6--|
 * ```
 *
 * Null from `reducer` deletes the key. `reducer` merges too: it then gets what two sessions have come to, the earlier one's first. Doesn't
 * take records back. Kafka Streams' `reduce`.
 */
export function reduce<V>(reducer: (aggregate: V, value: V) => V): Aggregator<{ readonly value: V }, V, V> {
  return { add: (aggregate, record) => reducer(aggregate, record.value), merge: (a, b) => reducer(a, b) }
}

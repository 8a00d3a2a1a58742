import { type Key, keyText } from '../record/key.js'
import type { Aggregator } from './aggregator.js'

/**
 * Counts the different values of a key of each record, exactly. Keeps each of them once. Can take records back.
 *
 * ```
 * in                           x--y--x--|
 * countDistinct(r => r.value)  1--2--2--|
 * ```
 */
export function countDistinct<R>(of: (record: R) => Key): Aggregator<R, number, { [value: string]: number }> {
  return {
    // Names begin with a type tag, so none of them is __proto__.
    init: () => ({}),
    add(seen, record) {
      const name = keyText(of(record))
      seen[name] = (seen[name] ?? 0) + 1
      return seen
    },
    remove(seen, record) {
      const name = keyText(of(record))
      const left = (seen[name] ?? 0) - 1
      if (left > 0) seen[name] = left
      else delete seen[name]
      return seen
    },
    result: (seen) => Object.keys(seen).length,
  }
}

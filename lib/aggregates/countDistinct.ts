import { type Key, keyText } from '../record/key.js'
import type { Aggregator } from './aggregator.js'

/**
 * Counts the different values of a key of each record, exactly.
 *
 * ```
 * in                           x--y--x--|
 * countDistinct(r => r.value)  1--2--2--|
 * ```
 *
 * Keeps each of them once, with how often it came: {@link approxCountDistinct} is for more than some thousands of a key. Takes
 * records back, and merges; the count of none is 0.
 *
 * @throws TidemarkError `BAD_KEY` for what isn't a key
 */
export function countDistinct<R>(of: (record: R) => Key): Aggregator<R, number, Seen> {
  return {
    holds: 'countDistinct',
    init: () => ({ size: 0, times: {} }),
    add(seen, record) {
      count(seen, keyText(of(record)), 1)
      return seen
    },
    remove(seen, record) {
      const name = keyText(of(record))
      if (seen.times[name] === 1) {
        delete seen.times[name]
        seen.size--
      } else if (seen.times[name] !== undefined) seen.times[name]--
      return seen
    },
    merge(a, b) {
      for (const name in b.times) count(a, name, b.times[name] as number)
      return a
    },
    commutes: true,
    result: ({ size }) => size,
  }
}

interface Seen {
  size: number
  /** How often each value came. Names begin with a type tag, so none of them is __proto__. */
  readonly times: { [value: string]: number }
}

function count(seen: Seen, name: string, times: number): void {
  const before = seen.times[name]
  if (before === undefined) seen.size++
  seen.times[name] = (before ?? 0) + times
}

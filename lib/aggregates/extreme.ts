import type { Aggregator } from './aggregator.js'
import { comparable } from './finite.js'
import { emptyTally, mergeTallies, type Tally, tallyDown, tallyUp } from './tally.js'

export interface ExtremeOptions {
  /** Keeps every different value with its count, so that records can be taken back. Default false. */
  readonly retractable?: boolean
}

type Comparable = number | string

/** `min` or `max`. */
export function extreme<R, V extends Comparable>(
  name: 'min' | 'max',
  of: (record: R) => V,
  options: ExtremeOptions,
): Aggregator<R, V, unknown> {
  const checked = (record: R) => comparable(of(record), name)
  const aggregator = options.retractable === true ? tallied(name, checked) : single(name, checked)
  return aggregator as Aggregator<R, V, unknown>
}

function single<R, V extends Comparable>(name: 'min' | 'max', of: (record: R) => V): Aggregator<R, V, V | null> {
  const better = name === 'min' ? (a: V, b: V) => (b < a ? b : a) : (a: V, b: V) => (b > a ? b : a)
  return {
    holds: name,
    init: () => null,
    add: (kept, record) => (kept === null ? of(record) : better(kept, of(record))),
    merge: (a, b) => (a === null || b === null ? (a ?? b) : better(a, b)),
    commutes: true,
    result: (kept) => kept as V,
  }
}

function tallied<R, V extends Comparable>(name: 'min' | 'max', of: (record: R) => V): Aggregator<R, V, Tally<V>> {
  return {
    holds: `${name} of all`,
    init: emptyTally,
    add(tally, record) {
      tallyUp(tally, of(record))
      return tally
    },
    remove(tally, record) {
      tallyDown(tally, of(record))
      return tally[0].length === 0 ? null : tally
    },
    merge: mergeTallies,
    commutes: true,
    result: ([values]) => values[name === 'min' ? 0 : values.length - 1] as V,
  }
}

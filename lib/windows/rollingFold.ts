import type { Aggregator } from '../aggregates/aggregator.js'
import type { Key } from '../record/key.js'

/** A record's share in the window. */
export type Kept = readonly [timestamp: number, value: unknown]

/** What is kept of a key. */
export interface Rolling {
  /** The records in the window, by timestamp, then arrival. */
  readonly kept: Kept[]
  /** The accumulator of these, where the aggregator takes records back; null where it isn't known. */
  acc: unknown
  /** How many records that has taken back since it was made. */
  removals: number
}

export const emptyRolling = (): Rolling => ({ kept: [], acc: null, removals: 0 })

export interface KeptRecord {
  readonly key: Key
  readonly value: any
  readonly timestamp: number
}

/** What an aggregator makes of the records in a rolling window, by as few steps as it allows. */
export class RollingFold {
  constructor(private readonly aggregator: Aggregator<KeptRecord, unknown, unknown>) {}

  /** Takes a record into its place. */
  enter(key: Key, rolling: Rolling, one: Kept): void {
    const { kept } = rolling
    let at = kept.length
    while (at > 0 && (kept[at - 1] as Kept)[0] > one[0]) at--
    const isKnown = rolling.acc !== null && (at === kept.length || this.aggregator.commutes === true)
    rolling.acc = isKnown ? this.add(rolling.acc, key, one) : null
    kept.splice(at, 0, one)
  }

  /** Drops the records up to a timestamp. */
  leave(key: Key, rolling: Rolling, upTo: number): void {
    const { kept } = rolling
    let gone = 0
    for (; gone < kept.length && (kept[gone] as Kept)[0] <= upTo; gone++) {
      if (rolling.acc === null) continue
      rolling.acc = this.aggregator.remove?.(rolling.acc, recordOf(key, kept[gone] as Kept)) ?? null
      rolling.removals++
    }
    kept.splice(0, gone)
    if (rolling.removals >= kept.length) rolling.acc = null
  }

  result(key: Key, rolling: Rolling): unknown {
    const acc = rolling.acc ?? this.recompute(key, rolling)
    return acc === null || this.aggregator.result === undefined ? acc : this.aggregator.result(acc)
  }

  private recompute(key: Key, rolling: Rolling): unknown {
    let acc: unknown = null
    let isWhole = this.aggregator.remove !== undefined
    for (const one of rolling.kept) {
      acc = this.add(acc, key, one)
      // After a null it began anew, and knows nothing of what came before.
      if (acc === null) isWhole = false
    }
    if (isWhole) {
      rolling.acc = acc
      rolling.removals = 0
    }
    return acc
  }

  private add(acc: unknown, key: Key, one: Kept): unknown {
    const start = acc ?? this.aggregator.init?.()
    return start === undefined ? one[1] : this.aggregator.add(start, recordOf(key, one))
  }
}

const recordOf = (key: Key, [timestamp, value]: Kept): KeptRecord => ({ key, value, timestamp })

import type { OperatorFunction } from 'rxjs'
import { show, TidemarkError } from '../record/errors.js'
import { type Key, keyIdentity } from '../record/key.js'
import type { StreamRecord } from '../record/record.js'
import { badTimestamp, isTimestamp } from '../record/timestamp.js'
import { define } from '../task/operate.js'
import type { InWindow } from '../windows/inWindow.js'

/** What it makes of R: a declared window stays declared. */
type Flat<R, Out> = R extends InWindow<unknown> ? InWindow<Out> : Out

/**
 * Makes any number of records of each one.
 *
 * ```
 * in                a-----b--c-|     a: ann [1, 2]   b: bob []   c: bob [3]
 * flatMap(ofItems)  (xy)-----z-|     x: ann 1   y: ann 2   z: bob 3
 * ofItems = (r) => r.value.map((item) => ({ ...r, value: item }))
 * ```
 *
 * The function gives an array or anything else that can be iterated; its records come out one after the other, at once. They are what they are:
 * spread the input, as above, and key, timestamp and the window of a result stay. A declared window stays in any case. A timestamp
 * below the input's may be late for what follows. A key may change, but not where what follows keeps state by key with no `keyBy` in between.
 * Keeps no state; completion and errors pass on; an endless iterable stops when nobody listens any more. Kafka Streams' `flatMap` and `flatMapValues`.
 *
 * @throws TidemarkError with the record's place: `BAD_TIMESTAMP`; `KEY_CHANGED` in an app; `OPERATOR_FAILED` for what the function throws or can't be
 *   iterated
 */
export function flatMap<R extends StreamRecord<any, any>, Out extends StreamRecord<any, any>>(
  recordsOf: (record: R) => Iterable<Out>,
): OperatorFunction<R, Flat<R, Out>> {
  return (source) => {
    let keeper: string | undefined
    return define<R, Flat<R, Out>>(
      'flatMap',
      [source],
      ({ emit }) => {
        let isClosed = false
        return {
          record(record) {
            for (const made of recordsOf(record)) {
              if (!isTimestamp(made?.timestamp)) throw badTimestamp(made?.timestamp)
              if (keeper !== undefined && !isSameKey(record.key, made.key)) throw keyChanged(made.key, keeper)
              emit(made as Flat<R, Out>)
              if (isClosed) return
            }
          },
          close() {
            isClosed = true
          },
        }
      },
      {
        changesKey: (behind) => {
          keeper = behind
        },
      },
    )
  }
}

/** A null key can't do harm: state by key refuses it. */
const isSameKey = (a: Key | null, b: Key | null) =>
  a === b || b === null || (a !== null && keyIdentity(a) === keyIdentity(b))

const keyChanged = (key: Key, keeper: string) =>
  new TidemarkError(
    'KEY_CHANGED',
    `a record of another key, ${show(key)}, was made, and ${keeper} works by key: it may belong to another partition. Put keyBy between them; if it does lie in the right one, selectKey((record) => record.key, { partitioned: true })`,
  )

import type { OperatorFunction } from 'rxjs'
import { TidemarkError } from '../record/errors.js'
import type { StreamRecord } from '../record/record.js'
import { wholeNumber } from '../record/wholeNumber.js'
import { countStrategy } from './countStrategy.js'
import { declareWindow, type InWindow } from './inWindow.js'

export interface CountWindowOptions {
  /** After how many records of a key the next window begins. Default: with the end of the one before. */
  readonly every?: number
}

/**
 * Puts every `size` records of a key into a window, however much time that takes.
 *
 * ```
 * countWindow(2), aggregate(sum(r => r.value), { emit: 'close' })
 * in   a--b--c--d--e--|        a: ann 1   b: bob 5   c: ann 2   d: ann 4   e: ann 3
 * out  ------x-----y--(z|)     x: ann 3, records [0, 2)   y: ann 7, records [2, 4)   z: bob 5, on completion
 * ```
 *
 * A key's records are numbered from 0 in the order of arrival. The n-th window holds those of `[n·every, n·every + size)`: its `window` is in these numbers,
 * not in time. It closes when it is full; on completion those that are not come out too, and in an app, which never completes, they wait. No
 * record is late, and null values count. A result is stamped with the highest timestamp in its window.
 *
 * The aggregate keeps an accumulator per open window, and a number per key, which is never freed. Flink's `countWindow`.
 *
 * @throws TidemarkError `BAD_OPTION`, also at planning for `retention` and `suppress` until the close, which go by time; at planning `TWO_WINDOWS` over another
 *   window, `LOST_WINDOW` before keyBy or a table
 */
export function countWindow<R extends StreamRecord<unknown, unknown>>(
  size: number,
  { every = size }: CountWindowOptions = {},
): OperatorFunction<R, InWindow<R>> {
  wholeNumber(size, 'countWindow: size', 1)
  if (wholeNumber(every, 'countWindow: every', 1) > size) {
    throw new TidemarkError(
      'BAD_OPTION',
      `countWindow: every ${every} records is more than the size, ${size}: records between two windows would be in none; begin one every ${size} records or less`,
    )
  }
  return declareWindow({
    kind: 'countWindow',
    measures: `${size} records every ${every}`,
    closesAfterMs: Number.POSITIVE_INFINITY,
    reachMs: 0,
    late: undefined,
    strategy: countStrategy(size, every),
  })
}

import type { OperatorFunction } from 'rxjs'
import type { StreamRecord } from '../record/record.js'
import { alignedStrategy } from './alignedStrategy.js'
import { declareWindow, type InWindow } from './inWindow.js'

/** Past all time. */
const END = Number.MAX_SAFE_INTEGER

/**
 * One window for all time: what is said about windows, without any cut.
 *
 * ```
 * globalWindow(), aggregate(count(), { emit: { every: '5ms' } })     a column is 1 ms
 * in   -a-a--a-a---a--|
 * out  ------x-----y--(z|)     x: 3   y: 5   z: 5, on completion
 * ```
 *
 * The window is `[0, 2^53 - 1)`. Time never closes it: with `emit: 'close'` a result comes on completion only, with `{ every }` and `early` before that
 * too. No record is late. Null values count, as in any window.
 *
 * The aggregate keeps an accumulator per key, for ever. As a result is as old as its newest record, nothing behind it can go by a watermark. Flink's
 * `GlobalWindows`.
 *
 * @throws TidemarkError at planning `TWO_WINDOWS` over another window, `LOST_WINDOW` before keyBy or a table, `BAD_OPTION` for `retention` and `suppress` until the close
 */
export function globalWindow<R extends StreamRecord<unknown, unknown>>(): OperatorFunction<R, InWindow<R>> {
  return declareWindow({
    kind: 'globalWindow',
    closesAfterMs: Number.POSITIVE_INFINITY,
    reachMs: Number.POSITIVE_INFINITY,
    late: undefined,
    strategy: alignedStrategy(END, END),
  })
}

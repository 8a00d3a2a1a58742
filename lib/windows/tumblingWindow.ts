import type { OperatorFunction } from 'rxjs'
import { type Duration, durationMs } from '../record/duration.js'
import type { StreamRecord } from '../record/record.js'
import { alignedWindow } from './alignedWindow.js'
import { declareWindow, type InWindow, type WindowOptions } from './inWindow.js'

/**
 * Cuts event time into windows of one size, side by side; the `aggregate` that follows has one result per key and window.
 *
 * ```
 * tumblingWindow('10ms'), aggregate(count(), { emit: 'close' })     a column is 1 ms
 * in   -a--a-------a--------a--|
 * out  ------------x--------y--(z|)     x: [0, 10) 2   y: [10, 20) 1   z: [20, 30) 1, on completion
 * ```
 *
 * The n-th window is `[n·size, n·size + size)`. It takes a record while `end + grace > time`, where time is the
 * watermark, or stream time where none is declared; a record later than that is dropped as `late` and goes to
 * `options.late`. The window itself keeps nothing: it declares, and the next aggregate resolves. So operators in between act as if they
 * stood before it. The rule is Kafka Streams' `TimeWindows`.
 *
 * @param size ms, or as '5m'
 * @throws TidemarkError `BAD_DURATION`; at planning `TWO_WINDOWS` over another window, `LOST_WINDOW` before keyBy or a table
 */
export function tumblingWindow<R extends StreamRecord<unknown, unknown>>(
  size: Duration,
  options: WindowOptions = {},
): OperatorFunction<R, InWindow<R>> {
  const sizeMs = durationMs(size, 'tumblingWindow: size', 1)
  return declareWindow(alignedWindow({ kind: 'tumblingWindow', measures: `${sizeMs} ms` }, sizeMs, sizeMs, options))
}

import type { OperatorFunction } from 'rxjs'
import { type Duration, durationMs } from '../record/duration.js'
import { TidemarkError } from '../record/errors.js'
import type { StreamRecord } from '../record/record.js'
import { alignedWindow } from './alignedWindow.js'
import { declareWindow, type InWindow, type WindowOptions } from './inWindow.js'

/**
 * Cuts event time into windows of one size, of which a new one starts with every `advance`: they overlap, and a record is in several.
 *
 * ```
 * hoppingWindow('10ms', '5ms'), aggregate(count(), { emit: 'close' })     a column is 1 ms
 * in   -a----a----a---------a----|
 * out  -----------x---------(yz)-(vw|)     x: [0, 10) 2   y: [5, 15) 2   z: [10, 20) 1   v: [15, 25) 1   w: [20, 30) 1
 * ```
 *
 * The n-th window is `[n·advance, n·advance + size)`; none starts before 0. A record at t is in those with `start <= t < start + size`, and goes
 * to them from the earliest to the latest. Each takes it while `end + grace > time`; it is dropped as `late` once for each that doesn't, and goes to
 * `options.late` once. `advance` need not divide `size`; the number of windows of a record then varies by one. The window itself keeps nothing:
 * it declares, and the next aggregate resolves, with `size / advance` accumulators per key. Kafka Streams' `TimeWindows` with `advanceBy`.
 *
 * @param size ms, or as '5m'
 * @param advance ms, or as '1m'; at most `size`
 * @throws TidemarkError `BAD_DURATION`; `BAD_OPTION` for an advance beyond the size; at planning `TWO_WINDOWS` over another window, `LOST_WINDOW`
 *   before keyBy or a table
 */
export function hoppingWindow<R extends StreamRecord<unknown, unknown>>(
  size: Duration,
  advance: Duration,
  options: WindowOptions = {},
): OperatorFunction<R, InWindow<R>> {
  const sizeMs = durationMs(size, 'hoppingWindow: size', 1)
  const advanceMs = durationMs(advance, 'hoppingWindow: advance', 1)
  if (advanceMs > sizeMs) {
    throw new TidemarkError(
      'BAD_OPTION',
      `hoppingWindow: advance of ${advanceMs} ms is more than the size, ${sizeMs} ms: records between two windows would be in none; advance by the size or less`,
    )
  }
  const name = { kind: 'hoppingWindow', measures: `${sizeMs} ms every ${advanceMs} ms` }
  return declareWindow(alignedWindow(name, sizeMs, advanceMs, options))
}

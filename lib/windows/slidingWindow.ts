import type { OperatorFunction } from 'rxjs'
import { type Duration, durationMs } from '../record/duration.js'
import type { StreamRecord } from '../record/record.js'
import { declareWindow, type InWindow, type WindowOptions, windowOptions } from './inWindow.js'
import { slidingStrategy } from './slidingStrategy.js'

/**
 * A window for each set of a key's records that lie within `timeDifference` of each other: it moves with the records, not with the clock.
 *
 * ```
 * slidingWindow('6ms'), aggregate(count())     a column is 1 ms
 * in   ------a--a---a----|
 * out  ------p--(qr)(st)-|     p: [0, 7) 1   q: [7, 14) 1   r: [3, 10) 2   s: [7, 14) 2   t: [10, 17) 1
 * ```
 *
 * The windows of a key are `[t - difference, t + 1)` for each record at t, and `[t + 1, t + difference + 2)` if any record is in that; before
 * `difference`, as none starts before 0, `[0, difference + 1)` instead of the former. A window takes records while `end + grace > time`. A record
 * of which all have closed, `t + difference + 1 + grace <= time`, is dropped as `late` and goes to `options.late`; if only single ones have, it is
 * counted for each, and goes there too. Null values are dropped.
 *
 * What one record changes comes out in this order: the windows that there were, from the latest start to the earliest; the new one after the record
 * before; the new one that ends with this; the new one after it. Before `difference`: the windows that there were, but for the first, by start; the
 * new one after this; the new one after the record before; the first. (A new window that is both the one after the record before and the one that
 * ends with this may come out twice.)
 *
 * The aggregate keeps two accumulators per record, and frees them `difference + grace` after the window's end. A new window starts with a copy of a
 * neighbour's: keep them small. The rule is Kafka Streams' `SlidingWindows`, which shows ends that are a ms less, the last moment.
 *
 * @param timeDifference ms, or as '5m'
 * @throws TidemarkError `BAD_DURATION`; at planning `TWO_WINDOWS` over another window, `LOST_WINDOW` before keyBy or a table
 */
export function slidingWindow<R extends StreamRecord<unknown, unknown>>(
  timeDifference: Duration,
  options: WindowOptions = {},
): OperatorFunction<R, InWindow<R>> {
  const differenceMs = durationMs(timeDifference, 'slidingWindow: timeDifference')
  const shared = windowOptions('slidingWindow', options)
  const { graceMs } = shared
  return declareWindow({
    ...shared,
    measures: `${differenceMs} ms`,
    closesAfterMs: graceMs,
    reachMs: differenceMs + graceMs,
    hasLastMoment: true,
    // So long a later record may make a window that begins with what this one holds.
    keptForMs: (retentionMs) => Math.max(differenceMs + graceMs + 1, retentionMs - differenceMs - 1),
    strategy: slidingStrategy(differenceMs),
  })
}

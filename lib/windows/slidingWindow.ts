import type { OperatorFunction } from 'rxjs'
import { type Duration, durationMs } from '../record/duration.js'
import type { StreamRecord } from '../record/record.js'
import { declareWindow, type InWindow, type WindowOptions, windowOptions } from './inWindow.js'
import { slidingStrategy } from './slidingStrategy.js'

/**
 * A window for each set of a key's records that lie within `timeDifference` of each other: it moves with the records, not with the clock.
 *
 * ```
 * slidingWindow('5ms', { grace: '9ms' }), aggregate(count())     a column is 1 ms
 * in   ------a--a------a--|
 * out  ------p--(qr)--(st)---|     p: [1, 7) 1   q: [7, 13) 1   r: [4, 10) 2   s: [10, 16) 1   t: [11, 17) 1
 * ```
 *
 * A record at t gives the window `[t - difference, t + 1)` that ends with it, updates all others that it falls into, and a record at x before
 * it, `t - difference <= x + 1`, has the window `[x + 1, x + 1 + difference + 1)` begin after it. Records before `difference` are in `[0,
 * difference + 1)`, as no window starts before 0. A window takes records while `end + grace > time`. A record of which all windows have closed, `t + difference +
 * 1 + grace <= time`, is dropped as `late` and goes to `options.late`, and for a single window that has closed it is counted; null values are dropped.
 *
 * Results of one record come out in this order: windows that there were, from the latest start to the earliest; then the new one after the record
 * before, the new one that ends with this, and the new one after it. Before `difference`: windows that there were by start; the new one after it; the new one after the record before; `[0, difference
 * + 1)`. The aggregate keeps two accumulators per record for `2 · difference + grace`, and copies one into each new window: keep them small. The rule is Kafka
 * Streams' `SlidingWindows`, whose ends are a ms less, as it takes the last moment for the end.
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

import type { OperatorFunction } from 'rxjs'
import { type Duration, durationMs } from '../record/duration.js'
import type { StreamRecord, Window } from '../record/record.js'
import { customStrategy } from './customStrategy.js'
import { declareWindow, type InWindow, type WindowOptions, windowOptions } from './inWindow.js'

/** Says which windows there are. Must give the same for the same timestamp, always. */
export interface WindowAssigner {
  /** The windows that a record at that time belongs to, in ms: half-open, `start <= timestamp < end`. */
  windowsOf(timestamp: number): readonly Window[]
  /** No window is longer than this. */
  readonly maxSize: Duration
}

/**
 * Windows of one's own: calendar months, shifts, trading hours.
 *
 * ```ts
 * const perMonth = customWindow<StreamRecord<string, Order>>({
 *   windowsOf(timestamp) {
 *     const day = new Date(timestamp)
 *     const startOf = (month: number) => Date.UTC(day.getUTCFullYear(), month)
 *     return [{ start: startOf(day.getUTCMonth()), end: startOf(day.getUTCMonth() + 1) }]
 *   },
 *   maxSize: '31d',
 * })
 * const monthly = orders.pipe(perMonth, aggregate(count(), { name: 'monthly', emit: 'close' }))
 * ```
 *
 * ```
 * windows of 10 ms from 3 on, aggregate(count(), { emit: 'close' })     a column is 1 ms
 * in   -a--a------a------a--|
 * out  ------------------x--(y|)     x: [3, 13) 2   y: [13, 23) 1
 * ```
 *
 * A record goes to its windows in the order given. Each takes it while `end + grace > time`; it is dropped as `late` once for each that doesn't, and
 * goes to `options.late` once. A record without a window is dropped as `no window`. Windows close by end, key and start, at `end + grace <= time`.
 * `retention` counts from a window's end. The window itself keeps nothing: it declares, and the next aggregate resolves. Flink's `WindowAssigner`.
 *
 * @throws TidemarkError `BAD_DURATION`; `BAD_OPTION` with the record's place for what isn't a window of that timestamp; at planning `TWO_WINDOWS`
 *   over another window, `LOST_WINDOW` before keyBy or a table
 */
export function customWindow<R extends StreamRecord<unknown, unknown>>(
  assigner: WindowAssigner,
  options: WindowOptions = {},
): OperatorFunction<R, InWindow<R>> {
  const maxSizeMs = durationMs(assigner.maxSize, 'customWindow: maxSize', 1)
  const shared = windowOptions('customWindow', options)
  return declareWindow({
    ...shared,
    measures: `up to ${maxSizeMs} ms`,
    closesAfterMs: shared.graceMs,
    reachMs: maxSizeMs + shared.graceMs,
    hasLastMoment: false,
    keptForMs: (retentionMs) => retentionMs,
    strategy: customStrategy((timestamp) => assigner.windowsOf(timestamp), maxSizeMs),
    assigner,
  })
}

import type { OperatorFunction } from 'rxjs'
import { type Duration, durationMs } from '../record/duration.js'
import type { StreamRecord } from '../record/record.js'
import { declareWindow, type InWindow, type WindowOptions, windowOptions } from './inWindow.js'
import { sessionStrategy } from './sessionStrategy.js'

/**
 * Puts a key's records into one window as long as each comes at most `gap` after the one before: a visit, a ride, a burst.
 *
 * ```
 * sessionWindow('4ms'), aggregate(count())     a column is 1 ms
 * in   -a---a---------a--|
 * out  -p---(qr)------s--|     p: [1, 2) 1   q: [1, 2) null   r: [1, 6) 2   s: [15, 16) 1
 * ```
 *
 * A session is `[first, last + 1)`; two records share one if they are `gap` apart or less. A record that extends sessions, or joins several, replaces
 * them: each comes out with a value of null and the timestamp of its last record, by end, even if it only grew, and then the new one with its own. A
 * session of a single moment that gets another record of that moment is replaced without a word. The aggregator must have `merge`: beginning with
 * `init`, sessions are merged in by end, then the record is added. With `emit: 'close'` sessions come out by end, start and key, and nothing is
 * taken back.
 *
 * A session takes records while `end + gap + grace > time`; one that would only make a session that has closed is dropped as `late`, and goes to
 * `options.late`. A record finds those whose last record is less than `gap + grace` behind time as it was before it. The aggregate keeps one
 * accumulator per session, and frees it then; `retention`, which counts from the last record, lets it be found and read for longer. The rule is Kafka
 * Streams' `SessionWindows`, which shows ends that are a ms less, the last moment.
 *
 * @param gap ms, or as '5m'. With 0 only records of the same moment share a session
 * @throws TidemarkError `BAD_DURATION`; at planning `TWO_WINDOWS` over another window, `LOST_WINDOW` before keyBy or a table, `BAD_OPTION` before an
 *   aggregator without `merge`
 */
export function sessionWindow<R extends StreamRecord<unknown, unknown>>(
  gap: Duration,
  options: WindowOptions = {},
): OperatorFunction<R, InWindow<R, null>> {
  const gapMs = durationMs(gap, 'sessionWindow: gap')
  const shared = windowOptions('sessionWindow', options)
  const closesAfterMs = gapMs + shared.graceMs
  return declareWindow({
    ...shared,
    measures: `gap ${gapMs} ms`,
    closesAfterMs,
    reachMs: closesAfterMs,
    hasLastMoment: true,
    keptForMs: (retentionMs) => retentionMs,
    takesBack: true,
    strategy: sessionStrategy(gapMs),
  })
}

import type { Observable, OperatorFunction } from 'rxjs'
import type { Aggregator, Aggregators, ResultOf } from '../aggregates/aggregator.js'
import { oneAggregator } from '../aggregates/combine.js'
import type { Key } from '../record/key.js'
import type { StreamRecord, WindowedRecord } from '../record/record.js'
import type { InWindow } from '../windows/inWindow.js'
import { operatorTime } from '../windows/windowTime.js'
import { type AggregateOptions, aggregation } from './aggregation.js'

/**
 * What an aggregate makes of records of type R: windowed results if a window was declared; null where one is taken back, as sessions are unless
 * they only come out on close.
 */
export type Aggregated<R extends StreamRecord<any, any>, Out, Emits = unknown> =
  R extends InWindow<unknown, infer Gone>
    ? WindowedRecord<Extract<R['key'], Key>, Out | (Emits extends OnlyFinal ? never : Gone)>
    : StreamRecord<Extract<R['key'], Key>, Out>

/** Options by which nothing comes out before the close. */
interface OnlyFinal {
  readonly emit: 'close'
  readonly early?: undefined
}

/**
 * Keeps one value per key (per key and window, after a window) and emits it.
 *
 * ```
 * in                                    a--b--c--|     a: ann 1        b: bob 5        c: ann 2
 * aggregate(sum(r => r.value))          a--b--x--|     x: ann 3
 * aggregate({ n: count(), s: sum(…) })  p--q--r--|     p: ann {1, 1}   q: bob {1, 5}   r: ann {2, 3}
 * ```
 *
 * A result's timestamp is the highest of the records behind it. Without a window, null keys and null values are dropped; with one, only null keys
 * (count counts null values), by sliding windows both. Null from the aggregator deletes the key (in that window): it comes out as a value of null,
 * and the next record begins anew.
 *
 * After a window, `emit` says when results come out, and `early` adds to those of the close:
 *
 * ```
 * tumblingWindow('10ms'), aggregate(count(), …)     a column is 1 ms
 * in                                       -a--a--a----a--|
 * { emit: 'update' }                       -p--q--r----s--|        p: 1   q: 2   r: 3   s: 1, of [10, 20)
 * { emit: 'close' }                        ------------x--(y|)     x: 3, final   y: 1, final
 * { emit: { every: '5ms' } }               -------r----x--(y|)
 * { emit: 'close', early: (n) => n === 2 } ----q-------x--(y|)
 * ```
 *
 * - `update`: a result for each record, right away.
 * - `close`: one for each key and window when the window closes, with `final: true`: by end, start and key (custom ones by end, key and start). On completion all that are open close. A window
 *   without a result says nothing.
 * - `{ every }`: the same, and before that, at each multiple of that event time, one for each window that has changed since its last; by end, start and
 *   key too, right after the record that brought the time. A window that closes by then has only its last word.
 * - `early`: a result for each record for which the condition holds, besides those of `close` or `{ every }`.
 *
 * Late records are dropped and counted, and go to the window's side output. A window's state is freed when it closes, at `end + grace <= time` (see the
 * windows); what is kept for longer by `retention`, or for a join, only serves readers, and sessions that a late record joins. Without a window state stays until the
 * aggregator gives null. With `{ every }` and `early` the last result of each window is kept besides.
 *
 * The result is also the table of its results: `toTable(name, stream)` adds no second state. Its rows are what the windows have come to, emitted or
 * not; its changes are what comes out. Semantics of Kafka Streams' `aggregate`, `count`, `reduce` and `EmitStrategy`.
 *
 * @throws TidemarkError `OPERATOR_FAILED` with the record's place if the aggregator throws; `BAD_DURATION`; `BAD_OPTION` for `early` without `close`
 *   or `{ every }`; at planning `UNNAMED_STATE`, `BAD_OPTION` for what needs a window where there is none, for a `retention` that is too short, and
 *   for sessions of an aggregator without `merge`
 */
export function aggregate<
  R extends StreamRecord<any, any>,
  A extends Aggregators<R>,
  Out,
  const Emits extends Pick<AggregateOptions, 'emit' | 'early'> = object,
>(
  given: Aggregator<NoInfer<R>, Out, any> | A,
  options?: AggregateOptions<NoInfer<R>, NoInfer<ResultOf<A, Out>>> & Emits,
): OperatorFunction<R, Aggregated<R, ResultOf<A, Out>, Emits>> {
  const aggregator = oneAggregator(given)
  return (source) =>
    aggregation(
      'aggregate',
      [source],
      options ?? {},
      (context) => ({ aggregator, time: operatorTime(context) }),
      aggregator.holds,
    ) as unknown as Observable<Aggregated<R, ResultOf<A, Out>, Emits>>
}

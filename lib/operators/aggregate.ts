import type { Observable, OperatorFunction } from 'rxjs'
import type { Aggregator, Aggregators, ResultOf } from '../aggregates/aggregator.js'
import { oneAggregator } from '../aggregates/combine.js'
import type { Key } from '../record/key.js'
import type { StreamRecord, WindowedRecord } from '../record/record.js'
import type { InWindow } from '../windows/inWindow.js'
import { operatorTime } from '../windows/windowTime.js'
import { type AggregateOptions, aggregation } from './aggregation.js'

/** What an aggregate makes of records of type R: windowed results if a window was declared; null where one is taken back. */
export type Aggregated<R extends StreamRecord<any, any>, Out> =
  R extends InWindow<unknown, infer Gone>
    ? WindowedRecord<Extract<R['key'], Key>, Out | Gone>
    : StreamRecord<Extract<R['key'], Key>, Out>

/**
 * Keeps one value per key (per key and window, after a window) and emits it.
 *
 * ```
 * in                                    a--b--c--|     a: ann 1        b: bob 5        c: ann 2
 * aggregate(sum(r => r.value))          a--b--x--|     x: ann 3
 * aggregate({ n: count(), s: sum(…) })  p--q--r--|     p: ann {1, 1}   q: bob {1, 5}   r: ann {2, 3}
 * ```
 *
 * A result's timestamp is the highest of the records behind it. Without a window, null keys and null values are dropped; with one,
 * only null keys (count counts null values). A window's state is freed when it closes, at `end + grace <= time`; without a window it
 * stays until the aggregator gives null. With `emit: 'close'`, windows come out in the order of start, then key, with `final: true`; on
 * completion all that are open close. Late records are dropped and counted, and go to the window's side output.
 * Null from the aggregator deletes the key (in that window): it comes out as a value of null, and the next record begins anew; a window
 * that closes says nothing of such a key.
 * The result is also the table of its results: `toTable(name, stream)` adds no second state. Semantics of Kafka Streams' `aggregate`,
 * `count`, `reduce`.
 *
 * @throws TidemarkError `OPERATOR_FAILED` with the record's place if the aggregator throws; at planning `UNNAMED_STATE`, `BAD_OPTION` for
 *   `emit: 'close'` without a window
 */
export function aggregate<R extends StreamRecord<any, any>, A extends Aggregators<R>, Out>(
  given: Aggregator<NoInfer<R>, Out, any> | A,
  options: AggregateOptions<NoInfer<R>, NoInfer<ResultOf<A, Out>>> = {},
): OperatorFunction<R, Aggregated<R, ResultOf<A, Out>>> {
  const aggregator = oneAggregator(given)
  return (source) =>
    aggregation('aggregate', [source], options, (context) => ({
      aggregator,
      time: operatorTime(context),
    })) as unknown as Observable<Aggregated<R, ResultOf<A, Out>>>
}

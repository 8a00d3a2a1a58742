import type { Observable } from 'rxjs'
import type { Aggregator } from '../aggregates/aggregator.js'
import type { Key } from '../record/key.js'
import type { StreamRecord } from '../record/record.js'
import { operatorTime } from '../windows/windowTime.js'
import type { Aggregated } from './aggregate.js'
import { type AggregateOptions, aggregation } from './aggregation.js'
import { InputTimes } from './inputTimes.js'

/** What an accumulator of several streams begins with, how two of them merge, and what comes out. */
export interface Cogrouped<Acc, Out> {
  init(): Acc
  /** Of two sessions, `a` being the earlier. A must behind `sessionWindow`. */
  merge?(a: Acc, b: Acc, key: Key): Acc
  /** Without it the accumulator itself comes out, which must then not be changed in place. */
  result?(acc: Acc): Out
}

/** A stream, and what each of its records does to the accumulator. Null deletes the key. */
export type CogroupInput<R extends StreamRecord<any, any>, Acc> = readonly [
  stream: Observable<R>,
  add: (acc: Acc, record: R) => Acc,
]

/** Records with the keys of R. */
type KeyedLike<R extends StreamRecord<any, any>> = StreamRecord<Extract<R['key'], Key> | null, any>

/**
 * Aggregates several streams, of different types, into one result per key (per key and window, after windows).
 *
 * ```
 * cogroup({ init: () => [0, 0] }, [[orders, ([o, p], r) => [o + r.value, p]], [paid, ([o, p], r) => [o, p + r.value]]])
 * orders  a-----c--|     a: ann 5        c: ann 2
 * paid    ---b-----|     b: ann 4
 * out     x--y--z--|     x: ann [5, 0]   y: ann [5, 4]   z: ann [7, 4]
 * ```
 *
 * What is true of `aggregate` is true of it. Behind windows, all streams must have the same one. Where none has a watermark, each
 * has its own stream time, by which its records are late or not: one that is ahead makes no record of another late. A window closes, and
 * is freed, by the time of the one that is furthest behind; one that has had no record yet keeps all open. With watermarks the lowest rules for all. All must have
 * the same number of partitions and key serde. Completes when all have. Kafka Streams' `cogroup`, whose store forgets by the time of the one ahead.
 *
 * @throws TidemarkError as `aggregate`; at planning `CO_PARTITION`, `LOST_WINDOW` for streams with different windows, or only some with one
 */
export function cogroup<
  Acc,
  A extends StreamRecord<any, any>,
  B extends KeyedLike<A> = never,
  C extends KeyedLike<A> = never,
  D extends KeyedLike<A> = never,
  E extends KeyedLike<A> = never,
  F extends KeyedLike<A> = never,
  Out = Acc,
  const Emits extends Pick<AggregateOptions, 'emit' | 'early'> = object,
>(
  of: Cogrouped<Acc, Out>,
  inputs: readonly [
    CogroupInput<A, Acc>,
    CogroupInput<B, Acc>?,
    CogroupInput<C, Acc>?,
    CogroupInput<D, Acc>?,
    CogroupInput<E, Acc>?,
    CogroupInput<F, Acc>?,
  ],
  options?: AggregateOptions<NoInfer<A | B | C | D | E | F>, NoInfer<Out>> & Emits,
): Observable<Aggregated<A, Out, Emits>> {
  const groups = inputs as readonly unknown[] as readonly CogroupInput<StreamRecord<any, any>, Acc>[]
  const streams = groups.map(([stream]) => stream)
  const adders = groups.map(([, add]) => add)
  const results = aggregation('cogroup', streams, options ?? {}, (context) => {
    let input: number
    const aggregator: Aggregator<StreamRecord<any, any>, unknown, Acc> = {
      init: () => of.init(),
      ...(of.merge !== undefined && { merge: (a, b, key) => (of as Required<typeof of>).merge(a, b, key) }),
      ...(of.result !== undefined && { result: (acc) => (of as Required<typeof of>).result(acc) }),
      add: (acc, record) => (adders[input] as (typeof adders)[number])(acc, record),
    }
    const begin = (next: number) => {
      input = next
    }
    if (context.hasWatermark || context.windowing === undefined)
      return { aggregator, time: operatorTime(context), begin }
    const time = new InputTimes(context, () => input, streams.length)
    return { aggregator, time, begin, end: () => time.end() }
  })
  return results as unknown as Observable<Aggregated<A, Out, Emits>>
}

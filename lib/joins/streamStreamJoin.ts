import type { Observable, OperatorFunction } from 'rxjs'
import { type Duration, durationMs } from '../record/duration.js'
import { TidemarkError } from '../record/errors.js'
import type { Key } from '../record/key.js'
import type { StreamRecord } from '../record/record.js'
import { define } from '../task/operate.js'
import { type VersionOptions, versionOf } from '../task/stateVersion.js'
import { joinStreams } from './joinStreams.js'

type Kind = 'inner' | 'left' | 'outer'

export interface StreamStreamJoinOptions<K extends Kind = Kind> extends VersionOptions {
  /** How much older than the left record the right one may be. Default 0. */
  readonly before?: Duration
  /** How much newer than the left record the right one may be. Default 0. */
  readonly after?: Duration
  /** Both: how far apart the two may be. */
  readonly within?: Duration
  /** How long after its last possible match, in event time, a record is kept for late ones. Default 0. */
  readonly grace?: Duration
  /**
   * `inner`: only records that have met one of the other side's. `left`: those of the left side that have met none too, with null. `outer`: those of
   * either side. Default `inner`.
   */
  readonly kind?: K
  /** Names the state. A must where the app's store is durable. */
  readonly name?: string
}

/** A side's value as the joiner gets it: null where a join of that kind has found none. */
type Left<V, K extends Kind> = K extends 'outer' ? NonNullable<V> | null : NonNullable<V>
type Right<V, K extends Kind> = K extends 'inner' ? NonNullable<V> : NonNullable<V> | null
/** A preserved side's records without a key come out too. */
type JoinedKey<L, R, K extends Kind> =
  | Extract<L, Key>
  | (K extends 'inner' ? never : Extract<L, null>)
  | (K extends 'outer' ? Extract<R, null> : never)

/**
 * Joins each record of a stream with the other stream's records of its key that lie close to it in time.
 *
 * ```
 * streamStreamJoin(right, …, { after: 4 })     a column is 1 ms
 * left    -a-----b----c-------|     a: ann 1        b: bob 2        c: ann 3
 * right   ----p-------------q-|     p: ann X        q: ann Y
 * inner   ----x---------------|     x: ann 1 X
 * left    ----x-------y-----z-|     y: bob 2 null   z: ann 3 null, each at its own timestamp
 * outer   ----x-------y-----z-(w|)  w: ann null Y
 * ```
 *
 * A left record at t meets the right ones from `t - before` to `t + after`, both included, whichever comes first; the result has the later of both
 * timestamps. Several matches come in the order of their timestamps. A record of a preserved side that has met none
 * (`left`: the left side, `outer`: both) comes out with null and its own timestamp once it can meet none any more: when time is past
 * `t + after + grace` (a right one: `t + before + grace`), before the record that has brought the time, in the order of timestamp, right before left, key. One that
 * comes when time is past `t + after` already comes out at once. Null values are dropped, and null keys too, except on a preserved side, where
 * they meet null at once.
 *
 * Both sides must have the same number of partitions and key serde. They share one time: the watermark, or the newest timestamp on either. State: the records of both sides,
 * each until time is past its last possible match and `grace`; without a watermark until its own side has a record that is newer by
 * `before + after + grace`, so that a late record still joins what is there. A record older than that joins, but isn't kept: it is counted as `late`. On completion of both
 * sides the rest comes out. A stream can be joined with itself: each record is taken as the left one first, then as the right one, which meets itself. Kafka
 * Streams' `join`, `leftJoin`, `outerJoin` of KStreams, except that an unmatched record never waits longer than it has to.
 *
 * Orders with what was shipped for them within a day, and the orders for which nothing was:
 *
 * ```ts
 * const fulfilled = orders.pipe(
 *   streamStreamJoin(shipments, (order, shipment) => ({ ...order, carrier: shipment?.carrier ?? null }), {
 *     after: '24h',
 *     grace: '10m',
 *     kind: 'left',
 *     name: 'fulfilled',
 *   }),
 * )
 * ```
 *
 * @throws TidemarkError `BAD_DURATION`, `BAD_OPTION`; at planning `CO_PARTITION`, `LOST_WINDOW` after a window, `UNNAMED_STATE`, `WATERMARK_MISSING`
 *   if one side has a watermark and the other has none
 */
export function streamStreamJoin<
  L extends StreamRecord<any, any>,
  OtherKey extends Extract<L['key'], Key> | null,
  OtherValue,
  Out,
  K extends Kind = 'inner',
>(
  other: Observable<StreamRecord<OtherKey, OtherValue>>,
  joiner: (left: Left<L['value'], K>, right: Right<OtherValue, K>, key: JoinedKey<L['key'], OtherKey, K>) => Out,
  options: StreamStreamJoinOptions<K>,
): OperatorFunction<L, StreamRecord<JoinedKey<L['key'], OtherKey, K>, Out>> {
  const settings = settingsOf(options)
  const { migrate } = options
  const version: VersionOptions = {
    ...options,
    // Records that have met none yet are in a state of their own.
    ...(migrate !== undefined && { migrate: (old, from, part) => migrate(old, from, part?.replace('-lonely', '')) }),
  }
  return (source) =>
    define<StreamRecord<Key | null, unknown>, StreamRecord<JoinedKey<L['key'], OtherKey, K>, Out>>(
      'streamStreamJoin',
      [source, other],
      (context) => joinStreams(context, joiner as never, settings),
      {
        ...(options.name !== undefined && { name: options.name }),
        ...versionOf('streamStreamJoin', version, (part) => part !== 'newest'),
        coPartitioned: true,
        windowing: 'refuses',
        usesTime: true,
      },
    )
}

function settingsOf({ before, after, within, grace, kind }: StreamStreamJoinOptions) {
  if (
    within === undefined ? before === undefined && after === undefined : before !== undefined || after !== undefined
  ) {
    throw new TidemarkError(
      'BAD_OPTION',
      `streamStreamJoin: how far apart may the two records be? Give before, after or both, or else within; got ${within === undefined ? 'none' : 'within and another'}`,
      { operator: 'streamStreamJoin' },
    )
  }
  const duration = (name: 'before' | 'after' | 'grace', given: Duration | undefined) =>
    durationMs(given ?? 0, `streamStreamJoin: ${within === undefined || name === 'grace' ? name : 'within'}`)
  return {
    beforeMs: duration('before', within ?? before),
    afterMs: duration('after', within ?? after),
    graceMs: duration('grace', grace),
    kind: kind ?? 'inner',
  } as const
}

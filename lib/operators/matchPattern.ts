import type { Observable, OperatorFunction } from 'rxjs'
import { TidemarkError } from '../record/errors.js'
import type { Key } from '../record/key.js'
import { type KeyOf, NO_HEADERS, type StreamRecord } from '../record/record.js'
import { operate } from '../task/operate.js'
import { failedAt } from './failedAt.js'
import { InOrder } from './inOrder.js'
import type { Matched } from './matchedRecords.js'
import { PartialMatches } from './partialMatches.js'
import type { Pattern, PatternParts } from './pattern.js'

export interface MatchPatternOptions<R extends StreamRecord<any, any>, M, Out> {
  /** Names the state. A must where the app's store is durable. */
  readonly name?: string
  /** The result's value. Default: the records of the match, by step. */
  readonly select?: (matched: M) => Out
  /**
   * What becomes of other partial matches of the key when there is a match. `noSkip`: they go on, so a record may be part of several matches.
   * `skipPastLast`: those that began before the match's last record are dropped, and that record begins none. Default `noSkip`.
   */
  readonly afterMatch?: 'noSkip' | 'skipPastLast'
  /** A `sideOutput` for partial matches whose time limit has passed: their records by step, at the time of the limit. */
  readonly timedOut?: Observable<StreamRecord<KeyOf<R>, Partial<M>>>
  /** A `sideOutput` for records that come too late to be put in order. They are counted in any case. */
  readonly late?: Observable<R>
}

/**
 * Finds patterns in the records of each key: what follows what, within a time, and what doesn't come.
 *
 * ```
 * a column is 1 ms
 * in                                                       a--b-----a-----x-----a-|
 * pattern('a', isA).followedBy('b', isB).within(5)         ---m-------------------|      m: a, b
 *   timedOut                                               ---------------t-------(u|)   t: a, at 14   u: a, at 26
 * pattern('a', isA).notFollowedBy('b', isB, { within: 5 }) ---------------t-------(u|)
 * ```
 *
 * ```ts
 * // A small payment, then within a minute one a hundred times as large.
 * const tried = pattern('small', (order: StreamRecord<string, Order>) => order.value.amount < 10)
 *   .followedBy('large', (order, { small }) => order.value.amount > 100 * small.value.amount)
 *   .within('1m')
 * orders.pipe(matchPattern(tried, { name: 'tried', select: ({ small, large }) => [small.value, large.value] }))
 * ```
 *
 * Records are put in order first: each waits until time has reached its timestamp; records of one timestamp come in the order of arrival. One that comes
 * with `timestamp < time` is dropped as `late`: where no watermark is declared, any that is out of order. A record that satisfies the first step begins a
 * match. `followedBy` takes the first that satisfies it after the record before, whatever lies between; `next` only the key's very next
 * one; a step with `times` takes several, with any others in between after `followedBy` and none after `next`, and each number of them
 * that is allowed is a match of its own. `notFollowedBy` ends a partial match if such a record comes before the next step's (it
 * wins over that step where a record satisfies both), and at the end of a pattern its time's passing is the match.
 *
 * A step's record comes at `timestamp < before + within`, the last one at `timestamp < first + within` of the whole; each step after the first must be
 * limited by one or the other, as what waits is state. A result has the timestamp of its last record (of an absence: of the time limit); those of
 * one record come in the order in which they began. With `skipPastLast` the match that is whole first wins.
 *
 * Keeps the records of partial matches until they end or their time limit passes, and records until time reaches them. Null keys are dropped; null
 * values are for the predicates. On completion time goes to its end: what waits comes, and time limits pass. An error passes at once.
 * Semantics of Flink's CEP library (its skip strategies NO_SKIP and, but for matches that overtake one another, SKIP_PAST_LAST_EVENT).
 *
 * @throws TidemarkError `BAD_OPTION` for a step without a time limit, and by `pattern` for steps that can't be; `BAD_DURATION`; `OPERATOR_FAILED`
 *   with the record's place if a predicate throws; at planning `UNNAMED_STATE`, `LOST_WINDOW` after a window
 */
export function matchPattern<R extends StreamRecord<any, any>, M, Out = M>(
  pattern: Pattern<R, M>,
  options: MatchPatternOptions<R, M, Out> = {},
): OperatorFunction<R, StreamRecord<KeyOf<R>, Out>> {
  const { select, late, timedOut } = options
  refuseUnlimited(pattern.parts)
  return operate<R, StreamRecord<KeyOf<R>, Out>>(
    'matchPattern',
    (context) => {
      const { emit, emitTo, drop } = context
      const result = <V>(value: V, timestamp: number, { key, topic, partition, offset }: StreamRecord) => ({
        key: key as KeyOf<R>,
        value,
        timestamp,
        topic,
        partition,
        offset,
        headers: NO_HEADERS,
      })
      const partials = new PartialMatches(context, pattern.parts, options.afterMatch === 'skipPastLast', {
        matched(matched: Matched, timestamp, last) {
          let value = matched as Out
          try {
            if (select !== undefined) value = select(matched as M)
          } catch (cause) {
            throw failedAt(last, cause)
          }
          emit(result(value, timestamp, last))
        },
        timedOut(matched: Matched, timestamp, last) {
          if (timedOut !== undefined) emitTo(timedOut, result(matched, timestamp, last))
        },
      })
      // Behind the time limits: at one and the same time these come first.
      const waiting = new InOrder(context, (record) => partials.take(record as StreamRecord<Key>))
      return {
        record(record) {
          if (record.key === null) {
            drop(record, 'null key')
            return
          }
          const time = context.accept(record.timestamp)
          if (record.timestamp < time) {
            drop(record, 'late')
            if (late !== undefined) emitTo(late, record)
          } else if (record.timestamp > time) waiting.add(record)
          else {
            context.fireDue()
            partials.take(record)
          }
        },
      }
    },
    {
      ...(options.name !== undefined && { name: options.name }),
      // Partial matches are told by the numbers of their steps.
      holds: pattern.parts.steps.map(({ name, least, most }) => `${name} ${least}-${most}`).join(', '),
      windowing: 'refuses',
      usesTime: true,
      sideOutputs: [late, timedOut].filter((output) => output !== undefined),
    },
  )
}

/** A partial match that no time limit ends would be kept for ever. */
function refuseUnlimited({ steps, absent, absentMs, withinMs }: PatternParts): void {
  if (withinMs < Number.POSITIVE_INFINITY) return
  const unlimited = steps.find((step, i) => (i > 0 || step.most > 1) && step.withinMs === Number.POSITIVE_INFINITY)
  const isOpen = absent.length > 0 && absentMs === Number.POSITIVE_INFINITY
  if (unlimited === undefined && !isOpen) return
  throw new TidemarkError(
    'BAD_OPTION',
    `matchPattern: ${unlimited === undefined ? 'the notFollowedBy at the end' : `step ${JSON.stringify(unlimited.name)}`} has no time limit, so what waits for it would be kept for ever; add .within(…) to the pattern, or { within } to the step`,
    { operator: 'matchPattern' },
  )
}

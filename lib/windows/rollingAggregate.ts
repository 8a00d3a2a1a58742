import type { Observable, OperatorFunction } from 'rxjs'
import type { Aggregator, Aggregators, ResultOf } from '../aggregates/aggregator.js'
import { oneAggregator } from '../aggregates/combine.js'
import { type Duration, durationMs } from '../record/duration.js'
import type { Key } from '../record/key.js'
import { NO_HEADERS, type StreamRecord } from '../record/record.js'
import type { Change } from '../tables/change.js'
import type { Rows } from '../tables/rows.js'
import { keepsRows } from '../tables/toTable.js'
import type { Handlers, OperatorContext } from '../task/definition.js'
import { define } from '../task/operate.js'
import type { Cell } from '../task/state.js'

export interface RollingOptions {
  /** Names the state. A must where the app's store is durable. */
  readonly name?: string
  /** A `sideOutput` for records older than the window. They are counted in any case. */
  readonly late?: Observable<unknown>
}

/** What an aggregator of a rolling window sees of a record: what is kept of it. */
export interface RollingRecord<R extends StreamRecord<any, any>> {
  readonly key: Extract<R['key'], Key>
  readonly value: Exclude<R['value'], null>
  readonly timestamp: number
}

/**
 * For each record, the aggregate over its key's records of the last `size`: a sliding count, a rolling sum.
 *
 * ```
 * rollingAggregate('10ms', count())     a column is 1 ms
 * in   -a--a-------a---------a--|
 * out  -1--2-------2---------1--|
 * ```
 *
 * The window of a key is `(now - size, now]`, where now is the key's newest timestamp, or time if that is further. Each record gives
 * one result, with the key's newest timestamp. Records out of order count as long as the window takes them; older ones are dropped as `late`. The result
 * as a table (`toTable(name, stream)`) goes on without records: rows shrink as time passes, and a row whose window is empty is deleted. Keeps the
 * values of the records in the window, and frees them as they leave it. SQL's `OVER (PARTITION BY key ORDER BY time RANGE … PRECEDING)`.
 *
 * An aggregator with `remove` (count, sum, avg, quantiles…; max and min with `retractable`) is kept as well: a record costs one `add`, and one `remove`
 * for each that leaves. It is made anew from the window's records once as many have left as are in it, so that an aggregator whose `remove` rounds
 * drifts by no more than that (ours don't round); and when a record comes out of order, unless it `commutes`. Without `remove`, each
 * record costs a pass over its window.
 *
 * @throws TidemarkError `BAD_DURATION`; at planning `LOST_WINDOW` after a window, `UNNAMED_STATE`
 */
export function rollingAggregate<R extends StreamRecord<any, any>, A extends Aggregators<RollingRecord<R>>, Out>(
  size: Duration,
  given: Aggregator<RollingRecord<NoInfer<R>>, Out, any> | A,
  options: RollingOptions = {},
): OperatorFunction<R, StreamRecord<Extract<R['key'], Key>, ResultOf<A, Out>>> {
  const sizeMs = durationMs(size, 'rollingAggregate: size', 1)
  const aggregator = oneAggregator(given as Aggregator<never, unknown, any>) as AnyAggregator
  return (source) => {
    const stream: Observable<StreamRecord> = define<StreamRecord<Key | null, unknown>, StreamRecord>(
      'rollingAggregate',
      [source],
      (context) => roll(context, sizeMs, aggregator, changes, options.late),
      {
        ...(options.name !== undefined && { name: options.name }),
        windowing: 'refuses',
        usesTime: true,
        sideOutputs: options.late === undefined ? [] : [options.late],
      },
    )
    const changes = define<StreamRecord, Change<never, unknown>>('changes', [stream], () => ({ record() {} }), {
      role: { is: 'side' },
    })
    keepsRows(stream, changes)
    return stream as unknown as Observable<StreamRecord<Extract<R['key'], Key>, ResultOf<A, Out>>>
  }
}

type AnyAggregator = Aggregator<RollingRecord<StreamRecord>, unknown, unknown>

/** A record's share in the window. */
type Kept = readonly [timestamp: number, value: unknown]

/** What is kept of a key; the timestamp of its cell is that of its newest record. */
interface Rolling {
  /** The records in the window, by timestamp, then arrival. */
  readonly kept: Kept[]
  /** The accumulator of these, where the aggregator takes records back; null where it isn't known. */
  acc: unknown
  /** How many records that has taken back since it was made. */
  removals: number
}

function roll(
  context: OperatorContext<StreamRecord>,
  sizeMs: number,
  aggregator: AnyAggregator,
  changes: object,
  late: object | undefined,
): Handlers<StreamRecord<Key | null, unknown>> {
  const state = context.cells<Key, Rolling>()
  const timers = context.timers(expire)
  const recordOf = (key: Key, [timestamp, value]: Kept) => ({ key, value, timestamp }) as RollingRecord<StreamRecord>

  function add(acc: unknown, key: Key, one: Kept): unknown {
    if (acc !== null) return aggregator.add(acc, recordOf(key, one))
    return aggregator.init === undefined ? one[1] : aggregator.add(aggregator.init(), recordOf(key, one))
  }

  function resultOf(cell: Cell<Rolling>): unknown {
    const acc = cell.value.acc ?? recompute(cell)
    return acc === null || aggregator.result === undefined ? acc : aggregator.result(acc)
  }

  function recompute({ key, value: rolling }: Cell<Rolling>): unknown {
    let acc: unknown = null
    let isWhole = aggregator.remove !== undefined
    for (const one of rolling.kept) {
      acc = add(acc, key, one)
      // After a null it began anew, and knows nothing of what came before.
      if (acc === null) isWhole = false
    }
    if (isWhole) {
      rolling.acc = acc
      rolling.removals = 0
    }
    return acc
  }

  /** Takes a record into its place. */
  function enter({ key, value: rolling }: Cell<Rolling>, one: Kept): void {
    const { kept } = rolling
    let at = kept.length
    while (at > 0 && (kept[at - 1] as Kept)[0] > one[0]) at--
    const isKnown = rolling.acc !== null && (at === kept.length || aggregator.commutes === true)
    rolling.acc = isKnown ? add(rolling.acc, key, one) : null
    kept.splice(at, 0, one)
  }

  /** Drops what has left the window of a cell; deletes the row if nothing is left. */
  function trim(cell: Cell<Rolling>, now: number): void {
    const rolling = cell.value
    const { kept } = rolling
    let gone = 0
    for (; gone < kept.length && (kept[gone] as Kept)[0] <= now - sizeMs; gone++) {
      if (rolling.acc === null) continue
      rolling.acc = aggregator.remove?.(rolling.acc, recordOf(cell.key, kept[gone] as Kept)) ?? null
      rolling.removals++
    }
    if (gone > 0) kept.splice(0, gone)
    if (rolling.removals >= kept.length) rolling.acc = null
    if (kept.length === 0) state.remove(cell)
    else state.touch(cell)
  }

  const row = (cell: Cell<Rolling>) => ({ value: resultOf(cell), timestamp: cell.timestamp })
  const rows: Rows<unknown> = {
    get size() {
      return state.size
    },
    get(key) {
      const cell = state.cell(key)
      return cell === undefined ? undefined : row(cell)
    },
    *entries() {
      for (const cell of state.all()) yield { key: cell.key, window: undefined, ...row(cell) }
    },
  }
  context.publish(rows)

  function tell(key: Key, value: unknown, previous: unknown, timestamp: number): void {
    if (context.hasOutput(changes))
      context.emitTo(changes, { key, value, previous, timestamp, window: undefined, isLatest: true })
  }

  /** Shrinks a row at the time at which a record leaves it, however far time has gone since. */
  function expire(timestamp: number, key: Key): void {
    const cell = state.cell(key)
    if (cell === undefined) return
    const now = Math.max(cell.timestamp, timestamp)
    if ((cell.value.kept[0] as Kept)[0] <= now - sizeMs) {
      const previous = context.hasOutput(changes) ? resultOf(cell) : undefined
      trim(cell, now)
      tell(key, resultOf(cell), previous, now)
    }
    arm(cell)
  }

  /** One timer per key: when its oldest record leaves. */
  function arm(cell: Cell<Rolling>, before?: number): void {
    const oldest = cell.value.kept[0]?.[0]
    if (before === oldest) return
    if (before !== undefined) timers.cancel(before + sizeMs, cell.key)
    if (oldest !== undefined) timers.at(oldest + sizeMs, cell.key)
  }

  return {
    record(record) {
      const { key, value, timestamp } = record
      if (key === null || value === null) {
        context.drop(record, key === null ? 'null key' : 'null value')
        return
      }
      const time = context.accept(timestamp)
      let cell = state.cell(key)
      const now = Math.max(timestamp, cell?.timestamp ?? timestamp, time)
      if (timestamp <= now - sizeMs) {
        context.drop(record, 'late')
        if (late !== undefined) context.emitTo(late, record)
        return
      }
      const previous = cell !== undefined && context.hasOutput(changes) ? resultOf(cell) : null
      const before = cell?.value.kept[0]?.[0]
      cell ??= state.insert(key, { kept: [], acc: null, removals: 0 }, timestamp)
      if (timestamp > cell.timestamp) cell.timestamp = timestamp
      enter(cell, [timestamp, value])
      trim(cell, now)
      arm(cell, before)
      const result = resultOf(cell)
      context.emit({
        key,
        value: result,
        timestamp: cell.timestamp,
        topic: record.topic,
        partition: record.partition,
        offset: record.offset,
        headers: NO_HEADERS,
      })
      tell(key, result, previous, cell.timestamp)
    },
    holds: (time) => time - sizeMs,
  }
}

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

/** What is kept of a record. */
export type RollingRecord<R> = Pick<R, Extract<keyof R, 'key' | 'value' | 'timestamp'>>

/** A record's share in the window: its timestamp and value. */
type Kept = readonly [timestamp: number, value: unknown]

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
 * @throws TidemarkError `BAD_DURATION`; at planning `LOST_WINDOW` after a window, `UNNAMED_STATE`
 */
export function rollingAggregate<R extends StreamRecord<any, any>, A extends Aggregators<RollingRecord<R>>, Out>(
  size: Duration,
  given: Aggregator<RollingRecord<NoInfer<R>>, Out, any> | A,
  options: RollingOptions = {},
): OperatorFunction<R, StreamRecord<Extract<R['key'], Key>, ResultOf<A, Out>>> {
  const sizeMs = durationMs(size, 'rollingAggregate: size', 1)
  const aggregator = oneAggregator(given as Aggregator<never, unknown, any>) as Aggregator<AnyValue, unknown, unknown>
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

type AnyValue = { readonly key: Key; readonly value: unknown; readonly timestamp: number }

function roll(
  context: OperatorContext<StreamRecord>,
  sizeMs: number,
  aggregator: Aggregator<AnyValue, unknown, unknown>,
  changes: object,
  late: object | undefined,
): Handlers<StreamRecord<Key | null, unknown>> {
  /** By key, the records in its window, by timestamp; a cell's timestamp is the newest of them. */
  const state = context.cells<Key, Kept[]>()
  const timers = context.timers(expire)

  function resultOf(key: Key, kept: readonly Kept[]): unknown {
    if (kept.length === 0) return null
    let acc: unknown = aggregator.init?.() ?? null
    kept.forEach(([timestamp, value], index) => {
      acc = index === 0 && aggregator.init === undefined ? value : aggregator.add(acc, { key, value, timestamp })
    })
    return aggregator.result === undefined ? acc : aggregator.result(acc)
  }

  const row = ({ key, value, timestamp }: Cell<Kept[]>) => ({ value: resultOf(key, value), timestamp })
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

  /** Drops what has left the window of a cell; deletes the row if nothing is left. */
  function trim(cell: Cell<Kept[]>, now: number): void {
    let gone = 0
    while (gone < cell.value.length && (cell.value[gone] as Kept)[0] <= now - sizeMs) gone++
    if (gone > 0) cell.value.splice(0, gone)
    if (cell.value.length === 0) state.remove(cell)
    else state.touch(cell)
  }

  /** Shrinks a row at the time at which a record leaves it, however far time has gone since. */
  function expire(timestamp: number, key: Key): void {
    const cell = state.cell(key)
    if (cell === undefined) return
    const now = Math.max(cell.timestamp, timestamp)
    if ((cell.value[0] as Kept)[0] <= now - sizeMs) {
      const previous = context.hasOutput(changes) ? resultOf(key, cell.value) : undefined
      trim(cell, now)
      tell(key, resultOf(key, cell.value), previous, now)
    }
    arm(cell)
  }

  /** One timer per key: when its oldest record leaves. */
  function arm(cell: Cell<Kept[]>, before?: number): void {
    const oldest = cell.value[0]?.[0]
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
      const previous = cell !== undefined && context.hasOutput(changes) ? resultOf(key, cell.value) : null
      const before = cell?.value[0]?.[0]
      if (cell === undefined) cell = state.insert(key, [[timestamp, value]], timestamp)
      else {
        let at = cell.value.length
        while (at > 0 && (cell.value[at - 1] as Kept)[0] > timestamp) at--
        cell.value.splice(at, 0, [timestamp, value])
        if (timestamp > cell.timestamp) cell.timestamp = timestamp
      }
      state.touch(cell)
      trim(cell, now)
      arm(cell, before)
      const result = resultOf(key, cell.value)
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

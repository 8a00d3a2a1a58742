import type { Observable, OperatorFunction } from 'rxjs'
import type { Aggregator, Aggregators, ResultOf } from '../aggregates/aggregator.js'
import { oneAggregator } from '../aggregates/combine.js'
import { type Duration, durationMs } from '../record/duration.js'
import type { Key } from '../record/key.js'
import { NO_HEADERS, type StreamRecord } from '../record/record.js'
import type { Change } from '../tables/change.js'
import { CellRow, type Rows } from '../tables/rows.js'
import { keepsRows } from '../tables/toTable.js'
import type { Handlers, OperatorContext } from '../task/definition.js'
import { define } from '../task/operate.js'
import type { Cell } from '../task/state.js'
import { emptyRolling, type KeptRecord, type Rolling, RollingFold } from './rollingFold.js'

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
  const aggregator = oneAggregator(given as Aggregator<KeptRecord, unknown>)
  const fold = new RollingFold(aggregator)
  return (source) => {
    const stream: Observable<StreamRecord> = define<StreamRecord<Key | null, unknown>, StreamRecord>(
      'rollingAggregate',
      [source],
      (context) => roll(context, sizeMs, fold, changes, options.late),
      {
        ...(options.name !== undefined && { name: options.name }),
        holds: `${sizeMs} ms of ${aggregator.holds}`,
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

function roll(
  context: OperatorContext<StreamRecord>,
  sizeMs: number,
  fold: RollingFold,
  changes: object,
  late: object | undefined,
): Handlers<StreamRecord<Key | null, unknown>> {
  const state = context.cells<Key, Rolling>()
  const timers = context.timers(expire)
  const resultOf = (cell: Cell<Rolling>) => fold.result(cell.key, cell.value)
  const row = (cell: Cell<Rolling>) => ({ value: resultOf(cell), timestamp: cell.timestamp })
  const rows: Rows<unknown> = {
    get(key) {
      const cell = state.cell(key)
      return cell === undefined ? undefined : row(cell)
    },
    *entries() {
      for (const cell of state.all())
        yield new CellRow(cell.key, undefined, cell, (value: Rolling) => fold.result(cell.key, value))
    },
  }
  context.publish(rows)

  function tell(key: Key, value: unknown, previous: unknown, timestamp: number): void {
    context.emitTo(changes, { key, value, previous, timestamp, window: undefined, isLatest: true })
  }

  /** Drops what has left the window of a cell; deletes the row if nothing is left. */
  function trim(cell: Cell<Rolling>, now: number): void {
    fold.leave(cell.key, cell.value, now - sizeMs)
    if (cell.value.kept.length === 0) state.remove(cell)
    else state.touch(cell)
  }

  /** Shrinks a row at the time at which a record leaves it, however far time has gone since. */
  function expire(now: number, key: Key): void {
    const cell = state.cell(key) as Cell<Rolling>
    const previous = context.hasOutput(changes) ? resultOf(cell) : undefined
    trim(cell, now)
    tell(key, resultOf(cell), previous, now)
    arm(cell)
  }

  /** One timer per key: when its oldest record leaves. */
  function arm(cell: Cell<Rolling>, before?: number): void {
    const oldest = cell.value.kept[0]?.[0]
    // Also where there is none: then the last one's timer has just fired.
    if (before === oldest) return
    if (before !== undefined) timers.cancel(before + sizeMs, cell.key)
    timers.at((oldest as number) + sizeMs, cell.key)
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
      cell ??= state.insert(key, emptyRolling(), timestamp)
      cell.timestamp = Math.max(cell.timestamp, timestamp)
      fold.enter(key, cell.value, [timestamp, value])
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

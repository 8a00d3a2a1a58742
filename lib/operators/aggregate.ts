import type { Observable, OperatorFunction } from 'rxjs'
import type { Aggregator, Aggregators, ResultOf } from '../aggregates/aggregator.js'
import { oneAggregator } from '../aggregates/combine.js'
import { TidemarkError } from '../record/errors.js'
import type { Key } from '../record/key.js'
import { NO_HEADERS, type StreamRecord, type WindowedRecord } from '../record/record.js'
import type { Change } from '../tables/change.js'
import type { Rows } from '../tables/rows.js'
import { keepsRows } from '../tables/toTable.js'
import type { Handlers, OperatorContext } from '../task/definition.js'
import { define } from '../task/operate.js'
import type { Cell } from '../task/state.js'
import type { Windowing } from '../task/windowing.js'
import { aggregateWindows } from '../windows/aggregateWindows.js'
import type { InWindow } from '../windows/inWindow.js'

export interface AggregateOptions {
  /** Names the state. A must where the app's store is durable. */
  readonly name?: string
  /** `update`: a result for each record. `close`: one for each window, when it closes; only after a window. Default `update`. */
  readonly emit?: 'update' | 'close'
}

/** What an aggregate makes of records of type R: windowed results if a window was declared. */
export type Aggregated<R extends StreamRecord<any, any>, Out> =
  R extends InWindow<unknown> ? WindowedRecord<Extract<R['key'], Key>, Out> : StreamRecord<Extract<R['key'], Key>, Out>

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
  options: AggregateOptions = {},
): OperatorFunction<R, Aggregated<R, ResultOf<A, Out>>> {
  const aggregator = oneAggregator(given)
  return (source) => {
    const stream: Observable<StreamRecord> = define<R, StreamRecord>(
      'aggregate',
      [source],
      (context) => {
        const { windowing } = context
        if (windowing === undefined && options.emit === 'close') {
          throw new TidemarkError(
            'BAD_OPTION',
            "aggregate: emit 'close' needs a window, as only a windowed aggregate closes; declare one before it, or leave emit out",
            { operator: context.operator },
          )
        }
        return windowing === undefined
          ? aggregateKeys(context, aggregator, changes)
          : (aggregateWindows(
              context as OperatorContext<WindowedRecord>,
              aggregator,
              windowing as Windowing,
              options.emit ?? 'update',
              changes,
            ) as Handlers<R>)
      },
      {
        ...(options.name !== undefined && { name: options.name }),
        windowing: 'resolves',
        usesTime: true,
        sideOutputs: [],
      },
    )
    // Follows the aggregate in the graph, and gets its records from the aggregate's own hand.
    const changes = define<StreamRecord, Change<never, unknown>>('changes', [stream], () => ({ record() {} }), {
      role: { is: 'side' },
    })
    keepsRows(stream, changes)
    return stream as unknown as Observable<Aggregated<R, ResultOf<A, Out>>>
  }
}

function aggregateKeys<R extends StreamRecord<unknown, unknown>>(
  context: OperatorContext<StreamRecord>,
  aggregator: Aggregator<R, unknown, unknown>,
  changes: object,
): Handlers<R> {
  const state = context.cells<Key, unknown>()
  const resultOf = (cell: Cell<unknown>) =>
    aggregator.result === undefined ? cell.value : aggregator.result(cell.value)
  const hasChanges = () => context.hasOutput(changes)
  const rows: Rows<unknown> = {
    get size() {
      return state.size
    },
    get(key) {
      const cell = state.cell(key)
      return cell === undefined ? undefined : { value: resultOf(cell), timestamp: cell.timestamp }
    },
    *entries() {
      for (const cell of state.all())
        yield { key: cell.key, window: undefined, value: resultOf(cell), timestamp: cell.timestamp }
    },
  }
  context.publish(rows)
  return {
    record(record) {
      const key = record.key as Key | null
      if (key === null || record.value === null) {
        context.drop(record, key === null ? 'null key' : 'null value')
        return
      }
      context.accept(record.timestamp)
      let cell = state.cell(key)
      const previous = cell !== undefined && hasChanges() ? resultOf(cell) : null
      const { init } = aggregator
      const acc =
        cell !== undefined
          ? aggregator.add(cell.value, record)
          : init === undefined
            ? record.value
            : aggregator.add(init(), record)
      let value: unknown = null
      let { timestamp } = record
      if (acc === null) {
        if (cell !== undefined) {
          timestamp = Math.max(timestamp, cell.timestamp)
          state.remove(cell)
        }
      } else {
        if (cell === undefined) cell = state.insert(key, acc, timestamp)
        cell.value = acc
        if (cell.timestamp < timestamp) cell.timestamp = timestamp
        else timestamp = cell.timestamp
        state.touch(cell)
        value = resultOf(cell)
      }
      context.emit({
        key,
        value,
        timestamp,
        topic: record.topic,
        partition: record.partition,
        offset: record.offset,
        headers: NO_HEADERS,
      })
      if (hasChanges()) context.emitTo(changes, { key, value, previous, timestamp, window: undefined, isLatest: true })
    },
  }
}

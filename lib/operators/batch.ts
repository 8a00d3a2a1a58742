import type { OperatorFunction } from 'rxjs'
import { type Duration, durationMs } from '../record/duration.js'
import type { Key } from '../record/key.js'
import { NO_HEADERS, type StreamRecord } from '../record/record.js'
import { wholeNumber } from '../record/wholeNumber.js'
import { operate } from '../task/operate.js'
import type { Cell } from '../task/state.js'

export interface BatchOptions {
  /** A batch is full with so many. Default: no such bound. */
  readonly maxRecords?: number
  /** How long after its first record, in event time, a batch comes out, full or not. */
  readonly within: Duration
  /** Names the state. A must where the app's store is durable. */
  readonly name?: string
}

/** A key's open batch; its cell's timestamp is the newest of its records. */
interface Open {
  /** Timestamp of the record that opened it. */
  readonly first: number
  readonly values: unknown[]
}

/**
 * Collects the values of a key's records into arrays.
 *
 * ```
 * batch({ maxRecords: 3, within: '10ms' })     a column is 1 ms
 * in   -a-a--b-a--------c--|     a: ann 1           b: bob 2     c: ann 3
 * out  --------x--------y--(z|)  x: ann [1, 1, 1]   y: bob [2]   z: ann [3]
 * ```
 *
 * A key's batch opens with a record of timestamp t and comes out, with the newest timestamp in it, when it holds `maxRecords`, when the key has a record of
 * `t + within` or more (which opens the next one), or after the record that brought time to `t + within`; several by that time, then by key. Records out of order
 * join the open batch; one that opens a batch when time is past its end already comes out alone, at once: nothing is late here. Values that are null are
 * in it; null keys are dropped and counted. Keeps the values that wait, which a restart finds again; on completion all come out. What follows sees
 * no time beyond `time - within`.
 * For batches over whole partitions: `selectKey((r) => r.partition, { partitioned: true })` before it.
 *
 * @throws TidemarkError `BAD_OPTION`, `BAD_DURATION`; at planning `LOST_WINDOW` after a window, `UNNAMED_STATE`
 */
export function batch<R extends StreamRecord<any, any>>(
  options: BatchOptions,
): OperatorFunction<R, StreamRecord<Extract<R['key'], Key>, R['value'][]>> {
  const withinMs = durationMs(options.within, 'batch: within', 1)
  const maxRecords =
    options.maxRecords === undefined
      ? Number.POSITIVE_INFINITY
      : wholeNumber(options.maxRecords, 'batch: maxRecords', 1)
  return operate<StreamRecord, StreamRecord<any, any>>(
    'batch',
    (context) => {
      const state = context.cells<Key, Open>()
      const timers = context.timers((_due, key) => release(state.cell(key) as Cell<Open>, undefined))

      function release({ key, value: { values }, timestamp }: Cell<Open>, last: StreamRecord | undefined): void {
        state.delete(key)
        context.emit({
          key,
          value: values,
          timestamp,
          topic: last?.topic ?? '',
          partition: last?.partition ?? context.task.partition,
          offset: last?.offset ?? 0,
          headers: NO_HEADERS,
        })
      }

      /** Before its time has come. */
      function releaseEarly(cell: Cell<Open>, last: StreamRecord): void {
        timers.cancel(cell.value.first + withinMs, cell.key)
        release(cell, last)
      }

      return {
        record(record) {
          const { key, value, timestamp } = record
          if (key === null) {
            context.drop(record, 'null key')
            return
          }
          const time = context.accept(timestamp)
          let cell = state.cell(key)
          if (cell !== undefined && timestamp >= cell.value.first + withinMs) {
            releaseEarly(cell, record)
            cell = undefined
          }
          if (cell === undefined) {
            cell = state.insert(key, { first: timestamp, values: [] }, timestamp)
            timers.at(timestamp + withinMs, key)
          }
          cell.value.values.push(value)
          if (timestamp > cell.timestamp) cell.timestamp = timestamp
          const isFull = cell.value.values.length >= maxRecords
          if (isFull || cell.value.first + withinMs <= time) releaseEarly(cell, record)
          else state.touch(cell)
        },
        holds: (time) => time - withinMs,
      }
    },
    {
      ...(options.name !== undefined && { name: options.name }),
      windowing: 'refuses',
      usesTime: true,
    },
  ) as OperatorFunction<R, StreamRecord<Extract<R['key'], Key>, R['value'][]>>
}

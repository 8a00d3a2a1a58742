import type { Observable } from 'rxjs'
import type { Key } from '../record/key.js'
import { NO_HEADERS, type StreamRecord, type Window, type WindowedRecord } from '../record/record.js'
import { define } from '../task/operate.js'
import type { Change } from './change.js'
import type { Table, TableOperator } from './table.js'

/** A table's change as a record. */
export type ChangeRecord<K, V, W> = W extends Window ? WindowedRecord<K, V | null> : StreamRecord<K, V | null>

/**
 * The changes of a table as a stream of records, with null for deletes.
 *
 * ```
 * changes  p--q--r--s--|     p: ann 1   q: bob 5   r: ann 2, was 1   s: ann null, was 2
 * out      a--b--c--d--|     a: ann 1   b: bob 5   c: ann 2          d: ann null
 * ```
 *
 * Rows of windows come out as windowed records, `final` where the window has closed. Keys stay, so nothing is repartitioned. Keeps no state; completion and
 * errors pass on. Kafka Streams' `KTable.toStream`.
 */
export function toStream<K extends Key, V, W extends Window | undefined>(): TableOperator<
  Table<K, V, W>,
  Observable<ChangeRecord<K, V, W>>
> {
  return (table) =>
    define<Change<K, V, W>, ChangeRecord<K, V, W>>('toStream', [table.changes()], ({ emit, task }) => ({
      record({ key, value, timestamp, window, final }) {
        const record: StreamRecord<K, V | null> = {
          key,
          value,
          timestamp,
          topic: '',
          partition: task.partition,
          offset: 0,
          headers: NO_HEADERS,
        }
        emit((window === undefined ? record : { ...record, window, final: final === true }) as ChangeRecord<K, V, W>)
      },
    }))
}

import type { Observable } from 'rxjs'
import { TidemarkError } from '../record/errors.js'
import type { Key } from '../record/key.js'
import type { StreamRecord } from '../record/record.js'
import { definitionOf } from '../task/current.js'
import type { Definition } from '../task/definition.js'
import { define } from '../task/operate.js'
import type { CellState } from '../task/state.js'
import type { Change } from './change.js'
import { makeTable, type Table } from './table.js'

/** Streams whose operator already keeps the rows (aggregates), with their changes. */
const kept = new WeakMap<object, Observable<Change<never, unknown>>>()

export const keepsRows = (stream: object, changes: Observable<Change<never, unknown>>): void => {
  kept.set(stream, changes)
}

/**
 * Turns a stream into a table: each record is an upsert of its key, a null value a delete.
 *
 * ```
 * stream   a--b--c--d--|     a: ann 1   b: bob 5   c: ann 2          d: ann null
 * changes  p--q--r--s--|     p: ann 1   q: bob 5   r: ann 2, was 1   s: ann null, was 2
 * ```
 *
 * Timestamps aren't looked at: a late record overwrites a newer one, as in Kafka Streams. Keeps the last value of each
 * key under `name`; over an aggregate it keeps nothing of its own, as the aggregate's state is the table. Null keys are
 * dropped. Completes with the stream.
 *
 * @throws TidemarkError `LOST_WINDOW` at planning, after a window that no aggregate has resolved and over a windowed aggregate; for
 *   other streams of windowed results with the first record
 */
export function toTable<K extends Key, V>(
  name: string,
  stream: Observable<StreamRecord<K, V>>,
): Table<K, NonNullable<V>> {
  const changes = kept.get(stream) as Observable<Change<K, NonNullable<V>>> | undefined
  if (changes !== undefined) return makeTable(name, definitionOf(stream) as Definition, changes)
  return tableOf(name, stream as Observable<StreamRecord<K | null, NonNullable<V> | null>>)
}

/** The node that keeps the last value of each key. */
export function tableOf<K extends Key, V>(
  name: string,
  stream: Observable<StreamRecord<K | null, V | null>>,
): Table<K, V> {
  const changes = define<StreamRecord<K | null, V | null>, Change<K, V>>(
    'table',
    [stream],
    (context) => {
      const rows: CellState<K, V> = context.cells()
      context.publish(rows)
      return {
        record(record) {
          const { key, value, timestamp } = record
          context.accept(timestamp)
          if (key === null) {
            context.drop(record, 'null key')
            return
          }
          if ('window' in record) {
            throw new TidemarkError(
              'LOST_WINDOW',
              'a table of windowed results would keep one window per key; key the records by [key, window.start] first',
              { operator: name },
            )
          }
          const cell = rows.cell(key)
          const previous = cell?.value ?? null
          if (value === null) {
            if (cell !== undefined) rows.remove(cell)
          } else rows.put(key, value, timestamp)
          context.emit({ key, value, previous, timestamp })
        },
      }
    },
    { name, role: { is: 'table' }, windowing: 'refuses', usesTime: true },
  )
  return makeTable(name, definitionOf(changes) as Definition, changes)
}

import type { Observable } from 'rxjs'
import type { Key } from '../record/key.js'
import type { StreamRecord, Window, WindowedRecord } from '../record/record.js'
import { definitionOf } from '../task/current.js'
import type { Definition } from '../task/definition.js'
import { define } from '../task/operate.js'
import type { Change } from './change.js'
import { KeptRows } from './keptRows.js'
import { makeTable, NO_ROWS, type Table } from './table.js'

/** Streams whose operator already keeps the rows (aggregates), with their changes. */
const kept = new WeakMap<object, Observable<Change<never, unknown, any>>>()

export const keepsRows = (stream: object, changes: Observable<Change<never, unknown, any>>): void => {
  kept.set(stream, changes)
}

/** The windows of a table over a stream: an aggregate's in windows has them. */
export type WindowOf<R> = R extends { readonly window: Window } ? Window : undefined

/**
 * Turns a stream into a table: each record is an upsert of its key, a null value a delete.
 *
 * ```
 * stream   a--b--c--d--|     a: ann 1   b: bob 5   c: ann 2          d: ann null
 * changes  p--q--r--s--|     p: ann 1   q: bob 5   r: ann 2, was 1   s: ann null, was 2
 * ```
 *
 * Timestamps aren't looked at: a late record overwrites a newer one, as in Kafka Streams. Over windowed results a row is a key's in one
 * window. Keeps the last value of each key under `name`; over an aggregate it keeps nothing of its own, as the aggregate's state is the
 * table. Without a name (undefined) it keeps rows only if what follows needs them. Null keys are dropped. Completes with the stream.
 *
 * @throws TidemarkError `LOST_WINDOW` at planning, after a window that no aggregate has resolved
 */
export function toTable<R extends StreamRecord<any, any>>(
  name: string | undefined,
  stream: Observable<R>,
): Table<Extract<R['key'], Key>, NonNullable<R['value']>, WindowOf<R>> {
  const changes = kept.get(stream)
  if (changes !== undefined) return makeTable(name, definitionOf(stream) as Definition, changes as never)
  return tableOf(name, name !== undefined, stream as Observable<never>) as never
}

/** The node that makes a table of a stream. */
export function tableOf<K extends Key, V, W extends Window | undefined = undefined>(
  name: string | undefined,
  isKept: boolean,
  stream: Observable<StreamRecord<K | null, V | null>>,
): Table<K, V, W> {
  const changes = define<StreamRecord<K | null, V | null>, Change<K, V, W>>(
    'table',
    [stream],
    (context) => {
      const rows = isKept || context.needs.rows || context.needs.previous ? new KeptRows<V>(context.cells()) : undefined
      context.publish(rows ?? NO_ROWS)
      return {
        record(record) {
          const { key, value, timestamp } = record
          context.accept(timestamp)
          if (key === null) {
            context.drop(record, 'null key')
            return
          }
          const { window } = record as Partial<WindowedRecord>
          const previous = rows === undefined ? undefined : rows.put(key, window, value, timestamp)
          context.emit({ key, value, previous, timestamp, window: window as W, isLatest: true })
        },
      }
    },
    { ...(name !== undefined && { name }), role: { is: 'table' }, windowing: 'refuses', usesTime: true },
  )
  return makeTable(name, definitionOf(changes) as Definition, changes)
}

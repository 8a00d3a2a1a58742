import type { Observable } from 'rxjs'
import { TidemarkError } from '../record/errors.js'
import { type Key, keyIdentity } from '../record/key.js'
import type { StreamRecord } from '../record/record.js'
import type { OperatorContext } from '../task/definition.js'
import type { CountedRows, Row, RowEntry } from './rows.js'
import { type AnyTable, rowsDefinition } from './table.js'
import { tableOf } from './toTable.js'

/**
 * A table of which every instance of an app has all rows, whatever the partitions that its tasks have: small, and joined by any key with
 * `globalTableJoin`. Made by `app.globalTable`.
 */
export interface GlobalTable<K extends Key, V> {
  /** The present row of a key; undefined if there is none, or the app doesn't run. */
  get(key: K): V | undefined
  /** All rows. */
  entries(): IterableIterator<[K, V]>
}

/** The rows of a global table, filled by whoever reads its topic. */
export class GlobalRows<V> implements CountedRows<V> {
  /** All that was there when its app began has been read, and the app still runs. */
  isOpen = false
  private readonly rows = new Map<unknown, RowEntry<V>>()

  get size(): number {
    return this.rows.size
  }

  get(key: Key): Row<V> | undefined {
    return this.rows.get(keyIdentity(key))
  }

  put(key: Key, value: V | null, timestamp: number): void {
    if (value === null) this.rows.delete(keyIdentity(key))
    else this.rows.set(keyIdentity(key), { key, window: undefined, value, timestamp })
  }

  entries(): IterableIterator<RowEntry<V>> {
    return this.rows.values()
  }

  clear(): void {
    this.isOpen = false
    this.rows.clear()
  }
}

/** What fills a global table: an app, or a stream in the same local task. */
type Origin =
  | { readonly of: 'app'; readonly topic: string; readonly rows: GlobalRows<unknown> }
  | { readonly of: 'stream'; readonly table: AnyTable }

const origins = new WeakMap<object, Origin>()

export const originOf = (table: GlobalTable<any, any>): Origin => origins.get(table) as Origin

/** The rows of a global table, for a join. @throws TidemarkError `NOT_PLANNED` where it can't be joined in that task */
export function rowsFor(
  table: GlobalTable<any, any>,
  { task, operator, published }: OperatorContext<any>,
): CountedRows<any> {
  const origin = originOf(table)
  if (origin.of === 'app') {
    if (origin.rows.isOpen || task.id === 'plan') return origin.rows
    throw new TidemarkError(
      'NOT_PLANNED',
      'a global table of an app is joined outside of it; make the table with the app that runs the pipeline',
      { operator, topic: origin.topic },
    )
  }
  if (task.id === 'local') return published(rowsDefinition(origin.table))
  throw new TidemarkError(
    'NOT_PLANNED',
    'a task of an app reads only some partitions of this stream, so that its global table would lack rows; make it with app.globalTable(topic)',
    { operator },
  )
}

/** The global table over rows that an app fills. */
export function globalTableOf<K extends Key, V>(topic: string, rows: GlobalRows<V>): GlobalTable<K, V> {
  const table: GlobalTable<K, V> = {
    get: (key) => rows.get(key)?.value,
    *entries() {
      for (const { key, value } of rows.entries()) yield [key as K, value]
    },
  }
  origins.set(table, { of: 'app', topic, rows })
  return table
}

/**
 * Makes a global table of a stream, for pipelines outside an app: each record is an upsert of its key, a null value a delete.
 *
 * ```ts
 * const prices = globalTable(from([record('apple', 2, 0)]))
 * const priced = from([record('ann', { product: 'apple' }, 1)]).pipe(
 *   globalTableJoin(prices, (order) => order.value.product, (order, price) => ({ ...order, price })),
 * )
 * ```
 *
 * In an app it is refused, as a task reads only some of a stream's partitions: `app.globalTable` is for that. Keeps the last value of each key.
 * Null keys are dropped.
 */
export function globalTable<R extends StreamRecord<any, any>>(
  stream: Observable<R>,
): GlobalTable<Extract<R['key'], Key>, NonNullable<R['value']>> {
  const kept = tableOf<Extract<R['key'], Key>, NonNullable<R['value']>>(undefined, true, stream)
  const table: GlobalTable<Extract<R['key'], Key>, NonNullable<R['value']>> = {
    get: (key) => kept.get(key),
    entries: () => kept.entries(),
  }
  origins.set(table, { of: 'stream', table: kept })
  return table
}

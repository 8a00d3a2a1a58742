import type { Observable } from 'rxjs'
import type { Key } from '../record/key.js'
import type { Definition } from '../task/definition.js'
import { publishedBy } from '../task/scope.js'
import type { Change } from './change.js'
import type { Rows } from './rows.js'

/**
 * The latest value of each key. Not an Observable: a plain `filter` would lose deletes.
 *
 * ```
 * changes   {a: 1}---{a: 2, previous: 1}---{a: null, previous: 2}
 * get('a')  1--------2---------------------undefined
 * ```
 */
export interface Table<K extends Key, V> {
  readonly name: string
  /** Every change, as it is made: a stream that pipelines can read. */
  changes(): Observable<Change<K, V>>
  /** The row of a key in the tasks that run in this process; undefined if none of them has it. */
  get(key: K): V | undefined
  /** All rows in the tasks that run in this process. */
  entries(): IterableIterator<[K, V]>
}

const owners = new WeakMap<object, Definition>()

/** The definition whose node holds a table's rows. */
export const rowsDefinition = (table: Table<never, unknown>): Definition => owners.get(table) as Definition

export function makeTable<K extends Key, V>(
  name: string,
  owner: Definition,
  changes: Observable<Change<K, V>>,
): Table<K, V> {
  const all = () => publishedBy(owner) as Iterable<Rows<K, V>>
  const table: Table<K, V> = {
    name,
    changes: () => changes,
    get(key) {
      for (const rows of all()) {
        const value = rows.get(key)
        if (value !== undefined) return value
      }
      return undefined
    },
    *entries() {
      for (const rows of all()) yield* rows.entries()
    },
  }
  owners.set(table, owner)
  return table
}

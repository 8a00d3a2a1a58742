import type { Observable } from 'rxjs'
import { TidemarkError } from '../record/errors.js'
import type { Key } from '../record/key.js'
import type { Window } from '../record/record.js'
import type { Definition } from '../task/definition.js'
import { publishedBy } from '../task/scope.js'
import type { Change } from './change.js'
import { type RowEntry, type Rows, rowKey } from './rows.js'

/** Turns a table into another one, or into a stream. */
export type TableOperator<T, Out> = (table: T) => Out

/**
 * The latest value of each key (of each key and window, if it holds windowed results). Not an Observable: a plain `filter` would lose
 * deletes.
 *
 * ```
 * changes   {a: 1}---{a: 2, previous: 1}---{a: null, previous: 2}
 * get('a')  1--------2---------------------undefined
 * ```
 *
 * It keeps rows if it has a name, if it is joined, or if something that reads it needs to know what a row was before; otherwise it only passes
 * changes on, and the second change of a key doesn't know the first.
 */
export interface Table<K extends Key, V, W extends Window | undefined = undefined> {
  /** Names its state. */
  readonly name: string | undefined
  /** Every change, as it is made: a stream that pipelines can read. */
  changes(): Observable<Change<K, V, W>>
  /** Applies operators of tables, left to right. */
  pipe(): Table<K, V, W>
  pipe<A>(a: TableOperator<Table<K, V, W>, A>): A
  pipe<A, B>(a: TableOperator<Table<K, V, W>, A>, b: TableOperator<A, B>): B
  pipe<A, B, C>(a: TableOperator<Table<K, V, W>, A>, b: TableOperator<A, B>, c: TableOperator<B, C>): C
  pipe<A, B, C, D>(
    a: TableOperator<Table<K, V, W>, A>,
    b: TableOperator<A, B>,
    c: TableOperator<B, C>,
    d: TableOperator<C, D>,
  ): D
  pipe<A, B, C, D, E>(
    a: TableOperator<Table<K, V, W>, A>,
    b: TableOperator<A, B>,
    c: TableOperator<B, C>,
    d: TableOperator<C, D>,
    e: TableOperator<D, E>,
  ): E
  /**
   * The row of a key (and window) in the tasks that run in this process; undefined if none of them has it.
   *
   * @throws TidemarkError `NO_ROWS` if the table keeps none
   */
  get(key: K, ...window: W extends Window ? [window: Window] : []): V | undefined
  /**
   * All rows in the tasks that run in this process; after the value their window, if they have one.
   *
   * @throws TidemarkError `NO_ROWS` if the table keeps none
   */
  entries(): IterableIterator<W extends Window ? [K, V, Window] : [K, V]>
}

/** Any table, as operators see it inside. */
export type AnyTable = Table<any, any, any>

const owners = new WeakMap<object, Definition>()

/** The definition whose node publishes a table's {@link Rows}; undefined is published where it keeps none. */
export const rowsDefinition = (table: AnyTable): Definition => owners.get(table) as Definition

/** What a node of a table publishes that keeps no rows. */
export const NO_ROWS = Symbol('no rows')

export function makeTable<K extends Key, V, W extends Window | undefined>(
  name: string | undefined,
  owner: Definition,
  changes: Observable<Change<K, V, W>>,
): Table<K, V, W> {
  function* all(): IterableIterator<Rows<V>> {
    for (const rows of publishedBy(owner)) {
      if (rows === NO_ROWS) {
        throw new TidemarkError(
          'NO_ROWS',
          'this table keeps no rows that could be read, as nothing that follows needs them; give it a name',
          { operator: owner.name ?? owner.kind },
        )
      }
      yield rows as Rows<V>
    }
  }
  const table = {
    name,
    changes: () => changes,
    pipe: (...operators: TableOperator<unknown, unknown>[]) =>
      operators.reduce((given: unknown, operator) => operator(given), table),
    get(key: K, window?: Window) {
      const row = rowKey(key, window)
      for (const rows of all()) {
        const found = rows.get(row)
        if (found !== undefined) return found.value
      }
      return undefined
    },
    *entries() {
      for (const rows of all()) for (const entry of rows.entries()) yield tuple(entry)
    },
  } as Table<K, V, W>
  owners.set(table, owner)
  return table
}

const tuple = <V>({ key, value, window }: RowEntry<V>) => (window === undefined ? [key, value] : [key, value, window])

import type { Observable } from 'rxjs'
import type { Key } from '../record/key.js'
import type { Window } from '../record/record.js'
import type { Definition } from '../task/definition.js'
import type { Change } from './change.js'
import { type Entry, RowReader } from './rowReader.js'
import { watchRow } from './watchRow.js'

/** Turns a table into another one, or into a stream. */
export type TableOperator<T, Out> = (table: T) => Out

/** The window as a last argument, where rows have one. */
type OfWindow<W> = W extends Window ? [window: Window] : []

/**
 * The latest value of each key (of each key and window, if it holds windowed results). Not an Observable: a plain `filter` would lose
 * deletes.
 *
 * ```
 * changes     {a: 1}---{a: 2, previous: 1}---{a: null, previous: 2}
 * get('a')    1--------2---------------------undefined
 * watch('a')  1--------2---------------------undefined
 * ```
 *
 * It keeps rows if it has a name, if it is joined, or if something that reads it needs to know what a row was before; otherwise it only passes
 * changes on. If it is only joined, its changes don't tell what was before. Rows are read in the tasks that run in this process, as far as these
 * have come: an app of several processes has each key in one of them.
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
   * The row of a key (and window); undefined if there is none.
   *
   * @throws TidemarkError `NO_ROWS` if the table keeps none
   */
  get(key: K, ...window: OfWindow<W>): V | undefined
  /**
   * The row of a key as it was at that time (ms); undefined if there was none, or it is longer ago than the table's history.
   *
   * @throws TidemarkError `NO_HISTORY` if the table isn't made with `history`; `NO_ROWS` if it keeps no rows at all
   */
  getAsOf(key: K, timestamp: number, ...window: OfWindow<W>): V | undefined
  /**
   * All rows, after the value their window, if they have one; in no particular order.
   *
   * @throws TidemarkError `NO_ROWS` if the table keeps none
   */
  entries(): IterableIterator<Entry<K, V, W>>
  /**
   * The rows with `from <= key < to`, in the order of keys (see `compareKeys`), then windows. Looks at every row when the first is asked
   * for, and gives each as it is when its turn comes, if it still is there.
   *
   * @param from undefined: from the first on
   * @param to undefined: up to the last
   * @throws TidemarkError `NO_ROWS` if the table keeps none
   */
  range(from?: K, to?: K): IterableIterator<Entry<K, V, W>>
  /**
   * A key's rows in the windows with `from <= start < to` (ms), by start, then end. Looks at every row.
   *
   * @throws TidemarkError `NO_ROWS` if the table keeps none
   */
  window(
    key: K,
    bounds?: { readonly from?: number; readonly to?: number },
  ): IterableIterator<W extends Window ? [V, Window] : never>
  /**
   * The row of a key (and window) and what becomes of it: at once its present value, then the value of each change; undefined where there is
   * none. To be used outside of pipelines: it belongs to no task, and starts none. It follows the tasks that run in this process, says
   * nothing where one goes away, and completes when the table does, which an app's never do. Errors with `NO_ROWS` if the table keeps none.
   */
  watch(key: K, ...window: OfWindow<W>): Observable<V | undefined>
}

/** Any table, as operators see it inside. */
export type AnyTable = Table<any, any, any>

const owners = new WeakMap<object, Definition>()

/** The definition whose node publishes a table's rows; {@link NO_ROWS} is published where it keeps none. */
export const rowsDefinition = (table: AnyTable): Definition => owners.get(table) as Definition

export { NO_ROWS } from './rowReader.js'

/** @param owner the definition whose node publishes the rows */
export function makeTable<K extends Key, V, W extends Window | undefined>(
  name: string | undefined,
  owner: Definition,
  changes: Observable<Change<K, V, W>>,
): Table<K, V, W> {
  const reader = new RowReader<K, V, W>(owner)
  const table = {
    name,
    changes: () => changes,
    pipe: (...operators: TableOperator<unknown, unknown>[]) =>
      operators.reduce((given: unknown, operator) => operator(given), table),
    get: (key: K, window?: Window) => reader.get(key, window),
    getAsOf: (key: K, timestamp: number, window?: Window) => reader.getAsOf(key, timestamp, window),
    entries: () => reader.entries(),
    range: (from?: K, to?: K) => reader.range(from, to),
    window: (key: K, bounds: { readonly from?: number; readonly to?: number } = {}) =>
      reader.windows(key, bounds.from, bounds.to),
    watch: (key: K, window?: Window) => watchRow<V>(owner, changes, key, window),
  } as unknown as Table<K, V, W>
  owners.set(table, owner)
  return table
}

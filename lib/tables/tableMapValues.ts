import type { Key } from '../record/key.js'
import type { Window } from '../record/record.js'
import { type DerivedOptions, derivedTable } from './derivedTable.js'
import type { Table, TableOperator } from './table.js'
import type { TableRow } from './tableRow.js'

/**
 * The table with another value in each row; key, window and timestamp stay.
 *
 * ```
 * tableMapValues((v) => v * 10)
 * table  a--b--d--|     a: ann 1    b: bob 2    d: ann null
 * out    x--y--d--|     x: ann 10   y: bob 20
 * ```
 *
 * `map` isn't called for deletes. Null from it is one: the row isn't in the result. It must depend on the row alone: it is called for what was
 * before, too, and at each look-up. Keeps no state without a name: rows are those of the table, looked at through `map`. With one it keeps the rows of
 * the result; those of windows go with the windows. Completion and errors pass on. Kafka Streams' `KTable.mapValues`.
 *
 * @throws TidemarkError `OPERATOR_FAILED` with the record's place if `map` throws
 */
export function tableMapValues<K extends Key, V, W extends Window | undefined, Out>(
  map: (value: V, row: TableRow<K, V, W>) => Out,
  options: DerivedOptions = {},
): TableOperator<Table<K, V, W>, Table<K, NonNullable<Out>, W>> {
  return (table) =>
    derivedTable<K, V, W, NonNullable<Out>>(table, {
      kind: 'tableMapValues',
      rowOf: (row) => map(row.value, row) ?? null,
      isSilent: false,
      options,
    })
}

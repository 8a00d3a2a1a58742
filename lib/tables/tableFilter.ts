import type { Key } from '../record/key.js'
import type { Window } from '../record/record.js'
import { type DerivedOptions, derivedTable } from './derivedTable.js'
import type { Table, TableOperator } from './table.js'
import type { TableRow } from './tableRow.js'

/**
 * The table of those rows for which `predicate` holds.
 *
 * ```
 * tableFilter(({ value }) => value > 4)
 * table                a--b--c--d--e--|     a: ann 6   b: bob 3     c: ann 1     d: ann 2     e: ann null
 * knows what was       a-----x--------|     x: ann null
 * doesn't know it      a--y--x--x--x--|     y: bob null
 * ```
 *
 * A row that `predicate` takes passes on; one that it doesn't, and a delete, are a delete in the result. If the table knows what a row was before,
 * a delete comes out only where there had been a row; else each one comes out, as there may have been. It knows if it has a name, or is an
 * aggregate's, or a join, or if something that follows needs to know: grouping, suppress, both sides of a foreign-key join, the left side of a left join, both
 * sides of an outer one. A name for the result doesn't change that. Of a versioned table each one comes out, known or not: it is a delete
 * from its timestamp on.
 *
 * `predicate` must depend on the row alone: it is asked about what was before, too. Keeps no state without a name: rows are those of
 * the table, looked at through `predicate`. With one it keeps the rows of the result; those of windows go with the windows. Completion and errors
 * pass on; time and late records don't matter. Kafka Streams' `KTable.filter`.
 *
 * @throws TidemarkError `OPERATOR_FAILED` with the record's place if `predicate` throws
 */
export function tableFilter<K extends Key, V, W extends Window | undefined>(
  predicate: (row: TableRow<K, V, W>) => boolean,
  options: DerivedOptions = {},
): TableOperator<Table<K, V, W>, Table<K, V, W>> {
  return (table) =>
    derivedTable<K, V, W, V>(table, {
      kind: 'tableFilter',
      rowOf: (row) => (predicate(row) ? row.value : null),
      isSilent: true,
      options,
    })
}

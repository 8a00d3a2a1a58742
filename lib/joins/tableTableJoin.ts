import type { Key } from '../record/key.js'
import type { Window } from '../record/record.js'
import type { Change } from '../tables/change.js'
import { ResultRows } from '../tables/resultRows.js'
import { type Rows, rowKey } from '../tables/rows.js'
import { makeTable, rowsDefinition, type Table, type TableOperator } from '../tables/table.js'
import type { TableRow } from '../tables/tableRow.js'
import { definitionOf } from '../task/current.js'
import type { AnyRecord, Definition, Handlers, Needs, OperatorContext } from '../task/definition.js'
import { define } from '../task/operate.js'
import { type VersionOptions, versionOf } from '../task/stateVersion.js'
import { type Joined, joinedBy, joinedRows, type TableJoinKind } from './joinedRows.js'

export interface TableTableJoinOptions<Kind extends TableJoinKind = TableJoinKind> extends VersionOptions {
  /** `inner`: rows that both sides have. `left`: all of the left side's, `outer`: all of either, with null for what is missing. Default `inner`. */
  readonly kind?: Kind
  /** Names a state for the rows of the result. Without it there is none: they are worked out from the sides' at each look-up. */
  readonly name?: string
}

/**
 * Joins the rows of two tables that have the same key (and window): a table of what `joiner` makes of them, as long as they are there.
 *
 * ```
 * left   a-----------b--c--|     a: ann 1    b: ann 2    c: ann null
 * right  ---x--y--d--------|     x: ann 10   y: bob 20   d: ann null
 * inner  ---p-----n--------|     p: 1+10     n: ann null
 * left   q--p-----q--r--n--|     q: 1+none   r: 2+none
 * outer  q--p--s--q--r--n--|     s: none+20 of bob
 * ```
 *
 * A change of one side meets the other side's present row. Its timestamp is the higher of both; that of a delete where the other side has no row is its own.
 *
 * - inner: nothing comes out while the other side has no row. While it has one, each change gives a result, and each delete a delete.
 * - left: a change on the left gives a result, a delete there a delete, unless there was and is no row on either side. A change on the right
 *   gives a result while the left has a row, else nothing.
 * - outer: a change gives a result; a delete gives one as long as the other side has a row, then a delete, unless there was and is none.
 *
 * A delete may come out where there was no result before. Null from `joiner` is a delete, too. Late records of a versioned table that aren't its key's latest
 * are dropped. Both sides must have the same number of partitions and key serde, and both or neither be windowed.
 *
 * With the same table on both sides, or two that come from one, a change comes to the join twice, and each time both sides are as they are after it: the same result
 * comes out twice, as in Kafka Streams. What such a join was before is known only under a name; without one an inner join says nothing of a delete, as the other
 * side has gone, too.
 *
 * Rows of windows meet as long as both are kept. An aggregate without a `retention` keeps a closed window's until the other side has closed it too (and at least for as
 * long again as it took records), so a side that has had no record yet keeps all of the other's. With a `retention` they go by their own side's time alone: a side that is
 * further behind no longer meets the other one's row, and takes a match back.
 *
 * Keeps no state without a name: both sides keep their rows for it. With one it keeps the rows of the result; those of windows go with the windows. `joiner` must depend
 * on its arguments alone. Completes when both sides have; an error of either passes on. Kafka Streams' `join`, `leftJoin` and `outerJoin` of KTables.
 *
 * @throws TidemarkError `CO_PARTITION` at planning; `OPERATOR_FAILED` with the record's place if `joiner` throws
 */
export function tableTableJoin<
  K extends Key,
  L,
  R,
  W extends Window | undefined,
  Out,
  Kind extends TableJoinKind = 'inner',
>(
  other: Table<K, R, W>,
  joiner: (
    left: Kind extends 'outer' ? L | null : L,
    right: Kind extends 'inner' ? R : R | null,
    row: Omit<TableRow<K, never, W>, 'value'>,
  ) => Out,
  options: TableTableJoinOptions<Kind> = {},
): TableOperator<Table<K, L, W>, Table<K, NonNullable<Out>, W>> {
  const { name } = options
  const kind: TableJoinKind = options.kind ?? 'inner'
  const joined = joinedBy(kind, joiner as unknown as Joined)
  return (table) => {
    const changes = define<Change<K, unknown, W>, Change<K, NonNullable<Out>, W>>(
      'tableTableJoin',
      [table.changes(), other.changes()],
      (context) => {
        const left = context.published<Rows<unknown>>(rowsDefinition(table))
        const right = context.published<Rows<unknown>>(rowsDefinition(other))
        return joinTables(
          context as OperatorContext<Change<K, unknown, W>>,
          left,
          right,
          kind,
          joined,
          name !== undefined,
        )
      },
      {
        ...(name !== undefined && { name }),
        ...versionOf('tableTableJoin', options),
        role: { is: 'table' },
        coPartitioned: true,
        // A table's source declares no watermark: it doesn't hold back one that the other side has.
        bareInputs: 'ignored',
        needs: (input, own): Needs => ({
          rows: true,
          previous:
            kind === 'outer' ||
            (kind === 'left' && input === 0) ||
            (name === undefined && (own.previous || own.previousIfKept === true)),
        }),
      },
    )
    return makeTable(name, definitionOf(changes) as Definition, changes)
  }
}

function joinTables<K extends Key, W extends Window | undefined>(
  context: OperatorContext<Change<K, unknown, W>>,
  left: Rows<unknown>,
  right: Rows<unknown>,
  kind: TableJoinKind,
  joined: Joined,
  isNamed: boolean,
): Handlers<Change<K, unknown, W>> {
  const anew = joinedRows(left, right, joined)
  const isBacked = (row: Key) => {
    const [hasLeft, hasRight] = [left.get(row) !== undefined, right.get(row) !== undefined]
    return kind === 'outer' ? hasLeft || hasRight : hasLeft && (hasRight || kind === 'left')
  }
  const rows = isNamed ? new ResultRows<unknown>(context.cells(), isBacked) : undefined
  context.publish(rows ?? anew)

  return {
    record(change, input) {
      const { key, window, value, previous } = change
      if (!change.isLatest) {
        context.drop(change as unknown as AnyRecord, 'out of order')
        return
      }
      context.accept(change.timestamp)
      const met = (input === 0 ? right : left).get(rowKey(key, window))
      if (met === undefined) {
        const isPreserved = kind === 'outer' || (kind === 'left' && input === 0)
        // Where both sides are of one table, the other one may have gone by the same change.
        const wasThere = value === null && rows?.get(rowKey(key, window)) !== undefined
        if (!wasThere && (!isPreserved || (value === null && previous === null))) return
      }
      const other = met?.value ?? null
      const row = { key, window }
      const of = (own: unknown) => (input === 0 ? joined(own, other, row) : joined(other, own, row))
      const result = of(value)
      const timestamp = Math.max(change.timestamp, met?.timestamp ?? change.timestamp)
      const before =
        rows === undefined
          ? previous === undefined
            ? undefined
            : of(previous)
          : rows.put(key, window, result, timestamp)
      context.emit({ key, value: result, previous: before, timestamp, window, isLatest: true })
    },
  }
}

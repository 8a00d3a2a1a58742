import type { Key } from '../record/key.js'
import type { Window } from '../record/record.js'
import { definitionOf } from '../task/current.js'
import type { Definition, Needs } from '../task/definition.js'
import { define } from '../task/operate.js'
import { type VersionOptions, versionOf } from '../task/stateVersion.js'
import type { Change } from './change.js'
import { ResultRows } from './resultRows.js'
import { type Row, type Rows, splitRowKey } from './rows.js'
import { makeTable, NO_ROWS, rowsDefinition, type Table } from './table.js'
import type { TableRow } from './tableRow.js'

export interface DerivedOptions extends VersionOptions {
  /**
   * Names a state for the rows of the result, so that they are not worked out at each look-up. Without it there is none. What is kept under a name is
   * a plain table: of a versioned one, a late record overwrites a newer one in it, as in Kafka Streams.
   */
  readonly name?: string
}

interface Derivation<K, V, W, Out> {
  readonly kind: string
  /** The row that becomes of one; null: none. */
  rowOf(row: TableRow<K, V, W>): Out | null
  /** Whether it says nothing of a row that was known not to be, and still isn't. */
  readonly isSilent: boolean
  readonly options: DerivedOptions
}

/** A table each of whose rows follows from the row of another. */
export function derivedTable<K extends Key, V, W extends Window | undefined, Out>(
  parent: Table<K, V, W>,
  { kind, rowOf, isSilent, options }: Derivation<K, V, W, Out>,
): Table<K, Out, W> {
  const { name } = options
  const changes = define<Change<K, V, W>, Change<K, Out, W>>(
    kind,
    [parent.changes()],
    (context) => {
      const above = context.published<Rows<V> | typeof NO_ROWS>(rowsDefinition(parent))
      const isBacked = (row: Key) => above === NO_ROWS || above.get(row) !== undefined
      const rows = name === undefined ? undefined : new ResultRows<Out>(context.cells(), isBacked)
      const seen =
        rows ?? (above === NO_ROWS ? above : view(above, rowOf as (row: TableRow<Key, V, unknown>) => Out | null))
      context.publish(seen)
      // A delete of a versioned table is one from its timestamp on: it passes even where nothing had been.
      const isSilentHere = isSilent && (above === NO_ROWS || above.at === undefined)
      const isAsked = context.needs.previous || context.needs.previousIfKept === true
      return {
        record(change) {
          const { key, window, timestamp } = change
          const of = (value: V | null) => (value === null ? null : rowOf({ key, value, window }))
          const value = of(change.value)
          let previous = change.previous === undefined ? undefined : of(change.previous)
          const isKnown = previous !== undefined || (rows !== undefined && isAsked)
          if (rows !== undefined) previous = rows.put(key, window, value, timestamp)
          if (isSilentHere && isKnown && value === null && previous === null) return
          context.emit({ ...change, value, previous, isLatest: rows !== undefined || change.isLatest })
        },
      }
    },
    {
      ...(name !== undefined && { name }),
      ...versionOf(kind, options),
      role: { is: 'table' },
      needs(_, own): Needs {
        if (name !== undefined) return { rows: false, previous: false, previousIfKept: isSilent }
        return { ...own, previousIfKept: isSilent || own.previousIfKept === true }
      },
    },
  )
  return makeTable(name, definitionOf(changes) as Definition, changes)
}

/** Another table's rows, looked at through a function. */
function view<V, Out>(above: Rows<V>, rowOf: (row: TableRow<Key, V, unknown>) => Out | null): Rows<Out> {
  const through = (row: Key, found: Row<V> | undefined): Row<Out> | undefined => {
    if (found === undefined) return undefined
    const value = rowOf({ ...splitRowKey(row), value: found.value })
    return value === null ? undefined : { value, timestamp: found.timestamp }
  }
  const rows: Rows<Out> = {
    get: (row) => through(row, above.get(row)),
    ...(above.at !== undefined && { at: (row: Key, timestamp: number) => through(row, above.at?.(row, timestamp)) }),
    *entries() {
      for (const { key, window, value, timestamp } of above.entries()) {
        const out = rowOf({ key, value, window })
        if (out !== null) yield { key, window, value: out, timestamp }
      }
    },
  }
  return rows
}

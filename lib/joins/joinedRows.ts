import type { Key } from '../record/key.js'
import { type Row, type RowEntry, type Rows, rowKey, splitRowKey } from '../tables/rows.js'
import type { TableRow } from '../tables/tableRow.js'

export type TableJoinKind = 'inner' | 'left' | 'outer'

/** The row of a join, of those of its sides (null: none). */
export type Joined = (left: unknown, right: unknown, row: Omit<TableRow<Key, unknown, unknown>, 'value'>) => unknown

/** Which rows a join of that kind has: `joiner` isn't called for others. */
export const joinedBy =
  (kind: TableJoinKind, joiner: Joined): Joined =>
  (left, right, row) => {
    if (left === null && (kind !== 'outer' || right === null)) return null
    if (right === null && kind === 'inner') return null
    return joiner(left, right, row) ?? null
  }

/** The rows of a join, worked out from those of its sides. */
export function joinedRows(left: Rows<unknown>, right: Rows<unknown>, joined: Joined): Rows<unknown> {
  function of(row: Key, a: Row<unknown> | undefined, b: Row<unknown> | undefined): Row<unknown> | undefined {
    const value = joined(a?.value ?? null, b?.value ?? null, splitRowKey(row))
    if (value === null) return undefined
    return { value, timestamp: Math.max(a?.timestamp ?? 0, b?.timestamp ?? 0) }
  }

  const rows: Rows<unknown> = {
    get: (row) => of(row, left.get(row), right.get(row)),
    *entries(): IterableIterator<RowEntry<unknown>> {
      for (const a of left.entries()) {
        const { key, window } = a
        const row = rowKey(key, window)
        const found = of(row, a, right.get(row))
        if (found !== undefined) yield { key, window, ...found }
      }
      for (const b of right.entries()) {
        const { key, window } = b
        const row = rowKey(key, window)
        const found = left.get(row) === undefined ? of(row, undefined, b) : undefined
        if (found !== undefined) yield { key, window, ...found }
      }
    },
  }
  return rows
}

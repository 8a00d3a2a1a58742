import { originOf } from '../lib/tables/globalTable.js'
import type { Rows } from '../lib/tables/rows.js'
import { rowsDefinition } from '../lib/tables/table.js'
import { publishedBy } from '../lib/task/readers.js'
import type { StoreEntry } from './format.js'
import type { GlobalTableNode, TableNode } from './graph.js'
import type { Given } from './json.js'

/** The rows of a table as the corpus lists those of a store: with timestamps, which `table.entries()` leaves out. */
export function entriesOf(node: TableNode | GlobalTableNode): StoreEntry[] {
  const endShift = node.is === 'table' ? node.endShift : 0
  return allRows(node)
    .flatMap((rows) => [...rows.entries()])
    .map(({ key, value, timestamp, window }) => ({
      key: key as string,
      value,
      timestamp,
      ...(window && { window: { start: window.start, end: window.end - endShift } }),
    }))
}

function allRows(node: TableNode | GlobalTableNode): Rows<Given>[] {
  if (node.is === 'table') return [...publishedBy(rowsDefinition(node.table))] as Rows<Given>[]
  const origin = originOf(node.table)
  return origin.of === 'app' ? [origin.rows as Rows<Given>] : []
}

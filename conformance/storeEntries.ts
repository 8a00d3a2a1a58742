import type { Rows } from '../lib/tables/rows.js'
import { rowsDefinition } from '../lib/tables/table.js'
import { publishedBy } from '../lib/task/readers.js'
import type { StoreEntry } from './format.js'
import type { GlobalTableNode, TableNode } from './graph.js'
import type { Given } from './json.js'

/** The rows of a table as the corpus lists those of a store: with timestamps, which `table.entries()` leaves out. */
export function entriesOf(node: TableNode | GlobalTableNode): StoreEntry[] {
  const endShift = node.is === 'table' ? node.endShift : 0
  const all = [...publishedBy(rowsDefinition(node.table))] as Rows<Given>[]
  return all
    .flatMap((rows) => [...rows.entries()])
    .map(({ key, value, timestamp, window }) => ({
      key: key as string,
      value,
      timestamp,
      ...(window && { window: { start: window.start, end: window.end - endShift } }),
    }))
}

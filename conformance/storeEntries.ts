import type { StoreEntry } from './format.js'
import type { GlobalTableNode, TableNode } from './graph.js'

/** The rows of a table, as the corpus lists those of a store. */
export function entriesOf({ table }: TableNode | GlobalTableNode): StoreEntry[] {
  return [...table.entries()].map(([key, value]) => ({ key, value }))
}

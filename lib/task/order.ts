import type { Node } from './node.js'
import { upstream } from './upstream.js'

/**
 * Each node after all that feed it. A record runs depth first, so of two ways that meet in a join the one to the table comes
 * first: the row is there when the stream's record arrives. Otherwise the order in which nodes were subscribed.
 *
 * @param before nodes that must come before one
 */
export function inOrder(nodes: readonly Node[], before: (node: Node) => readonly Node[]): Node[] {
  const early = tablesFirst(nodes)
  const sorted = sort(nodes, (node) => [...(early.get(node) ?? []), ...before(node)])
  // Two joins may want opposite orders (each reads a table of the other's stream): neither gets its wish.
  return isTopological(sorted, before) ? sorted : sort(nodes, before)
}

function sort(nodes: readonly Node[], before: (node: Node) => Iterable<Node>): Node[] {
  const sorted: Node[] = []
  const done = new Set<Node>()
  const visit = (node: Node): void => {
    if (done.has(node)) return
    done.add(node)
    for (const other of before(node)) visit(other)
    sorted.push(node)
  }
  for (const node of nodes) visit(node)
  return sorted
}

function isTopological(sorted: readonly Node[], before: (node: Node) => readonly Node[]): boolean {
  const place = new Map(sorted.map((node, index) => [node, index]))
  return sorted.every((node, index) => before(node).every((other) => (place.get(other) as number) < index))
}

/** For nodes that lead only to the stream's side of a join: those that lead only to its table's. */
function tablesFirst(nodes: readonly Node[]): Map<Node, Set<Node>> {
  const early = new Map<Node, Set<Node>>()
  for (const node of nodes) {
    const { untimed } = node.definition
    if (untimed.length === 0) continue
    const tables = upstream(node, (index) => untimed.includes(index))
    const streams = upstream(node, (index) => !untimed.includes(index))
    tables.delete(node)
    streams.delete(node)
    const onlyTables = [...tables].filter((other) => !streams.has(other))
    // Without a common source no record reaches both.
    if (onlyTables.length === tables.size) continue
    for (const other of streams) {
      if (tables.has(other)) continue
      const known = early.get(other) ?? new Set()
      for (const table of onlyTables) known.add(table)
      early.set(other, known)
    }
  }
  return early
}

import type { Node } from './node.js'

/** A node and all that come before it in its graph, each once however many ways lead there. */
export function upstream(node: Node, isWanted: (input: number) => boolean = () => true): Set<Node> {
  const found = new Set<Node>([node])
  for (const input of node.inputs) if (isWanted(input.index)) for (const edge of input.edges) add(edge.from, found)
  return found
}

function add(node: Node, found: Set<Node>): void {
  if (found.has(node)) return
  found.add(node)
  for (const input of node.inputs) for (const edge of input.edges) add(edge.from, found)
}

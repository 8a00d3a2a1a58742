import type { Node } from './node.js'

/** The side output for late records of the window that a node resolves, looked for along the edges before it. */
export function lateOutputOf(node: Node, seen: Set<Node> = new Set()): object | undefined {
  if (seen.has(node)) return undefined
  seen.add(node)
  for (const input of node.inputs) {
    let late = input.windowing?.late
    if (late !== undefined) return late
    for (const { windowing, from } of input.edges) {
      late = windowing?.late ?? (from.definition.windowing === 'carries' ? lateOutputOf(from, seen) : undefined)
      if (late !== undefined) return late
    }
  }
  return undefined
}

import type { Node } from './node.js'

/** The side output for late records of the window that a node resolves, looked for along the edges before it. */
export function lateOutputOf(node: Node, seen: Set<Node> = new Set()): object | undefined {
  if (seen.has(node)) return undefined
  seen.add(node)
  for (const input of node.inputs) {
    if (input.windowing?.late !== undefined) return input.windowing.late
    for (const { windowing, from } of input.edges) {
      const late = windowing?.late ?? (from.definition.windowing === 'carries' ? lateOutputOf(from, seen) : undefined)
      if (late !== undefined) return late
    }
  }
  return undefined
}

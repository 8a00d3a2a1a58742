import type { Node } from './node.js'

/**
 * How far time is for the readers of an exchange that a node writes. In stream time it is the time of the sources before it: what its upstream
 * tasks have told, and the newest of what it reads itself; or less, if an operator that goes by time stands between. +Infinity: nothing has come, and
 * nothing is on its way.
 */
export function toldTime(node: Node): number {
  if (node.hasWatermark) return node.time()
  node.origins ??= originsOf(node)
  let told = Number.POSITIVE_INFINITY
  let newest: number | undefined
  for (const origin of node.origins) {
    const { source } = origin
    if (source === undefined) told = Math.min(told, resultTime(origin))
    else if (source.carried) told = Math.min(told, source.cap)
    else if (!source.isSilent) newest = Math.max(newest ?? Number.NEGATIVE_INFINITY, origin.streamTime)
  }
  if (newest === undefined) return told
  // A record may have got a later timestamp on its way.
  return told === Number.POSITIVE_INFINITY ? Math.max(newest, node.streamTime) : Math.min(told, newest)
}

/** The smallest timestamp that its results may still have. */
function resultTime(node: Node): number {
  return node.streamTime === Number.NEGATIVE_INFINITY ? toldTime(node) : node.promised(node.isRisen || node.isHeld)
}

/** The sources before it, or the last operators before it that go by time. */
function originsOf(writer: Node): Node[] {
  const found: Node[] = []
  const seen = new Set<Node>()
  const visit = (node: Node): void => {
    if (seen.has(node)) return
    seen.add(node)
    if (node !== writer && (node.source !== undefined || node.definition.usesTime)) found.push(node)
    else for (const input of node.timed) for (const edge of input.edges) visit(edge.from)
  }
  visit(writer)
  return found
}

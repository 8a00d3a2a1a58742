import { TidemarkError } from '../record/errors.js'
import type { Node } from '../task/node.js'
import type { PlanScope } from './planScope.js'

/**
 * Finds state by key, and joins, behind an operator that changes keys, with no exchange in between to bring the records of a new key
 * together: over several partitions each would have a state for the same key.
 *
 * @throws TidemarkError `KEY_CHANGED`
 */
export function checkKeys(app: string, scope: PlanScope): void {
  const stateful = new Set([...scope.states.values()].map(({ node }) => node))
  for (const node of scope.order) {
    const { coPartitioned, keyed } = node.definition
    if (coPartitioned || (keyed && stateful.has(node))) checkBefore(app, node)
  }
}

function checkBefore(app: string, keeper: Node): void {
  const { operator } = keeper
  const refuse = (by: Node, reason: string) =>
    new TidemarkError('KEY_CHANGED', reason, { app, operator: by.definition.kind })
  let changing: Node | undefined
  let source: Node | undefined
  const seen = new Set<Node>()
  const visit = (node: Node): void => {
    if (seen.has(node)) return
    seen.add(node)
    if (node.source !== undefined) source = node
    for (const { edges } of node.inputs) {
      for (const { from } of edges) {
        const { changesKey, kind } = from.definition
        if (changesKey === 'apart') {
          throw refuse(
            from,
            `${operator} works by key, and the ${kind} before it may leave records of one key in several partitions; use keyBy, which brings them together, or say partitioned: true if they are`,
          )
        }
        if (changesKey === 'together') changing = from
        else visit(from)
        if (typeof changesKey === 'function') changesKey(operator)
      }
    }
  }
  visit(keeper)
  if (changing === undefined || source === undefined) return
  const { kind } = changing.definition
  throw refuse(
    changing,
    `${operator} gets records through a ${kind} with partitioned: true and others past it, so equal keys of both may lie in different partitions; use keyBy, or put a ${kind} with partitioned: true on every way if they do lie together`,
  )
}

import type { TopologyNode } from './format.js'
import type { Json } from './json.js'

const JOINS = ['streamStreamJoin', 'streamTableJoin', 'streamGlobalTableJoin']

/**
 * The nodes whose repartitioning lets records without a key through: those behind which, however far, there is a join that
 * preserves a stream's side. Everywhere else a repartition leaves them out.
 */
export function keepersOfNullKeys(nodes: readonly TopologyNode[]): ReadonlySet<string> {
  const keepers = new Set<string>()
  // What a node reads stands before it.
  for (const node of nodes.toReversed()) {
    if (!keepers.has(node.id) && !(JOINS.includes(node.op) && node.kind !== 'inner')) continue
    keepers.add(node.id)
    for (const input of inputsOf(node)) {
      keepers.add(input)
      // A branch belongs to its split.
      keepers.add(input.slice(0, Math.max(0, input.lastIndexOf('.'))))
    }
  }
  return keepers
}

function inputsOf({ op, from, groups }: TopologyNode): string[] {
  // A join of a stream with a table follows the stream alone: it only looks things up in the table.
  if (Array.isArray(from) && (op === 'streamTableJoin' || op === 'streamGlobalTableJoin')) return [String(from[0])]
  const groupInputs = Array.isArray(groups) ? groups.map((group) => (group as { readonly from?: Json }).from) : []
  return [from, ...groupInputs].flat().filter((input): input is string => typeof input === 'string')
}

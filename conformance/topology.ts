import { aggregates } from './aggregates.js'
import { derivedTables } from './derivedTables.js'
import type { TopologyNode } from './format.js'
import { type Family, type GlobalTableNode, Graph, type Sources, type TableNode } from './graph.js'
import { joins } from './joins.js'
import { NodeFields } from './nodeFields.js'
import { keepersOfNullKeys } from './nullKeys.js'
import { streams } from './streams.js'
import { tables } from './tables.js'

const FAMILIES: Family = { ...streams, ...aggregates, ...tables, ...derivedTables, ...joins }

/** A topology as pipelines of ours. */
export interface Topology {
  /** Its tables, under the names of their stores. */
  readonly stores: ReadonlyMap<string, TableNode | GlobalTableNode>
  /** Names of operators whose drops aren't among those that Kafka Streams counts. */
  readonly uncounted: ReadonlySet<string>
}

/**
 * Builds the pipelines that a topology describes, node by node.
 *
 * @throws Error for a node, field or expression that isn't known, naming it
 */
export function build(nodes: readonly TopologyNode[], sources: Sources): Topology {
  const graph = new Graph(sources, keepersOfNullKeys(nodes))
  for (const node of nodes) {
    const fields = NodeFields.of(node)
    const family = Object.hasOwn(FAMILIES, node.op) ? FAMILIES[node.op] : undefined
    if (family === undefined) throw fields.error(`there is no operator ${node.op}`)
    if (graph.nodes.has(node.id)) throw fields.error('another node has this id')
    const built = family(fields, node.id, graph)
    fields.done()
    if (built === undefined) continue
    if (!('branches' in built)) graph.nodes.set(node.id, built)
    else for (const [name, branch] of Object.entries(built.branches)) graph.nodes.set(`${node.id}.${name}`, branch)
  }
  // What nothing reads runs all the same: its state and its drops count.
  for (const [id, node] of graph.nodes) {
    if (graph.used.has(id)) continue
    if (node.is === 'stream') sources.run(id, node.stream)
    if (node.is === 'table') sources.run(id, node.results ?? node.table.changes())
  }
  return { stores: graph.stores, uncounted: graph.uncounted }
}

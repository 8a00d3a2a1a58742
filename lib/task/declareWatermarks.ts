import { TidemarkError } from '../record/errors.js'
import type { Node } from './node.js'
import { type SourceTime, sameWatermark, type Watermark } from './watermark.js'

/**
 * A watermark is measured by the sources under the place that declares it, before any filter.
 *
 * @throws TidemarkError `TWO_WATERMARKS`
 */
export function declareWatermarks(nodes: Iterable<Node>): void {
  for (const node of nodes) {
    for (const input of node.inputs) {
      for (const edge of input.edges) if (edge.watermark !== undefined) declareAt(edge.from, edge.watermark)
    }
    for (const edge of node.edges)
      if (edge.to === undefined && edge.watermark !== undefined) declareAt(node, edge.watermark)
  }
}

function declareAt(node: Node, watermark: Watermark, seen: Set<Node> = new Set()): void {
  if (seen.has(node)) return
  seen.add(node)
  if (node.definition.usesTime) {
    throw twoWatermarks(
      node,
      `a watermark is declared after ${node.operator}, which already uses time; declare it before`,
    )
  }
  if (node.source?.carried === true) {
    throw twoWatermarks(
      node,
      'a watermark is declared after keyBy, where time comes with the records; declare it before',
    )
  }
  const measure = (time: SourceTime): void => {
    const { declared } = time
    if (declared !== undefined && !sameWatermark(declared, watermark)) {
      throw twoWatermarks(node, 'two different watermarks are declared over one source; declare it once, on the source')
    }
    time.declared = watermark
  }
  if (node.source !== undefined) measure(node.source)
  for (const input of node.timed) {
    if (input.edges.length === 0) measure(input.entry)
    else for (const edge of input.edges) declareAt(edge.from, watermark, seen)
  }
}

const twoWatermarks = (node: Node, reason: string) =>
  new TidemarkError('TWO_WATERMARKS', reason, { operator: node.operator })

/**
 * Watermark or none, but for all that meet in a node.
 *
 * @throws TidemarkError `WATERMARK_MISSING`
 */
export function checkAllMarked(node: Node): void {
  const { ruling } = node
  const bare = ruling.flatMap((input) =>
    input.edges.length === 0
      ? input.entry.declared === undefined
        ? ['a plain Observable']
        : []
      : input.edges.filter((e) => !e.from.hasWatermark).map((e) => e.from.operator),
  )
  if (bare.length > 0 && (ruling.length > 1 || (ruling[0]?.edges.length ?? 0) > 1)) {
    throw new TidemarkError(
      'WATERMARK_MISSING',
      `one input has a watermark and another (from ${bare.join(', ')}) has none; declare one on every source that is read here`,
      { operator: node.operator },
    )
  }
}

import { TidemarkError } from '../record/errors.js'
import type { Input } from './input.js'
import type { Node } from './node.js'
import { describeWindowing, sameWindowing, type Windowing } from './windowing.js'

/**
 * The declared window of a node's records, found along the edges before it.
 *
 * @throws TidemarkError `LOST_WINDOW`, `TWO_WINDOWS`
 */
export function windowingBefore(node: Node): Windowing | undefined {
  const { definition, inputs, timed } = node
  for (const input of inputs) input.windowing = windowingOf(input)
  const windowing = timed[0]?.windowing
  if (definition.windowing === 'resolves') {
    for (const input of timed)
      if (!sameWindowing(windowing, input.windowing)) throw lostWindow(node, windowing, input.windowing)
  }
  const lost = inputs.find((input) => input.windowing !== undefined)?.windowing
  if (lost !== undefined && definition.windowing === 'refuses') {
    throw new TidemarkError(
      'LOST_WINDOW',
      `${definition.kind} would lose the declared window (${describeWindowing(lost)}); declare it after this operator, right before the aggregate`,
      { operator: node.operator },
    )
  }
  // A branch that came later must agree with what was set up before.
  if (node.isReady && !sameWindowing(node.windowing, windowing)) throw lostWindow(node, node.windowing, windowing)
  return windowing
}

/** The windows of several aggregates whose results meet: open as long as any of them takes a record. */
export function lastToClose(nodes: Iterable<Node>): Windowing | undefined {
  const all = [...nodes].flatMap(({ windowing }) => (windowing === undefined ? [] : [windowing]))
  const [first] = all
  if (first === undefined || all.length === 1) return first
  const most = (measure: (windowing: Windowing) => number) => Math.max(...all.map(measure))
  const { hasLastMoment, ...rest } = first
  return {
    ...rest,
    graceMs: most(({ graceMs }) => graceMs ?? 0),
    closesAfterMs: most(({ closesAfterMs }) => closesAfterMs),
    reachMs: most(({ reachMs }) => reachMs),
    ...(hasLastMoment && all.every((other) => other.hasLastMoment) && { hasLastMoment }),
  }
}

function windowingOf(input: Input): Windowing | undefined {
  const { node } = input
  const found = input.edges.map((edge) => {
    const inherited = edge.from.definition.windowing === 'carries' ? edge.from.windowing : undefined
    if (edge.windowing !== undefined && inherited !== undefined) throw twoWindows(node, edge.windowing, inherited)
    return edge.windowing ?? inherited
  })
  if (found.length === 0) return input.windowing
  const [first] = found
  for (const other of found) {
    if (!sameWindowing(first, other)) throw lostWindow(node, first, other)
  }
  return first
}

function twoWindows(node: Node, a: Windowing, b: Windowing): TidemarkError {
  return new TidemarkError(
    'TWO_WINDOWS',
    `a window on a windowed stream: ${describeWindowing(a)} over ${describeWindowing(b)}; aggregate between them`,
    { operator: node.operator },
  )
}

function lostWindow(node: Node, a: Windowing | undefined, b: Windowing | undefined): TidemarkError {
  return new TidemarkError(
    'LOST_WINDOW',
    `streams with different windows meet here (${a ? describeWindowing(a) : 'none'}, ${b ? describeWindowing(b) : 'none'}); declare the window once, after they have been merged`,
    { operator: node.operator },
  )
}

import type { Observable } from 'rxjs'
import type { StoreAdapter } from '../ports/store.js'
import { TidemarkError } from '../record/errors.js'
import { json, type Serde } from '../record/serde.js'
import { observableOf } from '../task/current.js'
import type { Definition } from '../task/definition.js'
import { deadLetterTopics, type ErrorPolicies } from '../task/errorPolicy.js'
import type { Node } from '../task/node.js'
import { upstream } from '../task/upstream.js'
import type { Watermark } from '../task/watermark.js'
import { checkKeys } from './checkKeys.js'
import { checkRows } from './checkRows.js'
import type { StateKeeper } from './committer.js'
import { PlanScope } from './planScope.js'
import { type PlannedState, plannedState } from './stateShape.js'

/** A topic that a sub-topology reads. */
export interface PlannedSource {
  readonly definition: Definition
  readonly topic: string
  readonly isInternal: boolean
  /** Of the exchange's writing half. */
  readonly writtenBy: number | undefined
  readonly watermark: Watermark | undefined
  readonly keySerde: Serde<unknown> | undefined
}

/** What becomes one task per partition. */
export interface SubTopology {
  readonly id: number
  /** The topics that it reads: what its checkpoints are filed under, as numbers change when pipelines are reordered. */
  readonly title: string
  readonly definitions: readonly Definition[]
  /** What a task subscribes: the pipelines passed to `run`, and writing halves of exchanges. */
  readonly roots: readonly Observable<unknown>[]
  readonly sources: readonly PlannedSource[]
  /** Topics of tables that are read first, up to where they ended when the task began. */
  readonly bootstraps: readonly string[]
  readonly sinks: readonly string[]
  /** Topics of exchanges that it writes. */
  readonly exchanges: readonly string[]
  /** By name. */
  readonly states: ReadonlyMap<string, PlannedState>
}

export interface PlanNode {
  readonly definition: Definition
  readonly label: string
  readonly subTopology: number
  readonly inputs: readonly Definition[]
}

/** All that is known of an app without running it. */
export interface Plan {
  readonly app: string
  readonly nodes: ReadonlyMap<Definition, PlanNode>
  readonly subTopologies: readonly SubTopology[]
  /** Topics of global tables. */
  readonly globalTables: readonly string[]
  /** Topics of records that have gone wrong. */
  readonly deadLetters: readonly string[]
  /** Equal for equal plans: topics, operators, names and edges. */
  readonly fingerprint: string
  /** Sets of sources (their topics) that must have equally many partitions, with the join that wants it. */
  readonly coPartitioned: readonly { readonly operator: string; readonly sources: readonly PlannedSource[] }[]
}

export interface Root {
  readonly name: string
  readonly pipeline: Observable<unknown>
}

/**
 * Plans an app by subscribing its pipelines, twice at once: what only one of the two subscriptions reached is shared
 * behind our back.
 *
 * @throws TidemarkError `NOT_PLANNED`, `FOREIGN_TASK`, `BAD_OPTION`, `UNNAMED_STATE`, `NAME_TAKEN`, `KEY_CHANGED`, `LOST_WINDOW`, `TWO_WINDOWS`, `TWO_WATERMARKS`, `WATERMARK_MISSING`
 */
export function planApp(
  app: string,
  owner: object,
  roots: readonly Root[],
  streams: readonly Definition[],
  globalTables: readonly string[],
  store: StoreAdapter,
  keeper: StateKeeper,
  onError: ErrorPolicies | undefined,
): Plan {
  const isDurable = store.durable || keeper === 'changelogs'
  const scope = new PlanScope(owner, isDurable)
  const pipelines = roots.map((root) => root.pipeline)
  const close = scope.plan(pipelines)
  try {
    const probe = new PlanScope(owner, isDurable)
    const closeProbe = probe.plan(pipelines)
    closeProbe()
    for (const node of scope.order) {
      if (probe.nodes.has(node.definition)) continue
      throw new TidemarkError(
        'FOREIGN_TASK',
        `${node.operator} would run once for all tasks, as it stands behind share, shareReplay, connect or a Subject (use shared() instead), or is made anew by each subscription (defer, iif: build it before)`,
        { app, operator: node.operator },
      )
    }
    scope.checkSides({ app })
    for (const stream of streams) {
      if (scope.nodes.has(stream)) continue
      const { role } = stream
      throw new TidemarkError(
        'NOT_PLANNED',
        'this stream of the app is in none of its pipelines (behind concat or switchMap, or never passed to app.run); merge it, or remove it',
        {
          app,
          ...(role?.is === 'source' && { topic: role.topic }),
        },
      )
    }
    checkKeys(app, scope)
    checkRows(app, scope, store, keeper)
    return { ...describePlan(app, scope), globalTables, deadLetters: deadLetters(app, scope, onError) }
  } finally {
    close()
  }
}

/** @throws TidemarkError `BAD_OPTION` for a source that would read its own dead letters */
function deadLetters(app: string, scope: PlanScope, onError: ErrorPolicies | undefined): string[] {
  const topics = new Set(deadLetterTopics(onError))
  for (const { definition } of scope.order) {
    const { role } = definition
    const own = [
      ...deadLetterTopics(definition.onError),
      ...deadLetterTopics(role?.is === 'source' ? role.onError : undefined),
    ]
    for (const topic of own) topics.add(topic)
    if (role?.is !== 'source' || ![...own, ...deadLetterTopics(onError)].includes(role.topic)) continue
    throw new TidemarkError(
      'BAD_OPTION',
      'records of this topic that go wrong would be written to it again, for ever; give it another onError',
      { app, topic: role.topic },
    )
  }
  return [...topics].sort()
}

function describePlan(app: string, scope: PlanScope): Omit<Plan, 'globalTables' | 'deadLetters'> {
  const component = components(scope.order)
  const ids = numbered(scope, component)
  const idOf = (node: Node) => ids.get(component(node)) as number
  const topics = exchangeTopics(app, scope)
  const coPartitioned: { operator: string; nodes: Set<Node> }[] = scope.order
    .filter((node) => node.definition.coPartitioned)
    .map((node) => ({
      operator: node.operator,
      nodes: new Set(node.inputs.flatMap((input) => input.edges.flatMap((edge) => sourcesOf(edge.from)))),
    }))
  const keySerdes = new Map<Node, Serde<unknown> | undefined>()
  for (const node of scope.order) {
    const { role } = node.definition
    if (role?.is === 'source' || role?.is === 'exchange') keySerdes.set(node, role.key)
  }
  for (const { nodes } of coPartitioned) {
    const known = [...nodes].map((node) => keySerdes.get(node)).find((serde) => serde !== undefined)
    for (const node of nodes) if (keySerdes.get(node) === undefined) keySerdes.set(node, known)
  }

  const planned = new Map<Node, PlannedSource>()
  for (const node of scope.order) {
    const { role } = node.definition
    if (role?.is === 'source') {
      planned.set(node, {
        definition: node.definition,
        topic: role.topic,
        isInternal: false,
        writtenBy: undefined,
        watermark: node.source?.declared,
        keySerde: role.key,
      })
    } else if (role?.is === 'exchange') {
      const writer = scope.outputNode(role.writer) as Node
      planned.set(node, {
        definition: node.definition,
        topic: topics.get(node.definition) as string,
        isInternal: true,
        writtenBy: idOf(writer),
        watermark: node.source?.declared,
        keySerde: keySerdes.get(node) ?? json(),
      })
    }
  }

  const subTopologies = [...ids.values()].map((id): SubTopology => {
    const nodes = scope.order.filter((node) => idOf(node) === id)
    return {
      id,
      title: [...new Set(nodes.flatMap((node) => planned.get(node)?.topic ?? []))].sort().join('+'),
      definitions: nodes.map((node) => node.definition),
      roots: nodes
        .filter(({ definition: { role } }) => role?.is === 'root' || role?.is === 'writer')
        .map((node) => observableOf(node.definition)),
      sources: nodes.flatMap((node) => planned.get(node) ?? []),
      bootstraps: [...new Set(nodes.flatMap((node) => bootstrapsOf(node, app, planned)))],
      sinks: nodes.flatMap((node) => (node.definition.role?.is === 'sink' ? [node.definition.role.topic] : [])),
      exchanges: nodes.flatMap((node) =>
        node.definition.role?.is === 'writer' ? [topics.get(node.definition.role.exchange()) as string] : [],
      ),
      states: new Map(
        [...scope.states]
          .filter(([, { node }]) => idOf(node) === id)
          .map(([name, { node, state }]) => [name, plannedState(node, state, (of) => planned.get(of)?.topic)] as const),
      ),
    }
  })
  const nodes = new Map<Definition, PlanNode>()
  scope.order.forEach((node) => {
    nodes.set(node.definition, {
      definition: node.definition,
      label: labelOf(node.definition, topics),
      subTopology: idOf(node),
      inputs: node.inputs.flatMap((input) => input.edges.map((edge) => edge.from.definition)),
    })
  })
  const pairs = coPartitioned.map(({ operator, nodes: sources }) => ({
    operator,
    sources: [...sources].flatMap((node) => planned.get(node) ?? []),
  }))
  checkKeySerdes(app, pairs)
  return { app, nodes, subTopologies, coPartitioned: pairs, fingerprint: fingerprint(nodes) }
}

/** Numbers for components: those that write an exchange come before those that read it, except where that goes in a circle. */
function numbered(scope: PlanScope, component: (node: Node) => Node): Map<Node, number> {
  const ids = new Map<Node, number>()
  const entered = new Set<Node>()
  const visit = (root: Node): void => {
    if (entered.has(root)) return
    entered.add(root)
    for (const node of scope.order) {
      const { role } = node.definition
      if (role?.is === 'exchange' && component(node) === root) visit(component(scope.outputNode(role.writer) as Node))
    }
    ids.set(root, ids.size)
  }
  for (const node of scope.order) visit(component(node))
  return ids
}

/** Whose nodes are connected by edges other than exchanges: union-find. */
function components(order: readonly Node[]): (node: Node) => Node {
  const parent = new Map<Node, Node>(order.map((node) => [node, node]))
  const find = (node: Node): Node => {
    const up = parent.get(node) as Node
    if (up === node) return node
    const root = find(up)
    parent.set(node, root)
    return root
  }
  for (const node of order)
    for (const input of node.inputs) for (const edge of input.edges) parent.set(find(edge.from), find(node))
  const topics = new Map<string, Node>()
  // A topic is read once per sub-topology: two streams over it belong together.
  for (const node of order) {
    const { role } = node.definition
    if (role?.is !== 'source') continue
    const other = topics.get(role.topic)
    if (other === undefined) topics.set(role.topic, node)
    else parent.set(find(other), find(node))
  }
  return find
}

const sourcesOf = (node: Node): Node[] => [...upstream(node)].filter(({ source }) => source !== undefined)

/** The topics that a join wants to be read before the other side's. */
function bootstrapsOf(node: Node, app: string, planned: ReadonlyMap<Node, PlannedSource>): string[] {
  const { bootstraps } = node.definition
  if (bootstraps.length === 0) return []
  const topics = (isWanted: (input: number) => boolean) =>
    node.inputs
      .filter((input) => isWanted(input.index))
      .flatMap((input) => input.edges.flatMap((edge) => sourcesOf(edge.from)))
      .flatMap((source) => planned.get(source)?.topic ?? [])
  const first = topics((input) => bootstraps.includes(input))
  const shared = topics((input) => !bootstraps.includes(input)).find((topic) => first.includes(topic))
  if (shared !== undefined) {
    throw new TidemarkError(
      'BAD_OPTION',
      `${node.definition.kind}: bootstrap: the table is made of ${shared}, and so are the records that would wait for it; leave bootstrap out`,
      { app, operator: node.operator, topic: shared },
    )
  }
  return first
}

/** `<app>-<name>-repartition`, where the name is the exchange's own, or that of the next named operator behind it. */
function exchangeTopics(app: string, scope: PlanScope): Map<Definition, string> {
  const topics = new Map<Definition, string>()
  const taken = new Map<string, Node>()
  for (const node of scope.order) {
    if (node.definition.role?.is !== 'exchange') continue
    const next = scope.order.find(
      (other) => other !== node && other.definition.name !== undefined && upstream(other).has(node),
    )
    const name = node.definition.name ?? next?.definition.name ?? `exchange-${topics.size}`
    if (taken.has(name)) {
      throw new TidemarkError(
        'NAME_TAKEN',
        `two exchanges would write to ${app}-${name}-repartition; give each a name of its own, as in keyBy(…, { name: '${name}-2' })`,
        { app, operator: node.definition.kind },
      )
    }
    taken.set(name, node)
    topics.set(node.definition, `${app}-${name}-repartition`)
  }
  return topics
}

function checkKeySerdes(app: string, pairs: Plan['coPartitioned']): void {
  for (const { operator, sources } of pairs) {
    const [first] = sources
    for (const other of sources) {
      if (first === undefined || other.keySerde?.name === first.keySerde?.name) continue
      throw new TidemarkError(
        'CO_PARTITION',
        `${first.topic} has keys written as ${first.keySerde?.name}, ${other.topic} as ${other.keySerde?.name}; equal keys would lie in different partitions. Give both the same key serde`,
        { app, operator },
      )
    }
  }
}

function labelOf(definition: Definition, topics?: ReadonlyMap<Definition, string>): string {
  const { role, kind, name } = definition
  if (role?.is === 'source') return `source ${role.topic}`
  if (role?.is === 'sink') return `sink ${role.topic}`
  if (role?.is === 'exchange') return `source ${topics?.get(definition) ?? 'exchange'}`
  if (role?.is === 'writer') return `${kind} ${topics?.get(role.exchange()) ?? 'exchange'}`
  return name === undefined ? kind : `${kind} ${name}`
}

/** FNV-1a over what makes plans equal. */
function fingerprint(nodes: ReadonlyMap<Definition, PlanNode>): string {
  const all = [...nodes.values()]
  const index = new Map(all.map((node, at) => [node.definition, at]))
  const text = all
    .map((node) => `${node.subTopology} ${node.label} <- ${node.inputs.map((input) => index.get(input)).join(',')}`)
    .join('\n')
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return (hash >>> 0).toString(16).padStart(8, '0')
}

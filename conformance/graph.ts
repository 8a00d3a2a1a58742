import type { Observable } from 'rxjs'
import { type GlobalTable, json, keyBy, type StreamRecord, string, type Table, type Window } from 'tidemark'
import type { Evaluate, Variable, Variables } from './expression.js'
import type { Given, Json } from './json.js'
import type { NodeFields } from './nodeFields.js'

/** Any record of a topology. `window`: it has a windowed key; as Kafka Streams shows windows. */
export interface AnyRecord extends StreamRecord<string | null, Json> {
  readonly window?: Window
}

export type AnyStream = Observable<AnyRecord>
export type AnyTable = Table<string, Given>

export interface StreamNode {
  readonly is: 'stream'
  readonly stream: AnyStream
  /** The key was changed since the records lay in a topic: what needs them by key repartitions them. */
  readonly isRekeyed: boolean
}

export interface GroupedNode {
  readonly is: 'grouped'
  readonly stream: AnyStream
}

export interface TableNode {
  readonly is: 'table'
  readonly table: AnyTable
  /** By how much Kafka Streams' window ends lie before ours: 1 for sliding windows and sessions, whose ends it shows inclusively. */
  readonly endShift: 0 | 1
  /** The stream of an aggregate's results, if that is what the table is of. */
  readonly results?: AnyStream
}

export interface GroupedTableNode {
  readonly is: 'grouped table'
  readonly of: TableNode
  readonly key: Evaluate
  readonly value: Evaluate
}

export interface GlobalTableNode {
  readonly is: 'global table'
  readonly table: GlobalTable<string, Given>
}

export type Built = StreamNode | GroupedNode | TableNode | GroupedTableNode | GlobalTableNode

/** Where a topology gets its topics from, and where its results go. */
export interface Sources {
  stream(topic: string): AnyStream
  table(topic: string, options: { readonly name?: string; readonly history?: number }): AnyTable
  globalTable(topic: string): GlobalTable<string, Given>
  to(name: string, topic: string, stream: AnyStream): void
  /** Something that nothing reads. */
  run(name: string, stream: Observable<unknown>): void
}

/** A topology under construction: what has been built so far, by the ids of the nodes. */
export class Graph {
  readonly nodes = new Map<string, Built>()
  /** Nodes that something reads. */
  readonly used = new Set<string>()
  /** Tables under the names of their stores. */
  readonly stores = new Map<string, TableNode | GlobalTableNode>()
  /** Operators that Kafka Streams' count of dropped records doesn't know: repartitions leave out null keys silently. */
  readonly uncounted = new Set<string>()

  constructor(
    readonly sources: Sources,
    /** Ids of nodes that repartition records without a key too. */
    private readonly keepsNullKeys: ReadonlySet<string>,
  ) {}

  get<Is extends Built['is']>(id: string, is: Is, asker: NodeFields): Extract<Built, { is: Is }> {
    const node = this.nodes.get(id)
    if (node === undefined) throw asker.error(`it reads ${id}, which no node before it has made`)
    if (node.is !== is) throw asker.error(`it reads a ${is}, and ${id} is a ${node.is}`)
    this.used.add(id)
    return node as Extract<Built, { is: Is }>
  }

  /** What the node's one `from` names. */
  from<Is extends Built['is']>(fields: NodeFields, is: Is): Extract<Built, { is: Is }> {
    return this.get(fields.text('from'), is, fields)
  }

  /** What the node's `from` names: two. */
  pair(fields: NodeFields): readonly [string, string] {
    const from = fields.texts('from')
    if (from.length !== 2) throw fields.error(`it reads two nodes, got ${from.length}`)
    return from as readonly [string, string]
  }

  store(name: string | undefined, table: TableNode | GlobalTableNode, fields: NodeFields): void {
    if (name === undefined) return
    if (this.stores.has(name)) throw fields.error(`another node has a store ${name}`)
    this.stores.set(name, table)
  }

  /** The stream with all records of a key in one place, for the node with that id. */
  byKey({ stream, isRekeyed }: StreamNode, id: string, name = `${id}-by-key`): AnyStream {
    return isRekeyed ? this.repartition(stream, id, name) : stream
  }

  repartition(stream: AnyStream, id: string, name = id, keyOf = (record: AnyRecord) => record.key): AnyStream {
    this.uncounted.add(name)
    const nullKeys = this.keepsNullKeys.has(id) ? 'keep' : 'drop'
    return stream.pipe(keyBy(keyOf, { name, key: string(), value: json<Json>(), nullKeys }))
  }
}

/** Builds nodes of one kind: the family's file knows how. A split makes several, with the names of its branches. */
export type Build = (
  fields: NodeFields,
  id: string,
  graph: Graph,
) => Built | undefined | { readonly branches: Branches }
export type Branches = { readonly [name: string]: StreamNode }
export type Family = { readonly [op: string]: Build }

/** The variables of an expression about a record. */
export const OF_RECORD: readonly Variable[] = ['key', 'value', 'windowStart', 'windowEnd']

export function variablesOf({ key, value, window }: AnyRecord): Variables {
  return window === undefined ? { key, value } : { key, value, windowStart: window.start, windowEnd: window.end }
}

/** A claim about a record. */
export const holds = (predicate: Evaluate, variables: Variables): boolean => {
  const result = predicate(variables)
  if (typeof result === 'boolean') return result
  throw new Error(`a predicate gave ${JSON.stringify(result)}, which is no boolean`)
}

/** A key must be a string, or null. */
export function keyFrom(evaluate: Evaluate, variables: Variables): string | null {
  const key = evaluate(variables)
  if (key === null || typeof key === 'string') return key
  throw new Error(`keys are strings, got ${JSON.stringify(key)}`)
}

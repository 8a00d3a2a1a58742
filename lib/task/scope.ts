import type { Observable, Subscriber } from 'rxjs'
import type { Clock } from '../ports/clock.js'
import { type ErrorPlace, TidemarkError } from '../record/errors.js'
import { badTimestamp, isTimestamp } from '../record/timestamp.js'
import { active, building, definitionOf, setActive, setBuilding } from './current.js'
import type { AnyRecord, Definition, TaskInfo, TopicTarget, TopicWrite } from './definition.js'
import { Edge, type Input, Node, type Path } from './node.js'
import { hide, show } from './readers.js'
import type { Checkpointed, StateHome } from './state.js'
import { upstream } from './upstream.js'
import { type Lane, type SourceTime, sameWatermark } from './watermark.js'

/**
 * A graph of nodes made by subscribing a pipeline: a planner's (never fed), a task's of an app, or a local one. It owns
 * dispatch and the advance of time.
 */
export abstract class Scope implements StateHome {
  readonly nodes = new Map<Definition, Node>()
  /** In topological order, once sealed. */
  protected ordered: readonly Node[] = []
  private isSealed = false
  protected path: Path = { to: undefined, windowing: undefined, watermark: undefined }
  /** Grows whenever time may have changed anywhere. */
  version = 0
  /** No node fires anything before this time. */
  minDue = Number.POSITIVE_INFINITY
  /** Place in the running advance; -1 when none runs. */
  private cursor = -1

  abstract readonly info: TaskInfo
  abstract readonly clock: Clock
  abstract readonly tracked: boolean
  abstract restored(name: string): Iterable<readonly [key: string, value: Uint8Array]>
  abstract restoredTime(node: Node): number | undefined
  abstract stateName(node: Node): string
  abstract register<S extends Checkpointed>(node: Node, state: S): S
  abstract target(node: Node): TopicTarget
  abstract write(node: Node, write: TopicWrite): void
  abstract block(node: Node, blocked: boolean): void
  abstract later(node: Node, run: () => void): void
  /** A record came to an input while this task wasn't dispatching. */
  abstract outside(input: Input, record: unknown): void
  /** A handler threw, or a plain operator did. */
  abstract caught(node: Node, error: unknown, record: AnyRecord | undefined): void
  abstract inputError(input: Input, error: unknown): void
  abstract inputComplete(input: Input): void
  /** A consumer went away. */
  protected abstract released(node: Node): void
  /** Whether inputs of this definition belong to another task. */
  protected abstract isCut(definition: Definition): boolean
  /** A node has been made: a source gets its time here. */
  protected created(_node: Node): void {}
  /** May throw: who subscribes here and now? */
  protected abstract admit(definition: Definition, known: Node | undefined): void

  // ---- building

  /** Subscribes something with this scope as the current one. */
  within<T>(run: () => T): T {
    const outer = building
    setBuilding(this)
    try {
      return run()
    } finally {
      setBuilding(outer)
    }
  }

  /** An Observable of ours is subscribed. */
  attach(definition: Definition, subscriber: Subscriber<unknown>): void {
    const { path } = this
    let node = this.nodes.get(definition)
    this.admit(definition, node)
    const isNew = node === undefined
    if (node === undefined) {
      node = new Node(this, definition)
      this.nodes.set(definition, node)
      this.created(node)
    }
    const edge = new Edge(node, subscriber, path.to, path.windowing, path.watermark)
    node.addConsumer(edge)
    this.isSealed = false
    const from = node
    subscriber.add(() => {
      from.removeConsumer(edge)
      this.released(from)
    })
    if (isNew && !this.isCut(definition)) this.subscribeInputs(node)
  }

  protected subscribeInputs(node: Node): void {
    const outer = this.path
    for (const input of node.inputs) {
      this.path = { to: input, windowing: undefined, watermark: undefined }
      try {
        ;(node.definition.inputs[input.index] as Observable<unknown>).subscribe(input.subscriber)
      } finally {
        this.path = outer
      }
    }
  }

  /** Declares something about the stretch between the next node and what is subscribed in `run`. */
  declare(change: (path: Path) => void, run: () => void): void {
    const outer = this.path
    const path = { ...outer }
    change(path)
    this.path = path
    try {
      // A plain source right here has no node to carry what was declared: the input does.
      if (path.to !== undefined) {
        path.to.windowing = path.windowing
        path.to.entry.declared = path.watermark
      }
      run()
    } finally {
      this.path = outer
    }
  }

  /** Fixes the order of nodes and lets the new ones set themselves up. */
  seal(): void {
    if (this.isSealed) return
    this.isSealed = true
    this.linkOutputs()
    this.ordered = this.sort()
    this.ordered.forEach((node, order) => {
      node.order = order
    })
    for (const node of this.ordered) node.sortConsumers()
    for (const node of this.ordered.toReversed()) node.gatherNeeds()
    this.declareWatermarks()
    for (const node of this.ordered) this.makeReady(node)
  }

  protected makeReady(node: Node): void {
    if (node.isReady) node.checkWindowing()
    else node.ready()
  }

  /** Nodes that must come before this one. */
  protected before(node: Node): readonly Node[] {
    return node.inputs.flatMap((input) => input.edges.map((edge) => edge.from))
  }

  get sealed(): boolean {
    return this.isSealed
  }

  /** Side outputs have no input of their own: they follow those that write to them. */
  private linkOutputs(): void {
    for (const node of this.nodes.values()) {
      const late = node.definition.windowing === 'resolves' ? lateOutputOf(node) : undefined
      for (const output of late === undefined ? node.definition.sideOutputs : [...node.definition.sideOutputs, late]) {
        const input = this.outputNode(output)?.inputs[0]
        if (input === undefined || input.edges.some((edge) => edge.from === node)) continue
        input.edges.push(new Edge(node, input.subscriber, input, undefined, undefined))
      }
    }
  }

  /** Side outputs of a node to which nothing more can come. */
  endedSides(of: Node): Node[] {
    return [...this.nodes.values()].filter(({ definition, inputs: [input] }) => {
      const writers = definition.role?.is === 'side' ? (input?.edges.map((edge) => edge.from) ?? []) : []
      return writers.includes(of) && writers.every((writer) => writer.isComplete)
    })
  }

  outputNode(output: object): Node | undefined {
    const definition = definitionOf(output)
    return definition === undefined ? undefined : this.nodes.get(definition)
  }

  /**
   * Each node after all that feed it. A record runs depth first, so of two ways that meet in a join the one to the table comes
   * first: the row is there when the stream's record arrives. Otherwise the order in which nodes were subscribed.
   */
  protected sort(): Node[] {
    const early = this.tablesFirst()
    const sorted = this.sortWith((node) => [...(early.get(node) ?? []), ...this.before(node)])
    // Two joins may want opposite orders (each reads a table of the other's stream): neither gets its wish.
    return this.isTopological(sorted) ? sorted : this.sortWith((node) => this.before(node))
  }

  private sortWith(before: (node: Node) => Iterable<Node>): Node[] {
    const sorted: Node[] = []
    const done = new Set<Node>()
    const visit = (node: Node): void => {
      if (done.has(node)) return
      done.add(node)
      for (const other of before(node)) visit(other)
      sorted.push(node)
    }
    for (const node of this.nodes.values()) visit(node)
    return sorted
  }

  private isTopological(sorted: readonly Node[]): boolean {
    const place = new Map(sorted.map((node, index) => [node, index]))
    return sorted.every((node, index) => this.before(node).every((other) => (place.get(other) as number) < index))
  }

  /** For nodes that lead only to the stream's side of a join: those that lead only to its table's. */
  private tablesFirst(): Map<Node, Set<Node>> {
    const early = new Map<Node, Set<Node>>()
    for (const node of this.nodes.values()) {
      const { untimed } = node.definition
      if (untimed.length === 0) continue
      const tables = upstream(node, (index) => untimed.includes(index))
      const streams = upstream(node, (index) => !untimed.includes(index))
      tables.delete(node)
      streams.delete(node)
      const onlyTables = [...tables].filter((other) => !streams.has(other))
      // Without a common source no record reaches both.
      if (onlyTables.length === tables.size) continue
      for (const other of streams) {
        if (tables.has(other)) continue
        const known = early.get(other) ?? new Set()
        for (const table of onlyTables) known.add(table)
        early.set(other, known)
      }
    }
    return early
  }

  /** A watermark is measured by the sources under the place that declares it, before any filter. */
  private declareWatermarks(): void {
    for (const node of this.nodes.values()) {
      for (const input of node.inputs) {
        for (const edge of input.edges) if (edge.watermark !== undefined) this.declareAt(edge.from, edge.watermark)
      }
      if (node.edges.length === 0) continue
      for (const edge of node.edges)
        if (edge.to === undefined && edge.watermark !== undefined) this.declareAt(node, edge.watermark)
    }
  }

  private declareAt(node: Node, watermark: NonNullable<Path['watermark']>, seen: Set<Node> = new Set()): void {
    if (seen.has(node)) return
    seen.add(node)
    if (node.definition.usesTime) {
      throw new TidemarkError(
        'TWO_WATERMARKS',
        `a watermark is declared after ${node.operator}, which already uses time; declare it before`,
        {
          operator: node.operator,
        },
      )
    }
    if (node.source?.carried === true) {
      throw new TidemarkError(
        'TWO_WATERMARKS',
        'a watermark is declared after keyBy, where time comes with the records; declare it before',
        {
          operator: node.operator,
        },
      )
    }
    const measure = (time: SourceTime): void => {
      const { declared } = time
      if (declared !== undefined && !sameWatermark(declared, watermark)) {
        throw new TidemarkError(
          'TWO_WATERMARKS',
          'two different watermarks are declared over one source; declare it once, on the source',
          {
            operator: node.operator,
          },
        )
      }
      time.declared = watermark
    }
    if (node.source !== undefined) measure(node.source)
    for (const input of node.timed()) {
      if (input.edges.length === 0) measure(input.entry)
      else for (const edge of input.edges) this.declareAt(edge.from, watermark, seen)
    }
  }

  /** Lets tables be read from outside, as long as the task runs. */
  protected openToReaders(): void {
    for (const node of this.nodes.values()) if (node.shown !== undefined) show(node)
  }

  protected closeNodes(): void {
    for (const node of this.nodes.values()) this.closeNode(node)
  }

  protected closeNode(node: Node): void {
    hide(node)
    for (const input of node.inputs) input.subscriber.unsubscribe()
    node.handlers.close?.()
  }

  nodeOf(definition: Definition): Node {
    const node = this.nodes.get(definition)
    if (node === undefined)
      throw new TidemarkError('NOT_PLANNED', `${definition.name ?? definition.kind} isn't part of this task`)
    return node
  }

  // ---- dispatch

  /** Runs something with this task as the active one. */
  dispatch(run: () => void): void {
    const outer = active
    setActive(this)
    try {
      run()
    } finally {
      setActive(outer)
    }
  }

  /** The same for one record: a closure for each would cost a fifth of a local chain's speed. */
  protected dispatchRecord(take: (input: Input, record: unknown) => void, input: Input, record: unknown): void {
    const outer = active
    setActive(this)
    try {
      take(input, record)
    } finally {
      setActive(outer)
    }
  }

  /** Stops the running dispatch: whatever it still emits reaches nobody. */
  protected abandon(): void {
    if (active === this) setActive(undefined)
  }

  // ---- time

  /** Takes a source's new watermark (or cap); what becomes due by it fires in {@link continueAdvance}, after the record. */
  protected raise(time: SourceTime, watermark: number): void {
    if (watermark >= this.minDue && this.cursor < 0) {
      // What nodes promise at the old time is held until they have fired. Looked at before time rises, as nodes remember it.
      for (const node of this.ordered) if (node.hasFirings) node.heldTime = Math.max(node.heldTime, node.time())
      time.watermark = watermark
      this.version++
      if (this.anyDue()) this.cursor = 0
      return
    }
    time.watermark = watermark
    this.version++
  }

  /** A record of a source's lane: time rises by what it tells. */
  protected measure(time: SourceTime, lane: Lane, timestamp: number): void {
    if (lane.idle) lane.idle = false
    if (timestamp <= lane.newest) return
    lane.newest = timestamp
    const { declared } = time
    if (declared === undefined) return
    this.raiseLane(time, lane, timestamp - declared.boundMs)
  }

  /** A source's record has been handled: the watermark that it carries, if it does, counts from now on. */
  protected punctuate(time: SourceTime, lane: Lane, record: AnyRecord): void {
    const said = time.declared?.punctuated?.(record)
    if (said === undefined || said === null) return
    if (!isTimestamp(said)) throw badTimestamp(said, 'punctuated')
    this.raiseLane(time, lane, said)
  }

  private raiseLane(time: SourceTime, lane: Lane, watermark: number): void {
    if (watermark > lane.watermark) lane.watermark = watermark
    const least = time.lanes.size === 1 ? lane.watermark : time.least()
    if (least > time.watermark) this.raise(time, least)
  }

  /** Begins an advance for changes of time that come with no record. */
  protected beginAdvance(): void {
    if (this.cursor < 0) this.cursor = 0
  }

  private anyDue(): boolean {
    for (const node of this.ordered) if (node.hasFirings && node.isDueAt(node.pull())) return true
    return false
  }

  get isAdvancing(): boolean {
    return this.cursor >= 0
  }

  /** Whether a node's promise still stands at the old time: it has yet to fire. */
  isHeld(node: Node): boolean {
    return this.cursor >= 0 && node.order >= this.cursor
  }

  /** Visits each node once, in order, and fires what is due. False: `isOver` said stop; go on later, before any record. */
  protected continueAdvance(isOver: () => boolean): boolean {
    while (this.cursor >= 0 && this.cursor < this.ordered.length) {
      const node = this.ordered[this.cursor] as Node
      if (node.hasFirings && node.isPulled) {
        let fired = 0
        while (node.isDueAt(node.time())) {
          try {
            node.fireOne()
          } catch (error) {
            this.caught(node, error, undefined)
            return false
          }
          if ((++fired & 63) === 0 && isOver()) return false
        }
      }
      this.cursor++
      this.version++
    }
    this.cursor = -1
    this.minDue = Number.POSITIVE_INFINITY
    for (const node of this.ordered) this.minDue = Math.min(this.minDue, node.due)
    return true
  }

  protected placeOf(node: Node, record: AnyRecord | undefined): ErrorPlace {
    if (typeof record !== 'object' || record === null) return { operator: node.operator }
    return {
      operator: node.operator,
      ...(record.topic ? { topic: record.topic, partition: record.partition, offset: record.offset } : {}),
      // A table's change has no place in a log, but a key.
      ...('key' in record && { key: record.key }),
    }
  }

  protected wrap(node: Node, error: unknown, record: AnyRecord | undefined): TidemarkError {
    if (error instanceof TidemarkError) return error.at(this.placeOf(node, record))
    return new TidemarkError(
      'OPERATOR_FAILED',
      `${error instanceof Error ? error.message : String(error)}`,
      this.placeOf(node, record),
      { cause: error },
    )
  }
}

/** The side output for late records of the window that a node resolves, looked for along the edges before it. */
function lateOutputOf(node: Node, seen: Set<Node> = new Set()): object | undefined {
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

import { Subscriber } from 'rxjs'
import type { Clock } from '../ports/clock.js'
import { TidemarkError } from '../record/errors.js'
import type { Key } from '../record/key.js'
import { badTimestamp } from '../record/timestamp.js'
import { active } from './current.js'
import {
  type AnyRecord,
  type Definition,
  type DropReason,
  type Firing,
  type Handlers,
  type Needs,
  NO_NEEDS,
  type OperatorContext,
  type TaskInfo,
  type TopicTarget,
  type TopicWrite,
  type Waiting,
} from './definition.js'
import { type Onlooker, outsideOfTasks } from './readers.js'
import type { Scope } from './scope.js'
import { SeriesState } from './seriesState.js'
import { CellState, type KeyedState, WindowState } from './state.js'
import { TimerQueue } from './timers.js'
import { SourceTime, type Watermark } from './watermark.js'
import { describeWindowing, sameWindowing, type Windowing } from './windowing.js'

/** What stands on the way from one node to the next, found while the pipeline was subscribed. */
export interface Path {
  /** Where the records go; undefined: to whoever subscribed from outside. */
  readonly to: Input | undefined
  windowing: Windowing | undefined
  watermark: Watermark | undefined
}

/** One consumer of a node's output. */
export class Edge {
  /** Who gets the records: the next node itself if nothing stands in between. */
  readonly target: { next(record: unknown): void }

  constructor(
    readonly from: Node,
    readonly subscriber: Subscriber<unknown>,
    readonly to: Input | undefined,
    readonly windowing: Windowing | undefined,
    readonly watermark: Watermark | undefined,
  ) {
    this.target = to !== undefined && to.subscriber === subscriber ? to : subscriber
  }
}

/** One input of a node: the observer of what the pipeline has there. */
export class Input {
  /** Edges that end here. None: a plain Observable feeds it. */
  readonly edges: Edge[] = []
  /** What a plain Observable's records tell about time. */
  readonly entry = new SourceTime()
  readonly subscriber: Subscriber<unknown>
  windowing: Windowing | undefined
  isComplete = false

  constructor(
    readonly node: Node,
    readonly index: number,
  ) {
    // An instance rather than an observer: it can be closed before `subscribe` returns, when a synchronous source never ends.
    this.subscriber = new Subscriber<unknown>(this)
  }

  next(record: unknown): void {
    const { node } = this
    if (active !== node.scope) {
      node.scope.outside(this, record)
      return
    }
    try {
      node.handlers.record(record as never, this.index)
      if (node.due <= node.streamDue) node.fireDue()
    } catch (error) {
      node.scope.caught(node, error, record as AnyRecord)
    }
  }

  error(error: unknown): void {
    this.node.scope.inputError(this, error)
  }

  complete(): void {
    this.node.scope.inputComplete(this)
  }

  /** The watermark of what comes in. */
  watermark(): number {
    if (this.isComplete) return Number.POSITIVE_INFINITY
    if (this.edges.length === 0) return this.entry.watermark
    let least = Number.POSITIVE_INFINITY
    for (const edge of this.edges) least = Math.min(least, edge.from.outputTime())
    return least
  }

  cap(): number {
    let least = Number.POSITIVE_INFINITY
    for (const edge of this.edges) least = Math.min(least, edge.from.cap())
    return least
  }
}

/** An operator in a task: its consumers, its time and what its definition has set up. */
export class Node implements OperatorContext<unknown> {
  readonly inputs: Input[]
  /** Who gets its records. */
  edges: readonly Edge[] = []
  handlers: Handlers<never> = NOT_READY
  isReady = false
  /** Place in the topological order. */
  order = 0
  hasEmitted = false
  /** Its inputs have completed: its own time is +Infinity, while what it promises waits until all has come out. */
  private isEnding = false
  isComplete = false
  /** Set for sources: the time of what they read. */
  source: SourceTime | undefined
  windowing: Windowing | undefined
  resolved: Windowing | undefined
  /** The aggregates of windows whose results come in. */
  private resolvers: ReadonlySet<Node> = new Set()
  /** The other aggregates whose results meet its rows in a join. */
  private peers: readonly Node[] | undefined
  needs: Needs = NO_NEEDS
  readonly drops = new Map<DropReason, number>()
  /** What it shows to readers. */
  shown: unknown
  /** Who follows it from outside. */
  onlooker: Onlooker | undefined
  /** Inputs whose watermarks count. */
  ruling: readonly Input[] = []

  /** Whether a watermark rules its time; otherwise stream time does. */
  hasWatermark = false
  /** Stream time is at most the lowest over the upstream tasks of an exchange. */
  isCapped = false
  /** Highest timestamp accepted. */
  streamTime = Number.NEGATIVE_INFINITY
  private cached = Number.NEGATIVE_INFINITY
  private version = -1
  private capped = Number.POSITIVE_INFINITY
  private capVersion = -1
  private origins: readonly Node[] | undefined
  /** What its time was when the running advance began. */
  heldTime = Number.NEGATIVE_INFINITY
  private readonly firings: Firing[] = []
  /** Earliest time at which something fires. */
  due = Number.POSITIVE_INFINITY
  /** Up to here it fires right after a record; -Infinity where advances do it. */
  streamDue = Number.NEGATIVE_INFINITY

  constructor(
    readonly scope: Scope,
    readonly definition: Definition,
  ) {
    this.inputs = definition.inputs.map((_, index) => new Input(this, index))
  }

  get operator(): string {
    return this.definition.name ?? this.definition.kind
  }

  get task(): TaskInfo {
    return this.scope.info
  }

  get clock(): Clock {
    return this.scope.clock
  }

  // ---- graph

  addConsumer(edge: Edge): void {
    this.edges = [...this.edges, edge]
    edge.to?.edges.push(edge)
  }

  removeConsumer(edge: Edge): void {
    this.edges = this.edges.filter((other) => other !== edge)
  }

  /** Consumers get a record in the plan's order: a stream joined with its own count meets the count first. */
  sortConsumers(): void {
    const place = (edge: Edge) => edge.to?.node.order ?? Number.MAX_SAFE_INTEGER
    this.edges = [...this.edges].sort((a, b) => place(a) - place(b))
  }

  /** Finds out what stands before it (windows, watermarks), then lets the definition set up its handlers. */
  ready(): void {
    this.checkWindowing()
    const timed = this.timed()
    const marked = timed.filter((input) =>
      input.edges.length === 0
        ? input.entry.declared !== undefined
        : input.edges.some((edge) => edge.from.hasWatermark),
    )
    this.hasWatermark = this.source === undefined ? marked.length > 0 : this.source.declared !== undefined
    this.ruling = this.definition.bareInputs === 'ignored' ? marked : timed
    if (this.hasWatermark && this.source === undefined) this.checkAllMarked(this.ruling)
    this.isCapped =
      !this.hasWatermark &&
      (this.source?.isCapped === true || timed.some((input) => input.edges.some((edge) => edge.from.isCapped)))
    const restored = this.scope.restoredTime(this)
    if (restored !== undefined) {
      this.streamTime = restored
      if (!this.isPulled) this.streamDue = restored
    }
    this.version = -1
    this.isReady = true
    this.handlers = this.definition.setup(this) as Handlers<never>
    this.dueChanged()
  }

  /** Asks its readers, which come after it, what they need of it. */
  gatherNeeds(): void {
    let { rows, previous, previousIfKept } = NO_NEEDS
    for (const { to } of this.edges) {
      const wanted = to?.node.definition.needs?.(to.index, to.node.needs)
      rows ||= wanted?.rows === true
      previous ||= wanted?.previous === true
      previousIfKept ||= wanted?.previousIfKept === true
    }
    if (this.isReady && ((rows && !this.needs.rows) || (previous && !this.needs.previous))) {
      throw new TidemarkError(
        'LATE_BRANCH',
        'what reads this table was subscribed after the table had begun; wrap the pipeline in local(...), so that records wait until all of it is there',
        { operator: this.operator },
      )
    }
    this.needs = { rows, previous, previousIfKept }
  }

  /** A branch that came later must agree with what was set up before. */
  checkWindowing(): void {
    for (const input of this.inputs) input.windowing = this.windowingOf(input)
    const windowing = this.mergeWindowing()
    if (this.isReady && !sameWindowing(this.windowing, windowing)) throw this.lostWindow(this.windowing, windowing)
    this.windowing = windowing
    this.resolvers = new Set(this.timed().flatMap(({ edges }) => edges.flatMap(({ from }) => [...from.resultsOf])))
    const isOfWindows = this.mainInput?.edges[0]?.from.resultWindowing !== undefined
    this.resolved = isOfWindows ? lastToClose([...this.resolvers]) : undefined
  }

  /** The aggregates of windows whose results it emits. */
  private get resultsOf(): Iterable<Node> {
    if (this.definition.windowing !== 'resolves') return this.resolvers
    return this.windowing === undefined ? [] : [this]
  }

  readonly isMet = (end: number): boolean => {
    this.peers ??= this.findPeers()
    return this.peers.every((peer) => peer.hasClosed(end))
  }

  private hasClosed(end: number): boolean {
    const time = this.time()
    return time >= end + (this.windowing?.closesAfterMs ?? Number.NEGATIVE_INFINITY) && !this.isDueAt(time)
  }

  private findPeers(): readonly Node[] {
    const found = new Set<Node>()
    const visit = (node: Node): void => {
      for (const { to } of node.edges) {
        if (to?.node.definition.needs?.(to.index, to.node.needs)?.rows !== true) continue
        for (const resolver of to.node.resolvers) found.add(resolver)
        visit(to.node)
      }
    }
    visit(this)
    found.delete(this)
    return [...found]
  }

  get isOneAggregates(): boolean {
    const [one, ...others] = this.resolvers
    return others.length === 0 && one?.inputs.length === 1
  }

  /** The first that is no table's: windows come from there. */
  private get mainInput(): Input | undefined {
    return this.inputs.find(({ index }) => !this.definition.untimed.includes(index))
  }

  /** The window of what it emits, if these are results of a window. */
  get resultWindowing(): Windowing | undefined {
    return this.definition.windowing === 'resolves' ? this.windowing : this.resolved
  }

  private lostWindow(a: Windowing | undefined, b: Windowing | undefined): TidemarkError {
    return new TidemarkError(
      'LOST_WINDOW',
      `streams with different windows meet here (${a ? describeWindowing(a) : 'none'}, ${b ? describeWindowing(b) : 'none'}); declare the window once, after they have been merged`,
      { operator: this.operator },
    )
  }

  private checkAllMarked(timed: readonly Input[]): void {
    const bare = timed.flatMap((input) =>
      input.edges.length === 0
        ? input.entry.declared === undefined
          ? ['a plain Observable']
          : []
        : input.edges.filter((e) => !e.from.hasWatermark).map((e) => e.from.operator),
    )
    if (bare.length > 0 && (timed.length > 1 || (timed[0]?.edges.length ?? 0) > 1)) {
      throw new TidemarkError(
        'WATERMARK_MISSING',
        `one input has a watermark and another (from ${bare.join(', ')}) has none; declare one on every source that is read here`,
        { operator: this.operator },
      )
    }
  }

  private windowingOf(input: Input): Windowing | undefined {
    const found = input.edges.map((edge) => {
      const inherited = edge.from.definition.windowing === 'carries' ? edge.from.windowing : undefined
      if (edge.windowing !== undefined && inherited !== undefined) throw this.twoWindows(edge.windowing, inherited)
      return edge.windowing ?? inherited
    })
    if (found.length === 0) return input.windowing
    const [first] = found
    for (const other of found) {
      if (!sameWindowing(first, other)) throw this.lostWindow(first, other)
    }
    return first
  }

  private twoWindows(a: Windowing, b: Windowing): TidemarkError {
    return new TidemarkError(
      'TWO_WINDOWS',
      `a window on a windowed stream: ${describeWindowing(a)} over ${describeWindowing(b)}; aggregate between them`,
      {
        operator: this.operator,
      },
    )
  }

  private mergeWindowing(): Windowing | undefined {
    const windowing = this.mainInput?.windowing
    if (this.definition.windowing === 'resolves') {
      for (const input of this.inputs) {
        if (!this.definition.untimed.includes(input.index) && !sameWindowing(windowing, input.windowing))
          throw this.lostWindow(windowing, input.windowing)
      }
    }
    const lost = this.inputs.find((input) => input.windowing !== undefined)?.windowing
    if (lost !== undefined && this.definition.windowing === 'refuses') {
      throw new TidemarkError(
        'LOST_WINDOW',
        `${this.definition.kind} would lose the declared window (${describeWindowing(lost)}); declare it after this operator, right before the aggregate`,
        { operator: this.operator },
      )
    }
    return windowing
  }

  // ---- records

  readonly emit = (record: unknown): void => {
    this.hasEmitted = true
    const { edges } = this
    if (edges.length === 1) (edges[0] as Edge).target.next(record)
    else for (const edge of edges) edge.target.next(record)
    const { onlooker } = this
    if (onlooker !== undefined) outsideOfTasks(() => onlooker.emitted(record))
  }

  readonly hasOutput = (output: object): boolean => {
    return (this.scope.outputNode(output)?.edges.length ?? 0) > 0
  }

  readonly emitTo = (output: object, record: unknown): void => {
    this.scope.outputNode(output)?.emit(record)
  }

  readonly drop = (_record: AnyRecord, reason: DropReason): void => this.countDrop(reason)

  countDrop(reason: DropReason): void {
    this.drops.set(reason, (this.drops.get(reason) ?? 0) + 1)
  }

  // ---- time

  readonly accept = (timestamp: number): number => {
    // A plain map in between may have made it.
    if (!(timestamp >= 0)) throw badTimestamp(timestamp)
    if (timestamp > this.streamTime) {
      if (timestamp === Number.POSITIVE_INFINITY) throw badTimestamp(timestamp)
      this.streamTime = timestamp
      if (this.hasWatermark) return this.time()
      this.version = -1
      if (!this.isCapped) this.streamDue = timestamp
    }
    return this.time()
  }

  readonly time = (): number => {
    if (this.isEnding) return Number.POSITIVE_INFINITY
    if (this.version !== this.scope.version) {
      this.version = this.scope.version
      this.cached = Math.max(this.cached, this.pull())
    }
    return this.cached
  }

  /** Its time as its inputs give it now. */
  pull(): number {
    if (this.source !== undefined) {
      if (!this.hasWatermark) return this.streamTime
      return this.source.isAbsent ? Number.POSITIVE_INFINITY : this.source.watermark
    }
    if (!this.hasWatermark) return this.isCapped ? Math.min(this.streamTime, this.cap()) : this.streamTime
    let least = Number.POSITIVE_INFINITY
    for (const input of this.ruling) least = Math.min(least, input.watermark())
    return least
  }

  /** The lowest stream time of the upstream tasks: over all ways, of which a diamond of diamonds has very many. */
  cap(): number {
    if (this.source !== undefined) return this.source.isCapped ? this.source.cap : Number.POSITIVE_INFINITY
    if (this.capVersion !== this.scope.version) {
      let least = Number.POSITIVE_INFINITY
      for (const input of this.timed()) least = Math.min(least, input.cap())
      this.capVersion = this.scope.version
      this.capped = least
    }
    return this.capped
  }

  /**
   * How far time is for the readers of an exchange that this node writes. In stream time it is the time of the sources before it: what its upstream
   * tasks have told, and the newest of what it reads itself; or less, if an operator that goes by time stands between. +Infinity: nothing has come, and
   * nothing is on its way.
   */
  toldTime(): number {
    if (this.hasWatermark) return this.time()
    this.origins ??= this.findOrigins()
    let told = Number.POSITIVE_INFINITY
    let newest: number | undefined
    for (const origin of this.origins) {
      const { source } = origin
      if (source === undefined) told = Math.min(told, origin.resultTime())
      else if (source.carried) told = Math.min(told, source.cap)
      // Whether it is silent was found out before its first record may have come.
      else if (!source.isSilent || origin.streamTime > Number.NEGATIVE_INFINITY)
        newest = Math.max(newest ?? Number.NEGATIVE_INFINITY, origin.streamTime)
    }
    if (newest === undefined) return told
    // A record may have got a later timestamp on its way.
    return told === Number.POSITIVE_INFINITY ? Math.max(newest, this.streamTime) : Math.min(told, newest)
  }

  /** The smallest timestamp that its results may still have. */
  private resultTime(): number {
    if (this.streamTime === Number.NEGATIVE_INFINITY) return this.toldTime()
    const time = this.time()
    return this.handlers.holds === undefined ? time : this.handlers.holds(time)
  }

  /** The sources before it, or the last operators before it that go by time. */
  private findOrigins(): Node[] {
    const found = new Set<Node>()
    const seen = new Set<Node>()
    const visit = (node: Node): void => {
      if (seen.has(node)) return
      seen.add(node)
      if (node !== this && (node.source !== undefined || node.definition.usesTime)) found.add(node)
      else for (const input of node.timed()) for (const edge of input.edges) visit(edge.from)
    }
    visit(this)
    return [...found]
  }

  /** Inputs whose time counts: not a table's. */
  timed(): readonly Input[] {
    return this.inputs.filter((input) => !this.definition.untimed.includes(input.index))
  }

  readonly inputCap = (input: number): number => (this.inputs[input] as Input).cap()

  /** Whether advances fire it, rather than its own records. */
  get isPulled(): boolean {
    return this.hasWatermark || this.isCapped
  }

  /** The time that it promises to what follows: nothing with a smaller timestamp comes any more. */
  outputTime(): number {
    const isHeld = (this.isEnding && !this.isComplete) || (this.firings.length > 0 && this.scope.isHeld(this))
    const time = isHeld ? this.heldTime : this.time()
    return this.handlers.holds === undefined ? time : this.handlers.holds(time)
  }

  readonly fires = (firing: Firing): void => {
    this.firings.push(firing)
  }

  readonly dueChanged = (): void => {
    let due = Number.POSITIVE_INFINITY
    for (const firing of this.firings) due = Math.min(due, firing.due())
    this.due = due
    if (this.isPulled && due < this.scope.minDue) this.scope.minDue = due
  }

  readonly fireDue = (): void => {
    const time = this.time()
    while (this.isDueAt(time)) this.fireOne()
    if (this.isPulled) this.heldTime = Math.max(this.heldTime, time)
  }

  /** Whether it has something to fire at that time. At +Infinity, its end, all that it holds is due, and nothing if it holds nothing. */
  isDueAt(time: number): boolean {
    return this.due <= time && this.due < Number.POSITIVE_INFINITY
  }

  fireOne(): void {
    let first = this.firings[0] as Firing
    for (const firing of this.firings) if (firing.due() < first.due()) first = firing
    first.fireNext()
    this.dueChanged()
  }

  get hasFirings(): boolean {
    return this.firings.length > 0
  }

  /** What it keeps back of a key. */
  waiting(key: Key): Waiting[] {
    return [this.handlers, ...this.firings].flatMap((keeper) => keeper.waiting?.(key) ?? [])
  }

  /** The earliest record that it keeps back until something comes of itself: no time of what follows passes it. */
  get underWayAt(): number | undefined {
    const earliest = this.handlers.holds?.(Number.POSITIVE_INFINITY)
    return (this.handlers.underWay?.() ?? 0) > 0 && earliest !== Number.POSITIVE_INFINITY ? earliest : undefined
  }

  // ---- state

  readonly keyed = <K extends Key, V>(part?: string): KeyedState<K, V> => {
    return this.cells<K, V>(part)
  }

  readonly cells = <K extends Key, V>(part?: string): CellState<K, V> => {
    return this.scope.register(this, new CellState<K, V>(this.stateName(part), this.scope))
  }

  readonly windows = <V>(part?: string): WindowState<V> => {
    return this.scope.register(this, new WindowState<V>(this.stateName(part), this.scope))
  }

  readonly series = <V>(part?: string): SeriesState<V> => {
    return this.scope.register(this, new SeriesState<V>(this.stateName(part), this.scope))
  }

  readonly timers = (handler: (timestamp: number, key: Key) => void): TimerQueue => {
    const queue = new TimerQueue(
      this.cells<Key, 1>('timers'),
      this.operator,
      () => this.time(),
      handler,
      this.dueChanged,
    )
    this.fires(queue)
    return queue
  }

  private stateName(part: string | undefined): string {
    const name = this.scope.stateName(this)
    return part === undefined ? name : `${name}.${part}`
  }

  readonly publish = (value: unknown): void => {
    this.shown = value
  }

  readonly published = <T>(definition: Definition): T => {
    return this.scope.nodeOf(definition).shown as T
  }

  // ---- the task

  readonly later = (run: () => void): void => {
    this.scope.later(this, run)
  }

  readonly block = (blocked: boolean): void => {
    this.scope.block(this, blocked)
  }

  readonly fail = (error: unknown, record?: AnyRecord): void => {
    this.scope.caught(this, error, record)
  }

  readonly target = (): TopicTarget => {
    return this.scope.target(this)
  }

  readonly write = (write: TopicWrite): void => {
    this.scope.write(this, write)
  }

  // ---- the end

  /** All inputs have completed: time goes to +Infinity, what waits comes out, then consumers hear of it. */
  end(): void {
    this.heldTime = Math.max(this.heldTime, this.cached)
    this.isEnding = true
    while (this.due < Number.POSITIVE_INFINITY) this.fireOne()
    if (this.handlers.complete?.() !== true) this.finish()
  }

  readonly finish = (): void => {
    if (this.isComplete) return
    this.isEnding = true
    this.isComplete = true
    this.scope.version++
    for (const edge of this.edges) edge.subscriber.complete()
    const { onlooker } = this
    if (onlooker !== undefined) outsideOfTasks(() => onlooker.completed())
    // Side outputs have not subscribed here, and hear of it all the same.
    for (const side of this.scope.endedSides(this)) side.finish()
  }
}

/** The windows of several aggregates whose results meet: open as long as any of them takes a record. */
function lastToClose(nodes: readonly Node[]): Windowing | undefined {
  const all = nodes.flatMap(({ windowing }) => (windowing === undefined ? [] : [windowing]))
  const [first] = all
  if (first === undefined || all.length === 1) return first
  const most = (measure: (windowing: Windowing) => number) => Math.max(...all.map(measure))
  return {
    ...first,
    graceMs: most(({ graceMs }) => graceMs),
    closesAfterMs: most(({ closesAfterMs }) => closesAfterMs),
    reachMs: most(({ reachMs }) => reachMs),
    hasLastMoment: all.every(({ hasLastMoment }) => hasLastMoment),
  }
}

const NOT_READY: Handlers<never> = {
  record() {
    throw new TidemarkError('NOT_PLANNED', 'a record came before the pipeline was complete')
  },
}

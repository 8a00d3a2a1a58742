import type { Clock } from '../ports/clock.js'
import { TidemarkError } from '../record/errors.js'
import type { Key } from '../record/key.js'
import { badTimestamp, isTimestamp } from '../record/timestamp.js'
import { active } from './current.js'
import { checkAllMarked } from './declareWatermarks.js'
import {
  type AnyRecord,
  type Attempt,
  type Definition,
  type DropReason,
  type Firing,
  type Handlers,
  type Needs,
  NO_NEEDS,
  type OperatorContext,
  type Outcome,
  type TaskInfo,
  type TopicTarget,
  type TopicWrite,
  type Waiting,
} from './definition.js'
import type { Edge } from './edge.js'
import { Input } from './input.js'
import { lateBranch } from './lateBranch.js'
import { lastToClose, windowingBefore } from './meetingWindows.js'
import type { Origin } from './origin.js'
import { type Onlooker, outsideOfTasks } from './readers.js'
import type { Scope } from './scope.js'
import { SeriesState } from './seriesState.js'
import { CellState, type KeyedState, WindowState } from './state.js'
import { TimerQueue } from './timers.js'
import { toldTime } from './toldTime.js'
import type { SourceTime } from './watermark.js'
import type { Windowing } from './windowing.js'

/** An operator in a task: its consumers, its time and what its definition has set up. */
export class Node implements OperatorContext<unknown> {
  readonly inputs: Input[]
  /** Who gets its records. */
  edges: readonly Edge[] = []
  handlers: Handlers<never> = NOT_READY
  isReady = false
  /** Place in the topological order. */
  order = 0
  /** To whomever: a consumer that comes later has missed something. */
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
  /** Inputs whose time counts: not a table's. */
  readonly timed: readonly Input[]
  /** Those of them whose watermarks do. */
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
  /** Where the time comes from that it tells: known once somebody has asked. */
  origins: readonly Node[] | undefined
  /** What its time was when the running advance began; in stream time, before the record by which something is due. */
  heldTime = Number.NEGATIVE_INFINITY
  /** In stream time: the record that is being handled has made something due. */
  isRisen = false
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
    this.timed = this.inputs.filter((input) => !definition.untimed.includes(input.index))
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

  /** Who writes to it, if it is a side output. */
  get writers(): Node[] | undefined {
    return this.definition.role?.is === 'side' ? this.inputs[0]?.edges.map((edge) => edge.from) : undefined
  }

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
    const { timed } = this
    const marked = timed.filter((input) =>
      input.edges.length === 0
        ? input.entry.declared !== undefined
        : input.edges.some((edge) => edge.from.hasWatermark),
    )
    this.hasWatermark = this.source === undefined ? marked.length > 0 : this.source.declared !== undefined
    this.ruling = this.definition.bareInputs === 'ignored' ? marked : timed
    if (this.hasWatermark && this.source === undefined) checkAllMarked(this)
    this.isCapped =
      !this.hasWatermark &&
      (this.source?.isCapped === true || timed.some((input) => input.edges.some((edge) => edge.from.isCapped)))
    const restored = this.scope.restoredTime(this)
    if (restored !== undefined) {
      this.streamTime = restored
      if (!this.isPulled) this.streamDue = restored
    }
    this.cached = this.scope.restoredReach(this)
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
    if (this.isReady && ((rows && !this.needs.rows) || (previous && !this.needs.previous)))
      throw lateBranch(this.operator)
    this.needs = { rows, previous, previousIfKept }
  }

  /** A branch that came later must agree with what was set up before. */
  checkWindowing(): void {
    this.windowing = windowingBefore(this)
    this.resolvers = new Set(this.timed.flatMap(({ edges }) => edges.flatMap(({ from }) => [...from.resultsOf])))
    // Windows come from what is no table.
    const isOfWindows = this.timed[0]?.edges[0]?.from.resultWindowing !== undefined
    this.resolved = isOfWindows ? lastToClose(this.resolvers) : undefined
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

  /** The window of what it emits, if these are results of a window. */
  get resultWindowing(): Windowing | undefined {
    return this.definition.windowing === 'resolves' ? this.windowing : this.resolved
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
    this.hasEmitted = true
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
      if (!isTimestamp(timestamp)) throw badTimestamp(timestamp)
      if (this.due <= timestamp && !this.hasWatermark) this.rise(timestamp)
      this.streamTime = timestamp
      if (this.hasWatermark) return this.time()
      this.version = -1
      if (!this.isCapped) this.streamDue = timestamp
    }
    return this.time()
  }

  /** Stream time is about to rise so far that something is due: what it has promised stands until that has fired. */
  private rise(timestamp: number): void {
    if (this.isCapped) {
      if (this.isDueAt(Math.min(timestamp, this.cap()))) this.scope.beginHeld()
    } else if (!this.isRisen) {
      this.hold()
      this.isRisen = true
    }
  }

  /** Remembers its time. */
  hold(): void {
    this.heldTime = Math.max(this.heldTime, this.time())
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
      for (const input of this.timed) least = Math.min(least, input.cap())
      this.capVersion = this.scope.version
      this.capped = least
    }
    return this.capped
  }

  readonly toldTime = (): number => toldTime(this)

  readonly inputCap = (input: number): number => (this.inputs[input] as Input).cap()

  /** Whether advances fire it, rather than its own records. */
  get isPulled(): boolean {
    return this.hasWatermark || this.isCapped
  }

  /** The time that it promises to what follows: nothing with a smaller timestamp comes any more. */
  outputTime(): number {
    return this.promised((this.isEnding && !this.isComplete) || this.isHeld)
  }

  promised(isHeld: boolean): number {
    const time = isHeld ? this.heldTime : this.time()
    return this.handlers.holds === undefined ? time : this.handlers.holds(time)
  }

  /** An advance has yet to fire it. */
  get isHeld(): boolean {
    return this.firings.length > 0 && this.isPulled && this.scope.isHeld(this)
  }

  readonly fires = (firing: Firing): void => {
    this.firings.push(firing)
  }

  readonly dueChanged = (): void => {
    let due = Number.POSITIVE_INFINITY
    for (const firing of this.firings) due = Math.min(due, firing.due())
    this.due = due
    if (!this.isPulled) return
    if (due < this.scope.minDue) this.scope.minDue = due
    // Set for a time that is over already: it fires once the record has been handled.
    if (active === this.scope && !this.scope.isAdvancing && this.isDueAt(this.time())) this.scope.beginHeld()
  }

  readonly fireDue = (): void => {
    const time = this.time()
    while (this.isDueAt(time)) this.fireOne()
    if (this.isPulled) this.heldTime = Math.max(this.heldTime, time)
    this.isRisen = false
  }

  /** Whether it has something to fire at that time. At +Infinity, its end, all that it holds is due, and nothing if it holds nothing. */
  isDueAt(time: number): boolean {
    return this.due <= time && this.due < Number.POSITIVE_INFINITY
  }

  fireOne(): void {
    let first = this.firings[0] as Firing
    for (const firing of this.firings) if (firing.due() < first.due()) first = firing
    const { scope } = this
    const wasFiring = scope.isFiring
    scope.isFiring = true
    first.fireNext()
    scope.isFiring = wasFiring
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

  readonly origin = (): Origin | undefined => {
    return this.scope.origin()
  }

  readonly onBehalf = (attempt: Attempt): Outcome => {
    return this.scope.onBehalf(this, attempt)
  }

  readonly target = (): TopicTarget => {
    return this.scope.target(this)
  }

  readonly write = (write: TopicWrite): void => {
    this.scope.write(this, write)
  }

  writeRow(record: AnyRecord): void {
    this.scope.writeRow(this, record)
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

const NOT_READY: Handlers<never> = {
  record() {
    throw new TidemarkError('NOT_PLANNED', 'a record came before the pipeline was complete')
  },
}

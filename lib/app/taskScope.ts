import type { Subscription } from 'rxjs'
import type { OutRecord, Position } from '../ports/broker.js'
import type { Clock } from '../ports/clock.js'
import type { StoreEntry } from '../ports/store.js'
import { TidemarkError } from '../record/errors.js'
import type { Key } from '../record/key.js'
import type { StreamRecord } from '../record/record.js'
import { type TimeStamp, timeHeader } from '../record/stamp.js'
import type {
  AnyRecord,
  Definition,
  DropReason,
  ExchangeRole,
  SourceRole,
  TaskInfo,
  TopicTarget,
  TopicWrite,
} from '../task/definition.js'
import { gap } from '../task/local.js'
import type { Input, Node } from '../task/node.js'
import { Scope } from '../task/scope.js'
import type { Checkpointed } from '../task/state.js'
import { upstream } from '../task/upstream.js'
import { idleWatermarks, type Lane, SourceTime } from '../task/watermark.js'
import { AlignedPartition, type AlignmentGroup } from './alignment.js'
import { fromSaved, type Manifest, manifestEntry, type SavedTime, type Snapshot, toSaved } from './checkpoint.js'
import { type PartitionQueue, unstamp } from './partitionQueue.js'
import type { Plan, PlannedSource, SubTopology } from './plan.js'

/** What a task needs of the runtime around it. */
export interface TaskHost {
  readonly clock: Clock
  readonly plan: Plan
  /** Partition count of a topic. */
  partitions(topic: string): number
  /** Number of tasks of a sub-topology. */
  tasksIn(subTopology: number): number
  /** Number of the running slice. */
  readonly slice: number
  /** How long a partition that is caught up is waited for, where others have records. */
  readonly maxTaskIdleMs: number
  /** The sources of this process that wait for each other under that name. */
  alignment(group: string): AlignmentGroup
  /** The task has something to do that comes from no partition. */
  wake(): void
  /** Something went wrong; `fatal`: the app ends by it. */
  error(error: TidemarkError, fatal: boolean): void
}

/** A source node in the task. */
export interface Reader {
  readonly node: Node
  readonly role: SourceRole | ExchangeRole
  readonly planned: PlannedSource
  readonly time: SourceTime
  /** The lane that its last record belonged to. */
  lane: Lane | undefined
  partition: number
}

/** What a partition of an exchange has heard. */
interface Told {
  readonly time: number
  readonly idle: boolean
  /** Wall clock, ms: when, and since when it has been idle at a stretch. */
  readonly at: number
  readonly idleSince: number | undefined
}

/** A word of an idle task waits for this share of its silence: time behind an exchange is that much slower, and a day of silence takes some 300 words. */
const IDLE_SHARE = 1 / 32

/** One sub-topology on one partition: its own subscription of the pipeline, its state, time and place in the log. */
export class TaskScope extends Scope {
  readonly info: TaskInfo
  readonly clock: Clock
  readonly tracked = true
  readonly queues: PartitionQueue[] = []
  private readonly sources = new Map<string, Reader[]>()
  private readonly states: Checkpointed[] = []
  private readonly subscriptions: Subscription[] = []
  private readonly blocking = new Set<Node>()
  private pending: (() => void)[] = []
  private isRunning = false
  /** Wall clock, ms, when the running slice began. */
  private sliceAt = 0
  /** Of the record that is being handled. */
  private current: PartitionQueue | undefined
  failure: TidemarkError | undefined
  /** Written since the last call of {@link takeOutput}. */
  output: OutRecord[] = []
  /** A checkpoint is about to be taken: a running advance goes on, but nothing new begins. */
  isQuiescing = false
  /** Something has happened that a checkpoint would tell. */
  isChanged = false
  handled = 0
  private cancelWake: (() => void) | undefined
  private readonly told = new Map<Node, Told[]>()
  /** Partitions to be read before all others, and up to where. */
  private bootstrapping: { readonly queue: PartitionQueue; readonly until: number }[] = []

  constructor(
    readonly sub: SubTopology,
    readonly partition: number,
    private readonly host: TaskHost,
    private readonly snapshot: Snapshot,
    /** The topics of which a partition belongs to it. */
    private readonly topics: readonly string[],
  ) {
    super()
    this.info = { id: taskId(sub.id, partition), partition, writer: writerId(sub, partition) }
    this.clock = host.clock
  }

  /** Subscribes the pipeline. @throws TidemarkError `FOREIGN_TASK` if the graph isn't the planned one */
  open(): void {
    for (const root of this.sub.roots) {
      this.subscriptions.push(this.within(() => root.subscribe({ error: (error) => this.fail(error) })))
      if (this.failure !== undefined) throw this.failure
    }
    for (const definition of this.sub.definitions) {
      if (this.nodes.has(definition)) continue
      throw new TidemarkError(
        'FOREIGN_TASK',
        'this task has not got all of its operators: one stands behind share, shareReplay, connect or a Subject, which serves one task only; use shared() instead',
        {
          operator: definition.name ?? definition.kind,
        },
      )
    }
    this.seal()
    this.openToReaders()
    this.isRunning = true
  }

  close(): void {
    this.isRunning = false
    this.cancelWake?.()
    for (const queue of this.queues) queue.aligned?.leave()
    this.abandon()
    this.closeNodes()
    for (const subscription of this.subscriptions) subscription.unsubscribe()
  }

  protected admit(definition: Definition): void {
    const place = { operator: definition.name ?? definition.kind }
    if (this.isRunning) {
      throw new TidemarkError(
        'NOT_PLANNED',
        'an operator was subscribed while its task runs (by concat, switchMap, retry or the like); merge instead of concat and switchMap, and give retries to mapAsync',
        place,
      )
    }
    if (!this.sub.definitions.includes(definition)) {
      throw new TidemarkError(
        'NOT_PLANNED',
        'an operator was subscribed that was not there when the app was planned; pipelines must not depend on chance or time',
        place,
      )
    }
  }

  protected isCut(definition: Definition): boolean {
    return definition.role?.is === 'exchange'
  }

  protected override created(node: Node): void {
    const planned = this.sub.sources.find((source) => source.definition === node.definition)
    if (planned === undefined) return
    const role = node.definition.role as SourceRole | ExchangeRole
    const time = new SourceTime()
    time.declared = planned.watermark
    node.source = time
    if (role.is === 'exchange') {
      time.carried = true
      // No time is known before all that write here have told theirs.
      const writing = this.host.plan.subTopologies[planned.writtenBy as number] as SubTopology
      time.isCapped = this.host.tasksIn(writing.id) > 1
      for (let p = 0; p < this.host.tasksIn(writing.id); p++) time.lane(writerId(writing, p), this.clock.now())
    }
    const resolved = role.is === 'exchange' ? { ...role, key: planned.keySerde } : role
    const list = this.sources.get(planned.topic)
    const reader: Reader = { node, role: resolved, planned, time, lane: undefined, partition: -1 }
    if (list === undefined) this.sources.set(planned.topic, [reader])
    else list.push(reader)
    time.isAbsent = !this.topics.includes(planned.topic)
    this.restoreTime(time, this.snapshot.manifest?.sources[this.sourceName(reader)])
  }

  private sourceName({ node, planned }: Reader): string {
    return `${planned.topic}#${(this.sources.get(planned.topic) ?? []).findIndex((other) => other.node === node)}`
  }

  private restoreTime(time: SourceTime, saved: SavedTime | undefined): void {
    time.watermark = fromSaved(saved?.watermark)
    for (const [id, newest, watermark, idle] of saved?.lanes ?? []) {
      // Another plan had other writers.
      if (time.carried && !time.lanes.has(id)) continue
      const lane = time.lane(id, this.clock.now())
      lane.newest = fromSaved(newest)
      lane.watermark = fromSaved(watermark)
      lane.idle = idle
    }
    if (time.carried && time.declared === undefined) time.cap = time.leastTold()
  }

  protected override sort(): Node[] {
    return this.sub.definitions.map((definition) => this.nodes.get(definition)).filter((node) => node !== undefined)
  }

  restored(name: string): Iterable<readonly [key: string, value: Uint8Array]> {
    return this.snapshot.take(name)
  }

  restoredTime(node: Node): number | undefined {
    return this.snapshot.manifest?.streamTimes[this.timeName(node)]
  }

  private timeName({ definition }: Node): string {
    const { name, kind, role } = definition
    const known = name ?? `${kind}-${this.sub.definitions.indexOf(definition)}`
    // The two halves of an exchange have one name, and may be in one task.
    return role?.is === 'writer' ? `${known}>` : known
  }

  stateName(node: Node): string {
    return (
      node.definition.name ?? `${node.definition.kind}-${[...this.host.plan.nodes.keys()].indexOf(node.definition)}`
    )
  }

  register<S extends Checkpointed>(_node: Node, state: S): S {
    this.states.push(state)
    return state
  }

  // ---- running

  /** Whether it takes records now. */
  get isBlocked(): boolean {
    return this.blocking.size > 0
  }

  /** Handles records until there is none to handle or `isOver` says so; true if there may be more. */
  step(isOver: () => boolean): boolean {
    let more = true
    this.sliceAt = this.clock.now()
    this.dispatch(() => {
      for (let n = 1; this.failure === undefined; n++) {
        if (this.isAdvancing) {
          this.isChanged = true
          if (!this.continueAdvance(isOver)) return
        }
        if (this.isQuiescing) {
          more = false
          return
        }
        const run = this.pending.shift()
        if (run !== undefined) {
          this.isChanged = true
          run()
          this.beginAdvance()
        } else {
          const queue = this.isBlocked ? undefined : this.choose()
          if (queue === undefined) {
            more = false
            return
          }
          this.handle(queue)
        }
        if ((n & 31) === 0 && isOver()) return
      }
    })
    return more && this.failure === undefined
  }

  /** Finishes an advance that a slice has interrupted, in one piece: at the end of a task. */
  settle(): void {
    this.dispatch(() => {
      if (this.failure === undefined) this.continueAdvance(() => false)
    })
  }

  /** The partition whose next record is handled now. */
  private choose(): PartitionQueue | undefined {
    // Whatever their group says: what they would wait for waits for them.
    if (this.bootstrapping.length > 0 && this.bootstraps.length > 0) return this.earliest(this.bootstraps, false)
    for (;;) {
      const first = this.earliest(this.queues, true)
      if (first?.aligned === undefined || !first.aligned.isAhead(this.host.slice)) return first
    }
  }

  /** That with the smallest timestamp; none while one with lag is waited for, or one that is caught up, for as long as it may be. */
  private earliest(queues: readonly PartitionQueue[], isAligned: boolean): PartitionQueue | undefined {
    const { slice, maxTaskIdleMs } = this.host
    let first: PartitionQueue | undefined
    let least = Number.POSITIVE_INFINITY
    let idleMs = Number.POSITIVE_INFINITY
    for (const queue of queues) {
      if (queue.size === 0) {
        if (queue.lag > 0) return undefined
        if (maxTaskIdleMs === 0 || queues.length === 1) continue
        queue.quietSince ??= this.sliceAt
        const restMs = queue.quietSince + maxTaskIdleMs - this.sliceAt
        if (restMs > 0) idleMs = Math.min(idleMs, restMs)
        continue
      }
      queue.quietSince = undefined
      if (isAligned && queue.aligned?.waitsIn(slice) === true) continue
      if (queues.length === 1) return queue
      const timestamp = this.timestampOf(queue)
      if (timestamp < least) {
        least = timestamp
        first = queue
      }
    }
    if (first === undefined || idleMs === Number.POSITIVE_INFINITY) return first
    this.wakeIn(idleMs)
    return undefined
  }

  /** Partitions that are read before all others. */
  get bootstraps(): readonly PartitionQueue[] {
    this.bootstrapping = this.bootstrapping.filter(({ queue, until }) => queue.position < until)
    return this.bootstrapping.map(({ queue }) => queue)
  }

  private wakeIn(ms: number): void {
    if (this.cancelWake !== undefined) return
    this.cancelWake = this.clock.after(ms, () => {
      this.cancelWake = undefined
      this.host.wake()
    })
  }

  /** Whether a partition waits for others of its group, as of this slice. */
  get isAligning(): boolean {
    return this.queues.some((queue) => queue.aligned?.waitsIn(this.host.slice))
  }

  /** One that can't be read comes first: it has to be dealt with anyhow. */
  private timestampOf(queue: PartitionQueue, role = this.sources.get(queue.topic)?.[0]?.role): number {
    try {
      return role === undefined ? 0 : queue.record(role).timestamp
    } catch {
      return Number.NEGATIVE_INFINITY
    }
  }

  private handle(queue: PartitionQueue): void {
    this.isChanged = true
    this.handled++
    this.current = queue
    for (const reader of this.sources.get(queue.topic) ?? []) {
      const { node, role } = reader
      let record: StreamRecord<Key | null, unknown>
      try {
        record = queue.record(role)
      } catch (error) {
        if (role.is === 'source' && role.badRecords === 'skip') {
          node.countDrop('bad record')
          this.host.error(error as TidemarkError, false)
          continue
        }
        this.fail(error)
        return
      }
      if (role.is === 'exchange') this.deliverExchanged(reader, record)
      else this.deliver(reader, queue.partition, record)
      if (this.failure !== undefined) return
    }
    queue.done()
    this.current = undefined
  }

  private deliver(reader: Reader, partition: number, record: StreamRecord<Key | null, unknown>): void {
    const { node, time } = reader
    if (reader.partition !== partition || reader.lane === undefined) {
      reader.lane = time.lane(String(partition), this.sliceAt)
      reader.partition = partition
    }
    reader.lane.activeAt = this.sliceAt
    this.measure(time, reader.lane, record.timestamp)
    if (record.timestamp > node.streamTime) node.streamTime = record.timestamp
    node.emit(record)
    if (time.declared?.punctuated === undefined || this.failure !== undefined) return
    try {
      this.punctuate(time, reader.lane, record)
    } catch (error) {
      this.caught(node, error, record)
    }
  }

  private deliverExchanged({ node, time: source }: Reader, raw: StreamRecord<Key | null, unknown>): void {
    const { record, time } = unstamp(raw)
    if (time !== undefined) this.takeStamp(source, time)
    if (time?.isWord !== true) {
      if (record.timestamp > node.streamTime) node.streamTime = record.timestamp
      node.emit(record)
    }
  }

  private takeStamp(source: SourceTime, stamp: TimeStamp): void {
    const lane = source.lanes.get(stamp.task)
    if (lane === undefined) return
    lane.idle = stamp.idle
    if (stamp.time > lane.watermark) lane.watermark = stamp.time
    if (stamp.hasWatermark) {
      const least = source.least()
      if (least > source.watermark) this.raise(source, least)
    } else if (source.declared === undefined) {
      source.cap = source.leastTold()
      if (!source.isCapped) return
      this.version++
      this.beginAdvance()
    }
  }

  /**
   * Looks for idle partitions, and lets time go on by it.
   *
   * @param ends ends of the log just asked of the broker, by topic; a topic that isn't there counts as busy
   */
  checkIdle(ends: ReadonlyMap<string, readonly number[]>): void {
    if (this.failure !== undefined) return
    const sources = this.readers
    const topics = new Map(sources.map(({ time, planned }) => [time, planned.topic]))
    const isCaughtUp = (source: SourceTime, lane: string | number): boolean => {
      const topic = topics.get(source)
      const queue = this.queues.find((other) => other.topic === topic && String(other.partition) === String(lane))
      const end = topic === undefined ? undefined : ends.get(topic)?.[Number(lane)]
      return (
        queue !== undefined &&
        end !== undefined &&
        queue.size === 0 &&
        queue.position >= end &&
        !queue.isPaused &&
        !this.isBlocked
      )
    }
    this.dispatch(() => {
      const risen = idleWatermarks([...topics.keys()], this.clock.now(), isCaughtUp)
      for (const [source, watermark] of risen) this.raise(source, watermark)
    })
  }

  /** Topics of which an idle check needs to know the end: some partition has been quiet for its time-out. */
  quietTopics(): string[] {
    const now = this.clock.now()
    return this.readers.flatMap(({ time, planned }) => {
      const { declared, lanes, carried } = time
      const isQuiet =
        declared !== undefined && !carried && [...lanes.values()].some((lane) => now - lane.activeAt >= declared.idleMs)
      return isQuiet ? [planned.topic] : []
    })
  }

  /** Opens a partition's lane: one that never has a record holds back time too, until it is idle. */
  addQueue(queue: PartitionQueue): void {
    this.queues.push(queue)
    if (this.sub.bootstraps.includes(queue.topic)) this.bootstrapping.push({ queue, until: queue.end })
    for (const { time, role } of this.sources.get(queue.topic) ?? []) {
      if (role.is !== 'source') continue
      const lane = time.lane(String(queue.partition), this.clock.now())
      const { declared } = time
      // Where a topic is read by several streams, the first that declares one: else each could wait for the other.
      if (declared?.alignment === undefined || queue.aligned !== undefined) continue
      const group = this.host.alignment(declared.alignment.group)
      queue.aligned = new AlignedPartition(group, queue, lane, declared, () => this.timestampOf(queue, role))
    }
    this.version++
  }

  /** Tells the readers of exchanges how far time is, in partitions where no record has told them. */
  stampExchanges(): void {
    if (this.failure !== undefined) return
    const now = this.clock.now()
    for (const { node, time, planned } of this.readers)
      time.isSilent = node.streamTime === Number.NEGATIVE_INFINITY && !this.hasMore(planned.topic)
    for (const node of this.ordered) {
      if (node.definition.role?.is !== 'writer') continue
      const { hasWatermark } = node
      const known = node.toldTime()
      // +Infinity: no partition of this task feeds the exchange, or in stream time there was no record and none is to come.
      const isSilent = known === Number.POSITIVE_INFINITY
      const time = isSilent ? Number.NEGATIVE_INFINITY : known
      const idle = isSilent || (hasWatermark && this.isQuiet(node))
      if (time === Number.NEGATIVE_INFINITY && !idle) continue
      const target = this.target(node)
      const told = this.toldBy(node)
      for (let partition = 0; partition < target.partitions; partition++) {
        const last = told[partition]
        if (last !== undefined && last.time === time && last.idle === idle) continue
        const idleSince = idle ? (last?.idleSince ?? now) : undefined
        // The clock goes on for ever: an app that is idle says so less and less often.
        if (last?.idle === true && idleSince !== undefined && now - last.at < (now - idleSince) * IDLE_SHARE) continue
        told[partition] = { time, idle, at: now, idleSince }
        this.output.push({
          topic: target.topic,
          partition,
          key: null,
          value: null,
          timestamp: Math.max(0, Number.isFinite(time) ? time : 0),
          headers: [timeHeader({ task: this.info.writer, time, hasWatermark, idle, isWord: true })],
        })
      }
    }
  }

  /**
   * Whether all that a writer gets its records from is idle, and nothing is under way that would come out by itself. What else the task reads may come of
   * these very records: a foreign-key join has its answers from there.
   */
  private isQuiet(writer: Node): boolean {
    const before = upstream(writer)
    return (
      this.readers.every(({ node, time }) => !before.has(node) || !time.declared || time.isAbsent || time.isIdle) &&
      ![...before].some((node) => (node.handlers.underWay?.() ?? 0) > 0)
    )
  }

  private hasMore(topic: string): boolean {
    return this.queues.some((queue) => queue.topic === topic && (queue.size > 0 || queue.lag > 0))
  }

  /** What each partition of an exchange has last heard of this task's time. */
  private toldBy(node: Node): Told[] {
    let told = this.told.get(node)
    if (told === undefined) {
      told = []
      this.told.set(node, told)
    }
    return told
  }

  // ---- what nodes ask for

  later(_node: Node, run: () => void): void {
    this.pending.push(run)
    this.host.wake()
  }

  block(node: Node, blocked: boolean): void {
    if (blocked) this.blocking.add(node)
    else if (this.blocking.delete(node)) this.host.wake()
  }

  target(node: Node): TopicTarget {
    const { role } = node.definition
    if (role?.is === 'sink')
      return { topic: role.topic, partitions: this.host.partitions(role.topic), keySerde: role.key }
    if (role?.is !== 'writer')
      throw new TidemarkError('NOT_PLANNED', `${node.operator} writes to no topic`, { operator: node.operator })
    const exchange = role.exchange()
    for (const sub of this.host.plan.subTopologies) {
      const source = sub.sources.find((other) => other.definition === exchange)
      if (source !== undefined)
        return {
          topic: source.topic,
          partitions: this.host.partitions(source.topic),
          keySerde: source.keySerde as TopicTarget['keySerde'],
        }
    }
    throw new TidemarkError('NOT_PLANNED', 'the reading half of this exchange is in no plan', {
      operator: node.operator,
    })
  }

  write(node: Node, write: TopicWrite): void {
    if (node.definition.role?.is === 'writer') {
      const time = node.toldTime()
      this.toldBy(node)[write.partition] = { time, idle: false, at: 0, idleSince: undefined }
    }
    this.output.push(write)
  }

  // ---- errors

  outside(input: Input, record: unknown): void {
    if (this.failure === undefined && this.isRunning) this.fail(gap(input, record as AnyRecord, this))
  }

  caught(node: Node, error: unknown, record: AnyRecord | undefined): void {
    this.fail(this.wrap(node, error, record))
  }

  inputError(input: Input, error: unknown): void {
    if (this.failure !== undefined) return
    if (error instanceof TidemarkError) this.fail(error)
    else {
      const message = `a plain RxJS operator before ${input.node.operator} threw: ${error instanceof Error ? error.message : String(error)}`
      this.fail(
        new TidemarkError(
          'PIPELINE_ERROR',
          message,
          { operator: input.node.operator, ...this.currentPlace() },
          { cause: error },
        ),
      )
    }
  }

  inputComplete(input: Input): void {
    if (!this.isRunning || this.failure !== undefined) return
    const isRoot = input.node.definition.role?.is === 'root'
    this.fail(
      new TidemarkError(
        isRoot ? 'PIPELINE_COMPLETED' : 'DETACHED',
        `the stream before ${input.node.operator} completed while the app runs (take, first, takeUntil, takeWhile?); a pipeline of an app never ends. Its offsets stand still`,
        { operator: input.node.operator, ...this.currentPlace() },
      ),
    )
  }

  protected released(node: Node): void {
    if (!this.isRunning || this.failure !== undefined) return
    this.fail(
      new TidemarkError(
        'DETACHED',
        `a consumer of ${node.operator} went away while the app runs (take, retry, catchError, switchMap?)`,
        {
          operator: node.operator,
          ...this.currentPlace(),
        },
      ),
    )
  }

  private currentPlace() {
    const queue = this.current
    return queue === undefined ? {} : { topic: queue.topic, partition: queue.partition, offset: queue.position }
  }

  fail(error: unknown): void {
    if (this.failure !== undefined) return
    const known =
      error instanceof TidemarkError
        ? error
        : new TidemarkError('OPERATOR_FAILED', String(error), this.currentPlace(), { cause: error })
    // A record that an operator made has no place in the log: that of the record behind it helps.
    this.failure = known.place.topic ? known : known.at(this.currentPlace())
    this.abandon()
    this.host.error(this.failure, true)
  }

  // ---- checkpoints

  takeOutput(): OutRecord[] {
    const { output } = this
    this.output = []
    return output
  }

  get positions(): Position[] {
    return this.queues.map(({ topic, partition, position }) => ({ topic, partition, offset: position }))
  }

  /** What has changed since the last checkpoint, encoded now: the task may go on while it is written. */
  takeCheckpoint(): StoreEntry[] {
    this.isChanged = false
    const entries: StoreEntry[] = []
    for (const state of this.states) state.takeChanges(entries)
    const sources: Record<string, SavedTime> = {}
    for (const reader of this.readers) {
      const { time } = reader
      sources[this.sourceName(reader)] = {
        watermark: toSaved(time.watermark),
        lanes: [...time.lanes].map(
          ([id, lane]) => [String(id), toSaved(lane.newest), toSaved(lane.watermark), lane.idle] as const,
        ),
      }
    }
    const streamTimes: Record<string, number> = {}
    for (const node of this.ordered)
      if (Number.isFinite(node.streamTime)) streamTimes[this.timeName(node)] = node.streamTime
    const manifest: Manifest = {
      version: 1,
      plan: this.host.plan.fingerprint,
      positions: this.positions,
      states: this.sub.states,
      sources,
      streamTimes,
    }
    entries.push(manifestEntry(manifest))
    return entries
  }

  // ---- figures

  get readers(): readonly Reader[] {
    return [...this.sources.values()].flat()
  }

  /** Operators that take no more records at present. */
  get full(): readonly Node[] {
    return [...this.blocking]
  }

  /** The lowest of its sources' watermarks; where none is declared, the highest timestamp that it has read. */
  get watermark(): number {
    const marked = this.readers.filter(({ node, time }) => node.hasWatermark && !time.isAbsent)
    if (marked.length === 0) return Math.max(...this.readers.map(({ node }) => node.streamTime))
    return Math.min(...marked.map(({ time }) => time.watermark))
  }

  drops(): { operator: string; reason: DropReason; count: number }[] {
    return this.ordered.flatMap((node) =>
      [...node.drops].map(([reason, count]) => ({ operator: node.operator, reason, count })),
    )
  }
}

const writerId = (sub: SubTopology, partition: number) => `${sub.title}/${partition}`

export const taskId = (subTopology: number, partition: number) => `${subTopology}_${partition}`

import type { Subscription } from 'rxjs'
import type { OutRecord, Position } from '../ports/broker.js'
import type { Clock } from '../ports/clock.js'
import type { StoreEntry } from '../ports/store.js'
import { TidemarkError } from '../record/errors.js'
import type { Key } from '../record/key.js'
import type { StreamRecord } from '../record/record.js'
import type { TimeStamp } from '../record/stamp.js'
import type {
  AnyRecord,
  Attempt,
  Definition,
  DropReason,
  ExchangeRole,
  Outcome,
  SourceRole,
  TaskInfo,
  TopicTarget,
  TopicWrite,
} from '../task/definition.js'
import type { ErrorPolicies, ErrorStage } from '../task/errorPolicy.js'
import type { Input } from '../task/input.js'
import { gap } from '../task/local.js'
import type { Node } from '../task/node.js'
import type { Origin } from '../task/origin.js'
import { Scope } from '../task/scope.js'
import type { Checkpointed } from '../task/state.js'
import { idleWatermarks, type Lane, SourceTime } from '../task/watermark.js'
import { AlignedPartition, type AlignmentGroup } from './alignment.js'
import { Attempts, FIRST } from './attempts.js'
import type { Verdict } from './badRecords.js'
import type { TaskChangelog } from './changelog.js'
import { fromSaved, type Manifest, manifestEntry, type Snapshot, toSaved } from './checkpoint.js'
import { dictionary } from './dictionary.js'
import { ExchangeWords } from './exchangeWords.js'
import { PartitionChoice } from './partitionChoice.js'
import { type PartitionQueue, unstamp } from './partitionQueue.js'
import type { Plan, SubTopology } from './plan.js'
import { recordBytes } from './recordBytes.js'
import { hasLastingName, operatorNames } from './storedPlan.js'
import { type Reader, TaskReaders } from './taskReaders.js'
import { topicTarget } from './topicTarget.js'
import { WaitingRows } from './waitingRows.js'

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
  /** What becomes of records that go wrong where neither the operator nor the source says so. */
  readonly onError: ErrorPolicies | undefined
  /** Something went wrong; `fatal`: the app ends by it. */
  error(error: TidemarkError, fatal: boolean): void
  /** The task has ended half-way through a record: it is to begin anew at its last checkpoint, by {@link TaskScope.takeOver}. */
  goBack(task: TaskScope): void
}

/** One sub-topology on one partition: its own subscription of the pipeline, its state, time and place in the log. */
export class TaskScope extends Scope {
  readonly info: TaskInfo
  readonly clock: Clock
  readonly tracked = true
  readonly queues: PartitionQueue[] = []
  private readonly sources = new TaskReaders()
  private readonly choice: PartitionChoice
  private readonly words: ExchangeWords
  /** Under which a checkpoint has the times of operators. */
  private readonly names: ReadonlyMap<Definition, string>
  private readonly isSamePlan: boolean
  private readonly states: Checkpointed[] = []
  private readonly subscriptions: Subscription[] = []
  private readonly blocking = new Set<Node>()
  private pending: (() => void)[] = []
  private isRunning = false
  /** Wall clock, ms, when the running slice began. */
  private sliceAt = 0
  /** Of the record that is being handled. */
  private current: PartitionQueue | undefined
  private readonly attempts: Attempts
  /** The current record as each source reads it. */
  private readonly readings: (StreamRecord<Key | null, unknown> | undefined)[] = []
  /** Wall clock, ms: when a record that it waits with is tried again. */
  againAt: number | undefined
  private cancelPause = () => {}
  failure: TidemarkError | undefined
  /** Written since the last call of {@link takeOutput}. */
  output: OutRecord[] = []
  readonly rows = new WaitingRows()
  /** About what that takes in memory. */
  outputBytes = 0
  /** A checkpoint is about to be taken: a running advance goes on, but nothing new begins. */
  isQuiescing = false
  /** Something has happened that a checkpoint would tell. */
  isChanged = false
  handled = 0

  constructor(
    readonly sub: SubTopology,
    readonly partition: number,
    private readonly host: TaskHost,
    private readonly snapshot: Snapshot,
    /** The topics of which a partition belongs to it. */
    private readonly topics: readonly string[],
    /** Where its states have changelogs. */
    readonly changelog: TaskChangelog | undefined,
  ) {
    super()
    this.info = { id: taskId(sub.id, partition), partition, writer: writerId(sub, partition) }
    this.clock = host.clock
    this.choice = new PartitionChoice(this.queues, host, (queue) => this.timestampOf(queue))
    this.words = new ExchangeWords(this.info.writer, this.sources, this.queues)
    this.attempts = new Attempts(this, host, () => this.currentRecord())
    this.names = operatorNames(host.plan, sub)
    this.isSamePlan = snapshot.plan?.operators.join() === [...this.names.values()].join()
    // A first checkpoint waits for something to tell.
    this.isChanged = snapshot.manifest !== undefined && snapshot.isChanged
  }

  /** Goes on for a task that has gone back to its last checkpoint: knows what that one has learnt, and counts on. */
  takeOver(before: TaskScope): void {
    this.attempts.takeOver(before.attempts, before.output)
    this.handled = before.handled
    for (const [definition, { drops }] of before.nodes)
      for (const [reason, count] of drops) this.nodeOf(definition).drops.set(reason, count)
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
    this.cancelPause()
    this.choice.close()
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
    const reader: Reader = { node, role: resolved, planned, time, lane: undefined, partition: -1 }
    time.isAbsent = !this.topics.includes(planned.topic)
    this.sources.add(reader)
    this.sources.restore(reader, this.snapshot.manifest?.sources, this.clock.now())
  }

  protected override sort(): Node[] {
    return this.sub.definitions.map((definition) => this.nodes.get(definition)).filter((node) => node !== undefined)
  }

  restored(name: string): Iterable<readonly [key: string, value: Uint8Array]> {
    return this.snapshot.take(name)
  }

  restoredTime(node: Node): number | undefined {
    const saved = this.snapshot.manifest?.streamTimes ?? {}
    const name = this.nameOf(node)
    return this.isKnown(node) && Object.hasOwn(saved, name) ? saved[name] : undefined
  }

  /** Where time comes from others, these may be new, or begin anew: what has closed stays closed. */
  override restoredReach(node: Node): number {
    const { manifest } = this.snapshot
    if (manifest === undefined || node.definition.name === undefined) return Number.NEGATIVE_INFINITY
    const name = this.nameOf(node)
    const { times, streamTimes } = manifest
    return fromSaved(
      Object.hasOwn(times, name) ? times[name] : Object.hasOwn(streamTimes, name) ? streamTimes[name] : undefined,
    )
  }

  private nameOf({ definition }: Node): string {
    return this.names.get(definition) as string
  }

  /** Whether what the checkpoint has under an operator's name is this operator's. */
  private isKnown({ definition }: Node): boolean {
    return hasLastingName(definition) || this.isSamePlan
  }

  stateName(node: Node): string {
    return (
      node.definition.name ?? `${node.definition.kind}-${[...this.host.plan.nodes.keys()].indexOf(node.definition)}`
    )
  }

  register<S extends Checkpointed>(node: Node, state: S): S {
    this.states.push(state)
    this.attempts.keeps(node)
    return state
  }

  protected override makeReady(node: Node): void {
    super.makeReady(node)
    this.attempts.watch(node)
  }

  // ---- running

  /** Whether it takes records now. */
  get isBlocked(): boolean {
    return this.blocking.size > 0 || this.againAt !== undefined
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
          const queue = this.isBlocked ? undefined : this.choice.choose(this.sliceAt)
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

  /** Whether nothing goes on: no record is left but of partitions that are held, and nothing that would come out by itself. */
  get isAtRest(): boolean {
    return (
      !this.isAdvancing &&
      this.pending.length === 0 &&
      this.output.length === 0 &&
      this.queues.every((queue) => queue.isHeld || (queue.size === 0 && queue.lag === 0)) &&
      !this.ordered.some((node) => (node.handlers.underWay?.() ?? 0) > 0)
    )
  }

  /** Finishes an advance that a slice has interrupted, in one piece: at the end of a task. */
  settle(): void {
    this.dispatch(() => {
      if (this.failure === undefined) this.continueAdvance(() => false)
    })
  }

  /** One that can't be read comes first: it has to be dealt with anyhow. */
  private timestampOf(queue: PartitionQueue, role = this.sources.of(queue.topic)[0]?.role): number {
    try {
      return role === undefined ? 0 : queue.record(role).timestamp
    } catch {
      return Number.NEGATIVE_INFINITY
    }
  }

  private handle(queue: PartitionQueue): void {
    this.isChanged = true
    this.current = queue
    const { known } = this.attempts
    const verdict = known.isEmpty ? undefined : known.on(this.currentPlace() as Origin)
    if (verdict !== undefined && verdict.policy !== 'again') this.leaveOut(queue, verdict)
    else if (verdict !== undefined && verdict.notBefore > this.clock.now()) this.pauseUntil(verdict.notBefore)
    else this.take(queue, verdict)
    if (this.failure === undefined) this.current = undefined
  }

  private take(queue: PartitionQueue, again: Verdict | undefined): void {
    this.attempts.begin(again === undefined ? FIRST : { ...FIRST, tries: again.tries })
    const readers = this.sources.of(queue.topic)
    if (this.read(queue, readers)) {
      for (let n = 0; n < readers.length && this.isGoing; n++) {
        const record = this.readings[n]
        if (record !== undefined) this.deliver(readers[n] as Reader, record, true)
      }
    }
    const outcome = this.attempts.end()
    if (outcome !== 'done' && outcome !== 'aside') return
    if (again !== undefined) again.isDone = true
    this.handled++
    queue.done()
  }

  /** The current record as each source reads it, before any of them gets it. False: it is left out, or has to wait. */
  private read(queue: PartitionQueue, readers: readonly Reader[]): boolean {
    this.readings.length = 0
    for (const { node, role } of readers) {
      let record: StreamRecord<Key | null, unknown> | undefined
      try {
        record = queue.record(role)
      } catch (error) {
        this.attempts.wentWrong(node, 'deserialise', error as TidemarkError)
        // Another source of the topic may well be able to read it.
        if (readers.length === 1 || !this.attempts.isLeftToOthers()) return false
      }
      this.readings.push(record)
    }
    return true
  }

  /** The task has gone back because of this record: now it does without, as if a filter behind the source had left it out. */
  private leaveOut(queue: PartitionQueue, verdict: Verdict): void {
    for (const reader of this.sources.of(queue.topic)) {
      try {
        this.deliver(reader, queue.record(reader.role), false)
      } catch {
        // A source that can't read it has no time of it.
      }
    }
    this.attempts.carryOut(verdict)
    this.attempts.known.close(this.currentPlace() as Origin)
    this.handled++
    queue.done()
  }

  private pauseUntil(time: number): void {
    this.againAt = time
    this.cancelPause = this.clock.after(time - this.clock.now(), () => {
      this.againAt = undefined
      this.host.wake()
    })
  }

  private deliver(reader: Reader, given: StreamRecord<Key | null, unknown>, emits: boolean): void {
    const { node, time } = reader
    const stamped = reader.role.is === 'exchange' ? unstamp(given) : undefined
    const record = stamped?.record ?? given
    if (stamped === undefined) this.takeTime(reader, record)
    else if (stamped.time !== undefined) this.takeStamp(time, stamped.time)
    if (stamped?.time?.isWord === true) return
    if (record.timestamp > node.streamTime) node.streamTime = record.timestamp
    time.isSilent = false
    if (!emits) return
    node.emit(record)
    if (time.declared?.punctuated === undefined || !this.isGoing) return
    try {
      this.punctuate(time, reader.lane as Lane, record)
    } catch (error) {
      this.caught(node, error, record)
    }
  }

  private takeTime(reader: Reader, { partition, timestamp }: StreamRecord<Key | null, unknown>): void {
    const { time } = reader
    if (reader.partition !== partition || reader.lane === undefined) {
      reader.lane = time.lane(String(partition), this.sliceAt)
      reader.partition = partition
    }
    reader.lane.activeAt = this.sliceAt
    this.measure(time, reader.lane, timestamp)
  }

  private takeStamp(source: SourceTime, stamp: TimeStamp): void {
    const lane = source.lanes.get(stamp.task)
    if (lane === undefined) return
    lane.idle = stamp.idle
    // +Infinity would be for good: a record that follows it would be late, whatever its timestamp.
    if (stamp.time > lane.watermark && stamp.time < Number.POSITIVE_INFINITY) lane.watermark = stamp.time
    if (stamp.hasWatermark) {
      const least = source.least()
      if (least > source.watermark) this.raise(source, least)
    } else if (source.declared === undefined) {
      const cap = source.leastTold()
      if (cap === source.cap) return
      if (source.isCapped) this.beginHeld()
      source.cap = cap
      this.version++
      // A structure with a time of its own may have something due by the new one.
      for (const node of this.ordered) if (node.isCapped && node.hasFirings) node.dueChanged()
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
    return this.sources.quietTopics(this.clock.now())
  }

  /** Opens a partition's lane: one that never has a record holds back time too, until it is idle. */
  addQueue(queue: PartitionQueue): void {
    this.queues.push(queue)
    if (this.sub.bootstraps.includes(queue.topic)) this.choice.bootstrap(queue)
    for (const { time, role } of this.sources.of(queue.topic)) {
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
    const writers = this.ordered.filter((node) => node.definition.role?.is === 'writer')
    const due = this.words.due(
      writers.map((node) => [node, this.target(node)] as const),
      this.clock.now(),
    )
    for (const word of due) this.output.push(word)
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
    return topicTarget(node, this.host.plan, (topic) => this.host.partitions(topic))
  }

  write(node: Node, write: TopicWrite): void {
    if (node.definition.role?.is === 'writer') {
      this.words.hasWritten(node, write.partition)
      this.attempts.isTouched = true
    }
    this.output.push(write)
    this.outputBytes += recordBytes(write)
  }

  writeRow(node: Node, record: AnyRecord): void {
    this.attempts.isTouched = true
    this.rows.add(node, record)
  }

  // ---- records that go wrong

  origin(): Origin | undefined {
    return this.attempts.origin()
  }

  private currentRecord(): Origin | undefined {
    const { current } = this
    const raw = current?.head()
    return raw && current && { ...raw, topic: current.topic, partition: current.partition }
  }

  onBehalf(node: Node, { origin, call: number, tries, run }: Attempt): Outcome {
    const { attempts } = this
    if (this.failure !== undefined) return 'over'
    const call = `${node.order}#${number}`
    const verdict = origin === undefined || attempts.known.isEmpty ? undefined : attempts.known.on(origin, call)
    if (verdict !== undefined && verdict.policy !== 'again') return attempts.carryOut(verdict)
    attempts.begin({ origin, call, tries: Math.max(tries, verdict?.tries ?? 0) })
    try {
      run()
    } catch (error) {
      this.caught(node, error, undefined)
    }
    const outcome = attempts.end()
    if (verdict !== undefined && outcome === 'done') verdict.isDone = true
    return outcome
  }

  // ---- errors

  outside(input: Input, record: unknown): void {
    if (this.isGoing) this.fail(gap(input, record as AnyRecord, this))
  }

  /** Whether its dispatch is still of interest to anybody. */
  private get isGoing(): boolean {
    return this.isRunning && this.failure === undefined && !this.attempts.hasFailed
  }

  caught(node: Node, error: unknown, record: AnyRecord | undefined): void {
    const known = this.wrap(node, error, record)
    this.attempts.wentWrong(node, stageOf(node, known), this.placed(known))
  }

  inputError(input: Input, error: unknown): void {
    const { node } = input
    const message = `a plain RxJS operator before ${node.operator} threw: ${error instanceof Error ? error.message : String(error)}`
    const known =
      error instanceof TidemarkError
        ? error
        : new TidemarkError('PIPELINE_ERROR', message, { operator: node.operator }, { cause: error })
    // Its subscription is gone.
    this.attempts.isTouched = true
    this.attempts.wentWrong(node, 'process', this.placed(known))
  }

  inputComplete(input: Input): void {
    if (!this.isGoing) return
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
    if (!this.isGoing) return
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
    if (queue === undefined) return {}
    return { topic: queue.topic, partition: queue.partition, offset: queue.head()?.offset ?? queue.position }
  }

  /** A record that an operator made has no place in the log: that of the record behind it helps. */
  private placed(error: TidemarkError): TidemarkError {
    return error.place.topic ? error : error.at(this.currentPlace())
  }

  fail(error: unknown): void {
    if (this.failure !== undefined) return
    const known =
      error instanceof TidemarkError
        ? error
        : new TidemarkError('OPERATOR_FAILED', String(error), this.currentPlace(), { cause: error })
    this.failure = this.placed(known)
    this.abandon()
    this.host.error(this.failure, true)
  }

  // ---- checkpoints

  takeOutput(): OutRecord[] {
    const { output } = this
    this.output = []
    this.outputBytes = 0
    return output
  }

  get positions(): Position[] {
    return this.queues.map(({ topic, partition, position }) => ({ topic, partition, offset: position }))
  }

  /** What has changed since the last checkpoint, encoded now: the task may go on while it is written. */
  takeCheckpoint(): StoreEntry[] {
    this.isChanged = false
    this.attempts.known.forgetDone()
    const entries: StoreEntry[] = [...this.snapshot.takeChanges()]
    for (const state of this.states) state.takeChanges(entries)
    const streamTimes = dictionary<number>()
    const times = dictionary<number | null>()
    for (const node of this.ordered) {
      if (Number.isFinite(node.streamTime)) streamTimes[this.nameOf(node)] = node.streamTime
      const time = node.time()
      if (node.definition.name !== undefined && time !== node.streamTime) times[this.nameOf(node)] = toSaved(time)
    }
    const manifest: Manifest = {
      version: 1,
      plan: this.host.plan.fingerprint,
      positions: this.positions,
      sources: this.sources.save(),
      streamTimes,
      times,
      ...this.changelog?.next(),
    }
    entries.push(manifestEntry(manifest))
    return entries
  }

  // ---- figures

  get readers(): readonly Reader[] {
    return this.sources.all
  }

  /** Partitions that are read before all others. */
  get bootstraps(): readonly PartitionQueue[] {
    return this.choice.bootstraps
  }

  /** Whether a partition waits for others of its group, as of this slice. */
  get isAligning(): boolean {
    return this.choice.isAligning
  }

  /** Operators that take no more records at present. */
  get full(): readonly Node[] {
    return [...this.blocking]
  }

  /** The lowest of its sources' watermarks; where none is declared, the highest timestamp that it has read. */
  get watermark(): number {
    return this.sources.watermark
  }

  drops(): { operator: string; reason: DropReason; count: number }[] {
    return this.ordered.flatMap((node) =>
      [...node.drops].map(([reason, count]) => ({ operator: node.operator, reason, count })),
    )
  }
}

const writerId = (sub: SubTopology, partition: number) => `${sub.title}/${partition}`

function stageOf({ definition: { role } }: Node, { code }: TidemarkError): ErrorStage {
  if (code === 'ASYNC_FAILED' || code === 'CIRCUIT_OPEN') return 'async'
  return role?.is === 'sink' || (role?.is === 'writer' && code === 'NOT_SERIALISABLE') ? 'serialise' : 'process'
}

export const taskId = (subTopology: number, partition: number) => `${subTopology}_${partition}`

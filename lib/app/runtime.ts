import { BehaviorSubject, Subject } from 'rxjs'
import type { Broker, Consumer, ConsumerListener, Position, RawBatch, TopicPartition } from '../ports/broker.js'
import type { Clock } from '../ports/clock.js'
import type { StoreAdapter } from '../ports/store.js'
import { TidemarkError } from '../record/errors.js'
import type { ErrorPolicies } from '../task/errorPolicy.js'
import { AlignmentGroup } from './alignment.js'
import { type AppState, type AppStats, restoringStats, taskStats } from './appStats.js'
import { Assignment } from './assignment.js'
import { Committer, type Guarantee, type StateKeeper } from './committer.js'
import { describeText } from './describe.js'
import { type DrainHost, drain, drained } from './drain.js'
import { explain } from './explain.js'
import type { ExplainRequest, Explanation } from './explanation.js'
import { GlobalReader, type GlobalTopic } from './globalReader.js'
import { resolvePartitions, tasksOf } from './partitions.js'
import type { Plan } from './plan.js'
import type { PlanComparison, UpgradeOptions } from './planComparison.js'
import { Rebalances } from './rebalances.js'
import type { Savepoint, Savepoints } from './savepoints.js'
import { Slots } from './slots.js'
import { Standbys, type StandbyTask } from './standbys.js'
import { StoredState } from './storedState.js'
import type { TaskHost } from './taskHost.js'
import { taskId } from './taskId.js'
import type { TaskScope } from './taskScope.js'
import { checkpointPartitions } from './taskScopes.js'
import type { Upgrade } from './upgrade.js'
import { waitsFor } from './waitsFor.js'
import { type Health, Watchdog, type Watched } from './watchdog.js'

export interface RuntimeOptions {
  readonly id: string
  readonly instance: string
  readonly broker: Broker
  readonly store: StoreAdapter
  readonly clock: Clock
  readonly guarantee: Guarantee
  readonly keeper: StateKeeper
  readonly standbys: number
  readonly commitMs: number
  readonly watermarkMs: number
  readonly sliceMs: number
  readonly maxTaskIdleMs: number
  readonly maxBufferedBytes: number
  readonly stallMs: number
  readonly upgrade: UpgradeOptions
  readonly plan: () => Plan
  readonly globals: readonly GlobalTopic[]
  readonly onError: ErrorPolicies | undefined
}

/** More slots would mean more transactions at a time than a broker likes. */
const MAX_SLOTS = 16
/** Records that wait at `toRows` beyond which a checkpoint comes first. */
const MAX_ROWS = 20_000
/** How long `start` waits for tasks before it leaves the rest to `state$`. */
const START_MS = 5_000
/** Before a member that had to let go of everything joins again: the first time, doubling from then on, and at most. */
const REJOIN_MS = 100
const MAX_REJOIN_MS = 10_000
/** Errors of which the last checkpoint is still good: the member lets go of its tasks, and joins again. */
const PASSING: ReadonlySet<string> = new Set(['FENCED', 'BROKER_UNAVAILABLE', 'STORE_UNAVAILABLE'])

/** Ids of the apps that run in this process. */
const running = new Set<string>()

/** One membership of the group, from joining to leaving, with all that it has. What comes late from one that is over concerns nobody. */
interface Life {
  readonly committer: Committer
  readonly assignment: Assignment
  readonly standbys: Standbys
  readonly consumer: Promise<Consumer>
  /** The same, once it is there. */
  member?: Consumer
}

/** Runs a plan: membership, slices, checkpoints, the end. */
export class Runtime implements TaskHost, ConsumerListener {
  readonly state$ = new BehaviorSubject<AppState>('created')
  readonly errors$ = new Subject<TidemarkError>()
  readonly clock: Clock
  plan!: Plan
  private counts = new Map<string, number>()
  private slots!: Slots
  private readonly stored: StoredState
  private upgrade!: Upgrade
  private comparison: (() => PlanComparison) | undefined
  private life: Life | undefined
  /** Slots of which the local store has a copy. */
  private readonly warm = new Set<number>()
  private globals: GlobalReader | undefined
  private readonly alignments = new Map<string, AlignmentGroup>()
  private readonly rebalances = new Rebalances()
  private readonly watchdog: Watchdog
  private isScheduled = false
  private turn = 0
  slice = 0
  private readonly cancels = new Set<() => void>()
  private committing: Promise<void> = Promise.resolve()
  private isCommittingEarly = false
  private isCommitting = false
  private checkpoints = 0
  /** How often it has joined again since the last checkpoint. */
  private rejoins = 0
  private rejoining: Promise<void> | undefined
  private hasAssigned: (() => void) | undefined
  private opened: (() => Promise<void>)[] = []
  private ending: Promise<void> | undefined
  private starting: Promise<void> | undefined
  private hasStarted = false
  private isStopping = false
  /** Tasks wait for something that runs between two checkpoints. */
  private isStill = false
  private failure: TidemarkError | undefined

  constructor(readonly options: RuntimeOptions) {
    this.clock = options.clock
    this.watchdog = new Watchdog(options.stallMs)
    this.stored = new StoredState(options)
  }

  get state(): AppState {
    return this.state$.value
  }

  private get tasks(): readonly TaskScope[] {
    return this.life === undefined ? [] : [...this.life.assignment.tasks.values()]
  }

  // ---- state as it is stored

  /** Before the start what it would find, afterwards what it has found. */
  async compare(): Promise<PlanComparison> {
    await this.starting
    if (this.comparison !== undefined) return this.comparison()
    return this.stored.visit((plan, counts) => this.stored.upgrade(plan, counts).compare())
  }

  /** Keeps a copy of what is stored, as of now. */
  async savepoint(name: string): Promise<Savepoint> {
    await this.starting
    if (this.state === 'created') return this.stored.saveUnstarted(name)
    await this.stored.savepoints.checkFree(name)
    return this.still(() =>
      this.stored.save(name, this.plan, this.positions, (sub) =>
        this.tasks.filter((task) => task.sub === sub).map(({ partition }) => partition),
      ),
    )
  }

  /** Does something with the savepoints that the store has. */
  async savepoints<T>(run: (savepoints: Savepoints) => Promise<T>): Promise<T> {
    await this.starting
    const { savepoints } = this.stored
    return this.state === 'created' ? this.stored.visit(() => run(savepoints)) : run(savepoints)
  }

  private get positions(): Position[] {
    return this.tasks.flatMap((task) => task.positions)
  }

  /**
   * Waits until all that was read has come to its end, through all exchanges, and takes no input meanwhile; then runs something, right after a checkpoint.
   *
   * @throws TidemarkError `BAD_STATE` if that takes longer than `timeoutMs`, or not all tasks run in this process
   */
  atRest<T>(timeoutMs: number, run: (positions: readonly Position[]) => Promise<T>): Promise<T> {
    return drained(this.drainHost, timeoutMs, () => this.still(() => run(this.positions)))
  }

  /** @throws TidemarkError `BAD_STATE` if it takes longer than `timeoutMs`, or not all tasks run in this process */
  drain(timeoutMs: number): Promise<void> {
    return drain(this.drainHost, timeoutMs)
  }

  private get drainHost(): DrainHost {
    const tasks = () => this.tasks
    const unsentBytes = () => this.unsentBytes
    return {
      app: this.options.id,
      plan: this.plan,
      broker: this.options.broker,
      clock: this.clock,
      get tasks() {
        return tasks()
      },
      get unsentBytes() {
        return unsentBytes()
      },
      tasksIn: (sub) => this.tasksIn(sub),
      stampExchanges: () => this.stampExchanges(),
      wake: () => this.wake(),
      commit: async () => {
        await this.commit()
        this.checkRuns()
      },
    }
  }

  private checkRuns(): void {
    if (this.failure !== undefined) throw this.failure
    if (!this.isActive) throw this.refuse('BAD_STATE', `the app is ${this.state}`)
  }

  /** Runs something right after a checkpoint of all tasks: none handles a record before that has ended. */
  private still<T>(run: () => Promise<T>): Promise<T> {
    const next = this.committing.then(async () => {
      this.isStill = true
      try {
        for (const task of this.tasks) task.isQuiescing = true
        await this.commitNow(undefined)
        this.checkRuns()
        // What a transaction has committed is visible a moment later.
        await this.slots.visible(() => new Promise<void>((resolve) => void this.clock.after(1, resolve)))
        return await run()
      } finally {
        this.isStill = false
        for (const task of this.tasks) task.isQuiescing = false
        this.wake()
      }
    })
    this.committing = next.then(
      () => {},
      () => {},
    )
    return next
  }

  // ---- start and stop

  start(): Promise<void> {
    const starting = this.begin()
    this.starting = starting.catch(() => {})
    return starting
  }

  private async begin(): Promise<void> {
    const { id, instance, broker, store } = this.options
    if (this.state !== 'created')
      throw this.refuse('BAD_STATE', `start: the app is ${this.state}; make a new one to run it again`)
    const name = `${id}/${instance}`
    if (running.has(name))
      throw this.refuse(
        'APP_ID_TAKEN',
        `an app ${id} runs in this process already; give one another id, or an instance name if they are members of one group`,
      )
    this.plan = this.options.plan()
    if (this.plan.subTopologies.every((sub) => sub.sources.length === 0))
      throw this.refuse('BAD_OPTION', 'the app reads no topic; pass a pipeline over app.stream(…) to app.run')
    running.add(name)
    this.opened.push(async () => {
      running.delete(name)
    })
    this.state$.next('starting')
    const first = new Promise<void>((resolve) => {
      this.hasAssigned = resolve
    })
    try {
      await this.open(broker, store)
      await this.join()
    } catch (error) {
      this.failed(this.asError(error))
    }
    if (this.failure === undefined) {
      this.startTimers()
      if (!this.isStopping) await Promise.race([first, this.pause(START_MS)])
    }
    if (this.failure !== undefined) {
      await this.ending
      throw this.failure
    }
    this.hasStarted = true
  }

  private async open(broker: Broker, store: StoreAdapter): Promise<void> {
    await broker.connect()
    this.opened.push(() => broker.close())
    // By name: a topic that isn't there, and one that nobody shows us, are told apart.
    const named = this.plan.subTopologies.flatMap(({ sources, sinks }) => [
      ...sources.map(({ topic }) => topic),
      ...sinks,
    ])
    const existing = await broker.topics([...new Set(named)])
    const hasChangelogs = this.options.keeper === 'changelogs'
    const { counts, missing } = resolvePartitions(this.plan, existing, hasChangelogs)
    this.counts = counts
    this.slots = new Slots(this.options.id, broker, Math.min(MAX_SLOTS, Math.max(...counts.values())))
    if (missing.length > 0) await broker.createTopics(missing)
    // A broker that keeps its topics in this very store has opened it.
    if (broker.store !== store) {
      await store.open(this.stored.storeName)
      this.opened.push(() => store.close())
    }
    this.upgrade = this.stored.upgrade(this.plan, counts)
    this.comparison = await this.upgrade.begin()
    if (hasChangelogs)
      for (const partition of await checkpointPartitions(this.plan, store)) this.warm.add(this.slots.of(partition))
    const globals = new GlobalReader(this.options.id, broker, this.options.globals, (error, fatal) =>
      this.error(error, fatal),
    )
    this.globals = globals
    this.opened.push(() => globals.close())
    await globals.open()
  }

  /** Becomes a member of the group, with nothing yet. */
  private async join(): Promise<void> {
    const { id: app, broker, store, clock, guarantee, keeper } = this.options
    const parts = { app, broker, store, clock, guarantee, keeper, slots: this.slots }
    this.state$.next('rebalancing')
    this.rebalances.begin(clock.now())
    let life: Life | undefined
    const isOver = () => life === undefined || this.life !== life
    const consumer = () => (life as Life).consumer
    const report = (error: unknown) => {
      if (!isOver()) this.errors$.next(this.asError(error))
    }
    const error = (reason: unknown) => {
      if (!isOver()) this.trouble(reason)
    }
    const committer = await Committer.open({
      ...parts,
      consumer,
      report,
      error,
      sent: () => {
        if (isOver()) return
        committer.collect(this.tasks)
        this.wake()
      },
    })
    if (!this.isActive) {
      await committer.close()
      return
    }
    const standbys = new Standbys({ ...parts, report })
    const opened = () => {
      if (!isOver()) this.taskOpened()
    }
    const assignment = new Assignment({
      ...parts,
      plan: this.plan,
      tasks: this,
      committer,
      upgrade: this.upgrade,
      standbys,
      consumer,
      opened,
      error,
    })
    const joining = broker.consumer({
      group: app,
      topics: [...new Set(this.plan.subTopologies.flatMap((sub) => sub.sources.map((source) => source.topic)))],
      slots: this.slots.count,
      // As text: a member with another one hears where it differs.
      plan: describeText(this.plan),
      standbys: this.options.standbys,
      warm: () => [...this.warm],
      listener: this,
    })
    life = { committer, assignment, standbys, consumer: joining }
    this.life = life
    life.member = await joining
  }

  /** Leaves the group, and lets go of all tasks as they are. */
  private async leave(): Promise<void> {
    const { life } = this
    this.life = undefined
    if (life === undefined) return
    const { assignment, consumer, committer, standbys } = life
    const attempt = (run: () => Promise<unknown> | undefined) => this.attempt(run)
    await attempt(async () => assignment.clear())
    // A transaction that is cut off while it is written to may be begun again by what arrives late.
    await this.committing
    await attempt(async () => (await consumer.catch(() => undefined))?.close())
    await attempt(() => standbys.close())
    await attempt(() => this.slots.keep(new Set()))
    await attempt(() => committer.close())
  }

  private startTimers(): void {
    this.every(this.options.commitMs, () => this.commit())
    this.every(this.options.watermarkMs, async () => this.stampExchanges())
    this.every(Math.max(1, Math.floor(this.options.stallMs / 4)), () => this.watch())
    const idleMs = Math.min(
      ...this.plan.subTopologies.flatMap((sub) =>
        sub.sources.map((source) => source.watermark?.idleMs ?? Number.POSITIVE_INFINITY),
      ),
    )
    if (Number.isFinite(idleMs)) this.every(Math.min(1_000, Math.max(10, idleMs / 2)), () => this.checkIdle())
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        cancel()
        this.cancels.delete(end)
        resolve()
      }
      const cancel = this.clock.after(ms, end)
      this.cancels.add(end)
    })
  }

  /** Runs something again and again, each time that long after the last. */
  private every(ms: number, run: () => Promise<void>): void {
    const cancel = this.clock.after(ms, () => {
      this.cancels.delete(cancel)
      run()
        .catch((error) => this.trouble(error))
        .finally(() => {
          if (this.isActive) this.every(ms, run)
        })
    })
    this.cancels.add(cancel)
  }

  async stop(): Promise<void> {
    if (this.state === 'created') {
      this.state$.next('stopped')
      return
    }
    this.isStopping = true
    this.hasAssigned?.()
    await this.starting
    if (this.state === 'stopped' || this.state === 'failed' || this.state === 'stopping') {
      await this.ending
      return
    }
    this.state$.next('stopping')
    this.ending = this.end(() => this.commit())
    await this.ending
    if (this.failure === undefined) this.state$.next('stopped')
  }

  private async attempt(run: () => Promise<unknown> | undefined): Promise<void> {
    try {
      await run()
    } catch (error) {
      this.errors$.next(this.asError(error))
    }
  }

  private async end(last: () => Promise<void>): Promise<void> {
    for (const cancel of [...this.cancels]) cancel()
    this.cancels.clear()
    await this.rejoining
    try {
      await last()
    } catch (error) {
      this.failed(this.asError(error))
    }
    await this.leave()
    for (const close of this.opened.reverse()) await this.attempt(close)
    this.opened = []
  }

  /** Something went wrong that comes from no record: the app goes on from the last checkpoint if it can, and fails if it can't. */
  private trouble(error: unknown): void {
    const known = this.asError(error)
    if (!PASSING.has(known.code) || !this.isActive) this.failed(known)
    else if (this.rejoining === undefined) {
      this.errors$.next(known)
      this.rejoining = this.rejoin().finally(() => {
        this.rejoining = undefined
      })
    }
  }

  /**
   * Lets go of everything and joins the group again. A member that was fenced, or doesn't know how a transaction ended, knows nothing for sure but what
   * has been committed.
   */
  private async rejoin(): Promise<void> {
    this.state$.next('rebalancing')
    await this.leave()
    while (this.isActive) {
      await this.pause(Math.min(MAX_REJOIN_MS, REJOIN_MS * 2 ** this.rejoins++))
      if (!this.isActive) return
      try {
        await this.join()
        return
      } catch (error) {
        const known = this.asError(error)
        if (!PASSING.has(known.code)) {
          this.failed(known)
          return
        }
        this.errors$.next(known)
        await this.leave()
      }
    }
  }

  private failed(error: TidemarkError): void {
    if (this.state === 'failed' || this.state === 'stopped') return
    const known = error.at({ app: this.options.id })
    this.failure = known
    const wasStopping = this.state === 'stopping'
    this.state$.next('failed')
    // Nobody listens and no call is there to reject: told as RxJS tells an error without a handler.
    if (!this.errors$.observed && this.hasStarted)
      this.clock.after(0, () => {
        throw known
      })
    this.errors$.next(known)
    this.hasAssigned?.()
    // Nothing is committed: the last checkpoint holds, and what followed it is done again.
    if (!wasStopping) this.ending = this.end(async () => {})
  }

  private refuse(code: TidemarkError['code'], reason: string): TidemarkError {
    return new TidemarkError(code, reason, { app: this.options.id })
  }

  private asError(error: unknown): TidemarkError {
    if (error instanceof TidemarkError) return error.at({ app: this.options.id })
    return new TidemarkError(
      'OPERATOR_FAILED',
      error instanceof Error ? error.message : String(error),
      { app: this.options.id },
      { cause: error },
    )
  }

  // ---- the group

  async assigned(partitions: readonly TopicPartition[]): Promise<readonly Position[]> {
    const { life } = this
    if (!this.isActive || life === undefined) return []
    this.rebalances.begin(this.clock.now())
    try {
      await life.assignment.add(partitions)
    } catch (error) {
      if (this.life === life) this.trouble(error)
    }
    // Where tasks go on is told by `seek`, once they have been restored.
    return []
  }

  /** A task has been restored. */
  private taskOpened(): void {
    if (!this.isActive) return
    if (this.options.store.durable) for (const { partition } of this.tasks) this.warm.add(this.slots.of(partition))
    this.runs()
    this.wake()
  }

  settled(): void {
    if (this.isActive && this.life?.assignment.restores.size === 0) this.runs()
  }

  private runs(): void {
    if (this.life?.assignment.restores.size === 0) this.rebalances.end(this.clock.now())
    if (this.state !== 'running') this.state$.next('running')
    this.hasAssigned?.()
  }

  async revoked(partitions: readonly TopicPartition[]): Promise<void> {
    const { life } = this
    if (life === undefined) return
    const { assignment } = life
    this.rebalances.begin(this.clock.now())
    const leaving = assignment.tasksOf(partitions)
    // What they would handle after their last checkpoint, others handle again.
    for (const task of leaving) task.isQuiescing = true
    try {
      if (this.isActive) await this.commit(leaving)
    } catch (error) {
      // A member that the group has given up: others go on from its last checkpoint.
      const known = this.asError(error)
      if (known.code === 'FENCED') this.errors$.next(known)
      else if (this.life === life) this.trouble(known)
    }
    await assignment.remove(partitions)
    if (this.life !== life) return
    if (this.tasks.length === 0 && this.isActive) this.state$.next('rebalancing')
    // Those that have left are waited for no longer.
    this.wake()
  }

  standby(slots: readonly number[]): void {
    const { life } = this
    if (!this.isActive || this.options.keeper !== 'changelogs' || life === undefined) return
    const tasks = this.plan.subTopologies.flatMap((sub): StandbyTask[] =>
      sub.states.size === 0
        ? []
        : Array.from({ length: this.tasksIn(sub.id) }, (_, partition) => ({
            id: taskId(sub.id, partition),
            sub,
            partition,
          })).filter(({ id, partition }) => slots.includes(this.slots.of(partition)) && !life.assignment.has(id)),
    )
    for (const slot of slots) this.warm.add(slot)
    life.standbys.set(tasks)
  }

  batch(batch: RawBatch): void {
    const queue = this.life?.assignment.queue(batch)
    if (queue === undefined || !this.isActive) return
    queue.add(batch)
    if (!queue.isPaused && queue.bytes >= this.shareBytes) {
      queue.isPaused = true
      this.life?.member?.pause([{ topic: batch.topic, partition: batch.partition }])
    }
    this.wake()
  }

  error(error: TidemarkError, fatal: boolean): void {
    if (fatal) this.trouble(error)
    else this.errors$.next(error.at({ app: this.options.id }))
  }

  // ---- slices

  private get isActive(): boolean {
    return this.state === 'running' || this.state === 'rebalancing' || this.state === 'starting'
  }

  wake(): void {
    if (this.isScheduled || !this.isActive) return
    this.isScheduled = true
    this.clock.soon(this.runSlice)
  }

  private readonly runSlice = (): void => {
    this.isScheduled = false
    if (!this.isActive) return
    const { tasks } = this
    const isFull = this.unsentBytes > this.options.maxBufferedBytes || this.waitingRows > MAX_ROWS
    if (isFull) this.commitEarly()
    const until = this.clock.now() + this.options.sliceMs
    const isOver = () => this.clock.now() >= until
    this.slice++
    let more = false
    let isMoving = false
    for (let n = 0; n < tasks.length; n++) {
      // Where the last slice ended, so that each has its turn.
      const task = tasks[(this.turn + n) % tasks.length] as TaskScope
      // What a checkpoint waits for goes on: it may be the checkpoint that sends what is there.
      if (isFull && !task.isQuiescing) continue
      const { handled } = task
      if (task.step(isOver)) more = true
      if (!this.isActive) return
      if (task.handled > handled) isMoving = true
      if (task.failure === undefined) this.resume(task)
      if (!isOver()) continue
      this.turn = (this.turn + n + 1) % tasks.length
      more = true
      break
    }
    this.life?.committer.collect(tasks)
    // One that has gone on may have been waited for.
    if (more || (isMoving && tasks.some((task) => task.isAligning))) this.wake()
  }

  /** What each partition may take: its own, so that none keeps another, which a task may have to wait for, from being read. */
  private get shareBytes(): number {
    return this.options.maxBufferedBytes / Math.max(1, this.life?.assignment.size ?? 1)
  }

  private resume(task: TaskScope): void {
    for (const queue of task.queues) {
      if (!queue.isPaused || queue.bytes > this.shareBytes / 4) continue
      queue.isPaused = false
      this.life?.member?.resume([{ topic: queue.topic, partition: queue.partition }])
    }
  }

  private stampExchanges(): void {
    for (const task of this.tasks) task.stampExchanges()
    this.life?.committer.collect(this.tasks)
  }

  private async checkIdle(): Promise<void> {
    const topics = new Set(this.tasks.flatMap((task) => task.quietTopics()))
    const ends = await this.askEnds(topics)
    for (const task of this.tasks) task.checkIdle(ends)
    this.wake()
  }

  /** Where topics end, as the broker says now; one of which it doesn't is left out. */
  private async askEnds(topics: ReadonlySet<string>): Promise<ReadonlyMap<string, readonly number[]>> {
    const ends = new Map<string, readonly number[]>()
    for (const topic of topics) {
      try {
        const ranges = await this.options.broker.ranges(topic)
        ends.set(
          topic,
          ranges.map((range) => range.end),
        )
        ranges.forEach(({ end }, partition) => {
          const queue = this.life?.assignment.queue({ topic, partition })
          if (queue !== undefined && end > queue.end) queue.end = end
        })
      } catch (error) {
        // No answer: nothing is idle.
        this.errors$.next(this.asError(error))
      }
    }
    return ends
  }

  // ---- outputs and checkpoints

  /** Records that a checkpoint writes as rows. */
  private get waitingRows(): number {
    return this.tasks.reduce((sum, task) => sum + task.rows.count, 0)
  }

  /** About what those outputs take in memory that the broker has yet to acknowledge. */
  private get unsentBytes(): number {
    return this.life?.committer.unsentBytes(this.tasks) ?? 0
  }

  /** Where outputs wait for a checkpoint, too many of them don't wait for the next one. */
  private commitEarly(): void {
    if (!this.life?.committer.needsCheckpoint(this.tasks) || this.isCommittingEarly) return
    this.isCommittingEarly = true
    this.commit()
      .catch((error) => this.trouble(error))
      .finally(() => {
        this.isCommittingEarly = false
        this.wake()
      })
  }

  /** Commits what has changed; calls follow one another. */
  private commit(only?: ReadonlySet<TaskScope>): Promise<void> {
    const next = this.committing.then(() => this.commitNow(only))
    this.committing = next.catch(() => {})
    return next
  }

  private async commitNow(only: ReadonlySet<TaskScope> | undefined): Promise<void> {
    const { life } = this
    if (this.state === 'failed' || life === undefined) return
    const isChanged = (task: TaskScope) =>
      (only === undefined || only.has(task)) && (task.isChanged || task.output.length > 0)
    await this.quiesce(life, this.tasks.filter(isChanged))
    // Some may have gone meanwhile, or all. From here to the snapshots nothing is awaited.
    if (this.life !== life) return
    const changed = this.tasks.filter(isChanged)
    if (changed.length === 0) return
    for (const task of changed) {
      task.settle()
      // Those that are about to leave handle nothing more.
      if (only === undefined) task.isQuiescing = this.isStill
    }
    this.wake()
    if (this.failure !== undefined) return
    this.isCommitting = true
    try {
      await life.committer.commit(changed)
    } catch (error) {
      // It was let go of meanwhile, and why has been told: what goes wrong by that is nothing new.
      if (this.life !== life) return
      throw error
    } finally {
      this.isCommitting = false
    }
    this.checkpoints++
    this.rejoins = 0
  }

  /** Checkpoints are taken between records: an advance that a slice has interrupted ends first, in slices while the app runs. */
  private async quiesce(life: Life, tasks: readonly TaskScope[]): Promise<void> {
    for (const task of tasks) task.isQuiescing = true
    const isAdvancing = (task: TaskScope) => task.isAdvancing && life.assignment.tasks.get(task.info.id) === task
    while (this.isActive && tasks.some(isAdvancing)) {
      this.wake()
      await new Promise<void>((resolve) => this.clock.soon(resolve))
    }
  }

  // ---- what tasks ask for

  goBack(task: TaskScope): void {
    // A commit that is under way may have its checkpoint.
    this.life?.assignment.goBack(task, this.committing)
  }

  get onError(): ErrorPolicies | undefined {
    return this.options.onError
  }

  get maxTaskIdleMs(): number {
    return this.options.maxTaskIdleMs
  }

  alignment(group: string): AlignmentGroup {
    let found = this.alignments.get(group)
    if (found === undefined) {
      found = new AlignmentGroup(group)
      this.alignments.set(group, found)
    }
    return found
  }

  partitions(topic: string): number {
    return this.counts.get(topic) as number
  }

  tasksIn(subTopology: number): number {
    return tasksOf(this.plan, subTopology, this.counts)
  }

  stats(): AppStats {
    return {
      state: this.state,
      checkpoints: this.checkpoints,
      globalTables: this.globals?.stats() ?? [],
      rebalances: this.rebalances.stats(),
      standbys: this.life?.standbys.stats() ?? [],
      tasks: [
        ...this.tasks.map((task) => taskStats(task, this.waitsFor(task))),
        ...[...(this.life?.assignment.restores ?? [])].map(([id, { restore }]) => restoringStats(id, restore.stats())),
      ],
    }
  }

  private async watch(): Promise<void> {
    // A partition that brings nothing may have something: its end is known by what it brings.
    const quiet = this.tasks.flatMap(({ queues }) =>
      queues.filter((queue) => queue.lag === 0).map(({ topic }) => topic),
    )
    await this.askEnds(new Set(quiet))
    for (const error of this.watchdog.look(this.clock.now(), this.watched())) this.errors$.next(this.asError(error))
  }

  private watched(): Watched[] {
    const { tasks } = this
    const restores = [...(this.life?.assignment.restores ?? [])]
    return [
      ...tasks.map((task) => ({
        name: `task ${task.info.id}`,
        isDue: task.queues.some((queue) => queue.lag > 0 || queue.size > 0),
        progress: `${task.handled} ${task.positions.map(({ offset }) => offset)}`,
        why: this.waitsFor(task),
        waitsForOthers: task.isAligning,
      })),
      ...restores.map(([id, { restore }]) => ({
        name: `the restore of task ${id}`,
        // Others may come before it.
        isDue: restore.isReading,
        progress: String(restore.stats().records),
        why: 'the changelog brings nothing',
      })),
      {
        name: 'checkpoints',
        isDue: this.isCommitting,
        progress: String(this.checkpoints),
        why: 'the broker or the store answers no commit',
      },
    ]
  }

  health(): Health {
    const stalled = this.watchdog.stalled()
    const restoring = [...(this.life?.assignment.restores.keys() ?? [])]
    return {
      live: this.state !== 'failed' && stalled.length === 0,
      ready: this.state === 'running' && restoring.length === 0,
      reasons: [
        ...(this.state === 'running'
          ? []
          : [`the app is ${this.state}${this.failure === undefined ? '' : `: ${this.failure.message}`}`]),
        ...restoring.map((task) => `task ${task} is being restored`),
        ...stalled.map((name) => `${name} does nothing`),
      ],
    }
  }

  /** @throws TidemarkError `BAD_OPTION` */
  explain(request: ExplainRequest): Explanation {
    const plan = this.plan ?? this.options.plan()
    return explain(request, {
      plan,
      tasks: this.tasks,
      tasksOf: (sub) =>
        this.counts.size === 0
          ? []
          : Array.from({ length: this.tasksIn(sub) }, (_, partition) => taskId(sub, partition)),
      partitions: (topic) => this.counts.get(topic),
      waitsFor: (task) => this.waitsFor(task),
    })
  }

  private waitsFor(task: TaskScope): string | undefined {
    const isBehind = task.queues.some((queue) => queue.size > 0)
    if (isBehind && this.waitingRows > MAX_ROWS)
      return `${this.waitingRows} records wait for a checkpoint to write them as rows`
    if (isBehind && this.unsentBytes > this.options.maxBufferedBytes)
      return `the broker has yet to acknowledge ${this.unsentBytes} bytes of outputs (maxBufferedBytes)`
    return waitsFor(task, this.maxTaskIdleMs)
  }
}

import { BehaviorSubject, Subject } from 'rxjs'
import type { Broker, Consumer, ConsumerListener, Position, RawBatch, TopicPartition } from '../ports/broker.js'
import type { Clock } from '../ports/clock.js'
import type { StoreAdapter, StoreChanges } from '../ports/store.js'
import { TidemarkError } from '../record/errors.js'
import { adaptSnapshot } from './adaptSnapshot.js'
import { AlignmentGroup } from './alignment.js'
import { type AppState, type AppStats, openingStats, taskStats } from './appStats.js'
import { type AssignedTask, assignedTasks } from './assignedTasks.js'
import { Snapshot } from './checkpoint.js'
import { describeText } from './describe.js'
import { explain } from './explain.js'
import type { ExplainRequest, Explanation } from './explanation.js'
import { GlobalReader, type GlobalTopic } from './globalReader.js'
import { Outbox } from './outbox.js'
import { PartitionQueue } from './partitionQueue.js'
import { resolvePartitions, tasksOf } from './partitions.js'
import type { Plan } from './plan.js'
import type { PlanComparison, StateComparison, UpgradeOptions } from './planComparison.js'
import { endsOf, type Savepoint, Savepoints } from './savepoints.js'
import { Slots } from './slots.js'
import { storedPlanOf } from './storedPlan.js'
import { type TaskHost, TaskScope, taskId } from './taskScope.js'
import { checkpointScope } from './taskScopes.js'
import { refuse, Upgrade } from './upgrade.js'
import { waitsFor } from './waitsFor.js'

export interface RuntimeOptions {
  readonly id: string
  readonly instance: string
  readonly broker: Broker
  readonly store: StoreAdapter
  readonly clock: Clock
  readonly isTransactional: boolean
  readonly commitMs: number
  readonly watermarkMs: number
  readonly sliceMs: number
  readonly maxTaskIdleMs: number
  readonly maxBuffered: number
  readonly upgrade: UpgradeOptions
  readonly plan: () => Plan
  readonly globals: readonly GlobalTopic[]
}

/** More slots would mean more transactions at a time than a broker likes. */
const MAX_SLOTS = 16
/** Unacknowledged records beyond which no more are handled. */
const MAX_UNSENT = 20_000
/** How long `start` waits for tasks before it leaves the rest to `state$`. */
const START_MS = 5_000

const keyOf = ({ topic, partition }: TopicPartition) => `${partition}/${topic}`

/** Ids of the apps that run in this process. */
const running = new Set<string>()

/** Runs a plan: membership, tasks, slices, outputs, checkpoints, the end. */
export class Runtime implements TaskHost, ConsumerListener {
  readonly state$ = new BehaviorSubject<AppState>('created')
  readonly errors$ = new Subject<TidemarkError>()
  readonly clock: Clock
  plan!: Plan
  private counts = new Map<string, number>()
  private slots!: Slots
  private upgrade!: Upgrade
  private comparison: PlanComparison | undefined
  private readonly tasks = new Map<string, TaskScope>()
  /** Tasks that have been assigned and don't run yet. */
  private readonly opening = new Set<string>()
  private readonly queues = new Map<string, { queue: PartitionQueue; task: TaskScope }>()
  private consumer: Consumer | undefined
  private outbox: Outbox | undefined
  private globals: GlobalReader | undefined
  private readonly alignments = new Map<string, AlignmentGroup>()
  private isScheduled = false
  private turn = 0
  slice = 0
  private readonly cancels = new Set<() => void>()
  private committing: Promise<void> = Promise.resolve()
  private checkpoints = 0
  private hasAssigned: (() => void) | undefined
  private opened: (() => Promise<void>)[] = []
  private ending: Promise<void> | undefined
  private starting: Promise<void> | undefined
  private isStopping = false
  /** Tasks wait for something that runs between two checkpoints. */
  private isStill = false

  constructor(readonly options: RuntimeOptions) {
    this.clock = options.clock
  }

  get state(): AppState {
    return this.state$.value
  }

  /** Before the start what it would find, afterwards what it has found. */
  async compare(): Promise<PlanComparison> {
    await this.starting
    return this.comparison ?? this.visit((_, upgrade) => upgrade.compare())
  }

  async savepoint(name: string): Promise<Savepoint> {
    await this.starting
    const { id, store, broker } = this.options
    const take = async (plan: Plan) => savepoints.take(name, this.clock.now(), await endsOf(broker, writtenBy(plan)))
    const savepoints = new Savepoints(id, store)
    if (this.state === 'created') return this.visit(take)
    await savepoints.checkFree(name)
    return this.still(() => take(this.plan))
  }

  /** Does something with the savepoints that the store has. */
  async savepoints<T>(run: (savepoints: Savepoints) => Promise<T>): Promise<T> {
    await this.starting
    const savepoints = new Savepoints(this.options.id, this.options.store)
    return this.state === 'created' ? this.visit(() => run(savepoints)) : run(savepoints)
  }

  /** Opens broker and store for something that is done without running. */
  private async visit<T>(run: (plan: Plan, upgrade: Upgrade) => Promise<T>): Promise<T> {
    const { broker, store } = this.options
    if (this.state !== 'created') throw this.refuse('BAD_STATE', `the app is ${this.state}`)
    const plan = this.options.plan()
    await broker.connect()
    try {
      const { counts } = resolvePartitions(plan, await broker.topics())
      if (broker.store !== store) await store.open(this.storeName)
      try {
        return await run(plan, new Upgrade(plan, (topic) => counts.get(topic), store, this.options.upgrade))
      } finally {
        if (broker.store !== store) await store.close()
      }
    } finally {
      await broker.close()
    }
  }

  private get storeName(): string {
    const { id, instance } = this.options
    return instance === '' ? id : `${id}.${instance}`
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
    try {
      await this.open(broker, store)
      await this.join(broker)
    } catch (error) {
      this.failed(this.asError(error))
      await this.ending
      throw this.asError(error)
    }
    if (this.failure !== undefined) {
      await this.ending
      throw this.failure
    }
  }

  private async open(broker: Broker, store: StoreAdapter): Promise<void> {
    await broker.connect()
    this.opened.push(() => broker.close())
    const existing = await broker.topics()
    const { counts, missing } = resolvePartitions(this.plan, existing)
    this.counts = counts
    this.slots = new Slots(this.options.id, broker, store, Math.min(MAX_SLOTS, Math.max(...counts.values())))
    if (missing.length > 0) await broker.createTopics(missing)
    // A broker that keeps its topics in this very store has opened it.
    if (broker.store !== store) {
      await store.open(this.storeName)
      this.opened.push(() => store.close())
    }
    this.upgrade = new Upgrade(this.plan, (topic) => counts.get(topic), store, this.options.upgrade)
    this.comparison = await this.upgrade.compare()
    refuse(this.options.id, this.comparison.states)
    if (!this.options.isTransactional) {
      const producer = await broker.producer()
      this.outbox = new Outbox(
        producer,
        () => {
          this.collectOutput()
          this.wake()
        },
        (error) => this.failed(this.asError(error)),
      )
      this.opened.push(() => producer.close())
    }
    const globals = new GlobalReader(this.options.id, broker, this.options.globals, (error, fatal) =>
      this.error(error, fatal),
    )
    this.globals = globals
    this.opened.push(() => globals.close())
    await globals.open()
  }

  private async join(broker: Broker): Promise<void> {
    const topics = [...new Set(this.plan.subTopologies.flatMap((sub) => sub.sources.map((source) => source.topic)))]
    const first = new Promise<void>((resolve) => {
      this.hasAssigned = resolve
    })
    this.state$.next('rebalancing')
    this.consumer = await broker.consumer({
      group: this.options.id,
      topics,
      slots: this.slots.count,
      // As text: a member with another one hears where it differs.
      plan: describeText(this.plan),
      listener: this,
    })
    if (this.failure !== undefined) {
      // It failed while it was joining: nobody else knows this member yet.
      await this.consumer.close()
      throw this.failure
    }
    this.every(this.options.commitMs, () => this.commit())
    this.every(this.options.watermarkMs, async () => this.stampExchanges())
    const idleMs = Math.min(
      ...this.plan.subTopologies.flatMap((sub) =>
        sub.sources.map((source) => source.watermark?.idleMs ?? Number.POSITIVE_INFINITY),
      ),
    )
    if (Number.isFinite(idleMs)) this.every(Math.min(1_000, Math.max(10, idleMs / 2)), () => this.checkIdle())
    if (!this.isStopping) await Promise.race([first, this.pause(START_MS)])
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.clock.after(ms, () => {
        this.cancels.delete(cancel)
        resolve()
      })
      this.cancels.add(cancel)
    })
  }

  /** Runs something again and again, each time that long after the last. */
  private every(ms: number, run: () => Promise<void>): void {
    const cancel = this.clock.after(ms, () => {
      this.cancels.delete(cancel)
      run()
        .catch((error) => this.failed(this.asError(error)))
        .finally(() => {
          if (this.state === 'running' || this.state === 'rebalancing') this.every(ms, run)
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

  private async end(last: () => Promise<void>): Promise<void> {
    for (const cancel of this.cancels) cancel()
    this.cancels.clear()
    const attempt = async (run: () => Promise<unknown>) => {
      try {
        await run()
      } catch (error) {
        this.errors$.next(this.asError(error))
      }
    }
    try {
      await last()
    } catch (error) {
      this.failed(this.asError(error))
    }
    for (const task of this.tasks.values()) task.close()
    this.tasks.clear()
    this.opening.clear()
    this.queues.clear()
    const { consumer } = this
    if (consumer !== undefined) await attempt(() => consumer.close())
    for (const producer of this.slots?.all ?? []) await attempt(() => producer.close())
    for (const close of this.opened.reverse()) await attempt(close)
    this.opened = []
  }

  private failure: TidemarkError | undefined

  private failed(error: TidemarkError): void {
    if (this.state === 'failed' || this.state === 'stopped') return
    const known = error.at({ app: this.options.id })
    this.failure = known
    const wasStopping = this.state === 'stopping'
    const wasRunning = this.state === 'running' || this.state === 'stopping'
    this.state$.next('failed')
    // Nobody listens and no call is there to reject: told as RxJS tells an error without a handler.
    if (!this.errors$.observed && wasRunning)
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
    if (!this.isActive) return []
    const wanted = assignedTasks(this.plan, partitions)
    for (const id of wanted.keys()) this.opening.add(id)
    try {
      return await this.openTasks(partitions, wanted)
    } finally {
      for (const id of wanted.keys()) this.opening.delete(id)
    }
  }

  private async openTasks(
    partitions: readonly TopicPartition[],
    wanted: ReadonlyMap<string, AssignedTask>,
  ): Promise<readonly Position[]> {
    if (this.options.isTransactional) {
      for (const slot of new Set([...wanted.values()].map(({ partition }) => this.slots.of(partition))))
        await this.slots.open(slot)
    }
    const ranges = new Map<string, readonly { start: number; end: number }[]>()
    for (const topic of new Set(partitions.map((one) => one.topic)))
      ranges.set(topic, await this.options.broker.ranges(topic))
    const committed = new Map(
      (await this.options.broker.committed(this.options.id, [...ranges.keys()])).map((position) => [
        keyOf(position),
        position.offset,
      ]),
    )
    const positions: Position[] = []
    const compared = await this.upgrade.prepare(new Set([...wanted.values()].map(({ partition }) => partition)))
    for (const [id, task] of wanted) {
      const states = compared.get(task.partition) as ReadonlyMap<string, StateComparison>
      positions.push(...(await this.openTask(id, task, states, ranges, committed)))
      this.opening.delete(id)
    }
    if (this.isActive) {
      this.state$.next('running')
      this.hasAssigned?.()
      this.wake()
    }
    return positions
  }

  private async openTask(
    id: string,
    { sub, partition, topics }: AssignedTask,
    compared: ReadonlyMap<string, StateComparison>,
    ranges: ReadonlyMap<string, readonly { start: number; end: number }[]>,
    committed: ReadonlyMap<string, number>,
  ): Promise<Position[]> {
    const { id: app, store } = this.options
    const snapshot = new Snapshot(id, await store.load(checkpointScope(app, sub, partition)))
    if (!this.isActive) return []
    const stored = storedPlanOf(this.plan, sub, (topic) => this.partitions(topic), {})
    adaptSnapshot(snapshot, sub, stored, compared, this.options.upgrade)
    const task = new TaskScope(sub, partition, this, snapshot, topics)
    const saved = new Map(snapshot.manifest?.positions.map((position) => [keyOf(position), position.offset]))
    const positions: Position[] = []
    try {
      task.open()
      for (const topic of topics) {
        const key = keyOf({ topic, partition })
        const range = ranges.get(topic)?.[partition] ?? { start: 0, end: 0 }
        // The group's offset is ahead of a state that isn't here: what has state begins where the log does.
        const offset = saved.get(key) ?? (sub.states.size > 0 ? undefined : committed.get(key)) ?? range.start
        if (offset < range.start || offset > range.end) {
          throw new TidemarkError(
            'OFFSET_OUT_OF_RANGE',
            `the checkpoint of task ${id} goes on at offset ${offset}, but the log holds ${range.start} to ${range.end}: ${
              offset > range.end ? 'the topic was made anew' : 'retention has deleted records before they were read'
            }. Clear the checkpoint to start from what is there`,
            { topic, partition, offset },
          )
        }
        const queue = new PartitionQueue(topic, partition, offset, range.end)
        task.addQueue(queue)
        this.queues.set(key, { queue, task })
        positions.push({ topic, partition, offset })
      }
    } catch (error) {
      task.close()
      throw error
    }
    this.tasks.set(id, task)
    return positions
  }

  async revoked(partitions: readonly TopicPartition[]): Promise<void> {
    const leaving = new Set<TaskScope>()
    for (const partition of partitions) {
      const entry = this.queues.get(keyOf(partition))
      if (entry !== undefined) leaving.add(entry.task)
    }
    if (this.isActive) await this.commit(leaving)
    for (const task of leaving) {
      task.close()
      this.tasks.delete(task.info.id)
      for (const queue of task.queues) this.queues.delete(keyOf(queue))
    }
    await this.slots.keep(new Set([...this.tasks.values()].map((task) => this.slots.of(task.partition))))
    if (this.tasks.size === 0 && this.isActive) this.state$.next('rebalancing')
    // Those that have left are waited for no longer.
    this.wake()
  }

  batch(batch: RawBatch): void {
    const entry = this.queues.get(keyOf(batch))
    if (entry === undefined || !this.isActive) return
    const { queue } = entry
    queue.add(batch)
    if (!queue.isPaused && queue.size >= this.options.maxBuffered) {
      queue.isPaused = true
      this.consumer?.pause([{ topic: batch.topic, partition: batch.partition }])
    }
    this.wake()
  }

  error(error: TidemarkError, fatal: boolean): void {
    if (fatal) this.failed(error)
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
    if (!this.isActive || this.backlog > MAX_UNSENT) return
    const until = this.clock.now() + this.options.sliceMs
    const isOver = () => this.clock.now() >= until
    const tasks = [...this.tasks.values()]
    this.slice++
    let more = false
    let isMoving = false
    for (let n = 0; n < tasks.length; n++) {
      // Where the last slice ended, so that each has its turn.
      const task = tasks[(this.turn + n) % tasks.length] as TaskScope
      const { handled } = task
      if (task.step(isOver)) more = true
      if (!this.isActive) return
      if (task.handled > handled) isMoving = true
      this.resume(task)
      if (!isOver()) continue
      this.turn = (this.turn + n + 1) % tasks.length
      more = true
      break
    }
    this.collectOutput()
    // One that has gone on may have been waited for.
    if (more || (isMoving && tasks.some((task) => task.isAligning))) this.wake()
  }

  private resume(task: TaskScope): void {
    for (const queue of task.queues) {
      if (!queue.isPaused || queue.size > this.options.maxBuffered / 4) continue
      queue.isPaused = false
      this.consumer?.resume([{ topic: queue.topic, partition: queue.partition }])
    }
  }

  private stampExchanges(): void {
    for (const task of this.tasks.values()) task.stampExchanges()
    this.collectOutput()
  }

  private async checkIdle(): Promise<void> {
    const topics = new Set([...this.tasks.values()].flatMap((task) => task.quietTopics()))
    const ends = new Map<string, readonly number[]>()
    for (const topic of topics) {
      try {
        const ranges = await this.options.broker.ranges(topic)
        ends.set(
          topic,
          ranges.map((range) => range.end),
        )
        ranges.forEach(({ end }, partition) => {
          const queue = this.queues.get(keyOf({ topic, partition }))?.queue
          if (queue !== undefined && end > queue.end) queue.end = end
        })
      } catch (error) {
        // No answer: nothing is idle.
        this.errors$.next(this.asError(error))
      }
    }
    for (const task of this.tasks.values()) task.checkIdle(ends)
    this.wake()
  }

  // ---- outputs and checkpoints

  private get backlog(): number {
    return this.outbox?.backlog ?? 0
  }

  /** Without transactions, outputs leave as soon as they are there. */
  private collectOutput(): void {
    const { outbox } = this
    if (outbox === undefined) return
    for (const task of this.tasks.values()) if (task.output.length > 0) outbox.add(task.takeOutput())
    outbox.flush()
  }

  /** Commits what has changed; calls follow one another. */
  commit(only?: ReadonlySet<TaskScope>): Promise<void> {
    const next = this.committing.then(() => this.commitNow(only))
    this.committing = next.catch(() => {})
    return next
  }

  private async commitNow(only: ReadonlySet<TaskScope> | undefined): Promise<void> {
    if (this.state === 'failed') return
    const changed = [...this.tasks.values()].filter(
      (task) => (only === undefined || only.has(task)) && (task.isChanged || task.output.length > 0),
    )
    if (changed.length === 0) return
    await this.quiesce(changed)
    // From here to the snapshots nothing is awaited.
    for (const task of changed) {
      task.settle()
      task.isQuiescing = this.isStill
    }
    this.wake()
    if (this.failure !== undefined) return
    if (this.options.isTransactional) await this.commitTransactions(changed)
    else await this.commitAfterSends(changed)
    this.checkpoints++
  }

  /**
   * Waits until all that was read has come to its end, through all exchanges, and takes no input meanwhile; then runs something, right after a checkpoint.
   *
   * @throws TidemarkError `BAD_STATE` if that takes longer than `timeoutMs`, or not all tasks run in this process
   */
  async atRest<T>(timeoutMs: number, run: (positions: readonly Position[]) => Promise<T>): Promise<T> {
    const own = new Set(writtenBy(this.plan))
    const inputs = [...this.queues.values()].map(({ queue }) => queue).filter(({ topic }) => !own.has(topic))
    for (const queue of inputs) queue.isHeld = true
    try {
      await this.drain(timeoutMs)
      return await this.still(() => run([...this.tasks.values()].flatMap((task) => task.positions)))
    } finally {
      for (const queue of inputs) queue.isHeld = false
      this.wake()
    }
  }

  /**
   * Waits until everything that there is to handle has been handled.
   *
   * @throws TidemarkError `BAD_STATE` if that takes longer than `timeoutMs`, or not all tasks run in this process
   */
  async drain(timeoutMs: number): Promise<void> {
    const until = this.clock.now() + timeoutMs
    const own = new Set(writtenBy(this.plan))
    const read = this.plan.subTopologies.flatMap(({ sources }) => sources.map(({ topic }) => topic))
    for (let before = ''; ; ) {
      this.stampExchanges()
      await this.commit()
      if (this.failure !== undefined) throw this.failure
      if (!this.isActive) throw this.refuse('BAD_STATE', `the app is ${this.state}`)
      const ends = await endsOf(
        this.options.broker,
        read.filter((topic) => own.has(topic)),
      )
      const after = JSON.stringify(ends)
      if (after === before && this.isAtRest(ends)) return
      before = after
      if (this.clock.now() >= until)
        throw this.refuse(
          'BAD_STATE',
          `the app has not come to rest within ${timeoutMs} ms, or not all of its tasks run in this process`,
        )
      await new Promise<void>((resolve) => void this.clock.after(5, resolve))
    }
  }

  /** @param ends of the topics that the app both writes and reads: what has been written last may not have been heard of */
  private isAtRest(ends: { readonly [topic: string]: readonly number[] }): boolean {
    const wanted = this.plan.subTopologies.reduce((sum, { id }) => sum + this.tasksIn(id), 0)
    const tasks = [...this.tasks.values()]
    return (
      tasks.length === wanted &&
      this.backlog === 0 &&
      tasks.every(
        (task) =>
          task.isAtRest && task.queues.every((queue) => queue.position >= (ends[queue.topic]?.[queue.partition] ?? 0)),
      )
    )
  }

  /** Runs something right after a checkpoint of all tasks: none handles a record before that has ended. */
  private still<T>(run: () => Promise<T>): Promise<T> {
    const next = this.committing.then(async () => {
      this.isStill = true
      try {
        for (const task of this.tasks.values()) task.isQuiescing = true
        await this.commitNow(undefined)
        if (this.failure !== undefined) throw this.failure
        if (!this.isActive) throw this.refuse('BAD_STATE', `the app is ${this.state}`)
        return await run()
      } finally {
        this.isStill = false
        for (const task of this.tasks.values()) task.isQuiescing = false
        this.wake()
      }
    })
    this.committing = next.then(
      () => {},
      () => {},
    )
    return next
  }

  /** Checkpoints are taken between records: an advance that a slice has interrupted ends first, in slices while the app runs. */
  private async quiesce(tasks: readonly TaskScope[]): Promise<void> {
    for (const task of tasks) task.isQuiescing = true
    while (this.isActive && tasks.some((task) => task.isAdvancing)) {
      this.wake()
      await new Promise<void>((resolve) => this.clock.soon(resolve))
    }
  }

  private changesOf(task: TaskScope): StoreChanges {
    return { scope: checkpointScope(this.options.id, task.sub, task.partition), entries: task.takeCheckpoint() }
  }

  /** At least once: outputs are acknowledged, then state and offsets are stored in one, then the group hears of it. */
  private async commitAfterSends(tasks: readonly TaskScope[]): Promise<void> {
    this.collectOutput()
    const changes = tasks.map((task) => this.changesOf(task))
    const positions = tasks.flatMap((task) => task.positions)
    await this.outbox?.sent()
    await this.options.store.commit(changes)
    try {
      await this.consumer?.commit(positions)
    } catch (error) {
      // The checkpoint holds the offsets that count; the group's are for those who watch lag.
      this.errors$.next(this.asError(error))
    }
  }

  /** Exactly once: a transaction per slot. */
  private async commitTransactions(tasks: readonly TaskScope[]): Promise<void> {
    const slots = new Map<number, TaskScope[]>()
    for (const task of tasks) {
      const slot = this.slots.of(task.partition)
      slots.set(slot, [...(slots.get(slot) ?? []), task])
    }
    // All of them now, between records: what follows waits, and tasks go on meanwhile.
    const commits = [...slots].map(([slot, members]) => ({
      slot,
      records: members.flatMap((task) => task.takeOutput()),
      changes: members.map((task) => this.changesOf(task)),
      positions: members.flatMap((task) => task.positions),
    }))
    for (const commit of commits) await this.slots.commit(commit)
  }

  // ---- what tasks ask for

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
      tasks: [
        ...[...this.tasks.values()].map((task) => taskStats(task, this.waitsFor(task))),
        ...[...this.opening].map(openingStats),
      ],
    }
  }

  /** @throws TidemarkError `BAD_OPTION` */
  explain(request: ExplainRequest): Explanation {
    const plan = this.plan ?? this.options.plan()
    return explain(request, {
      plan,
      tasks: [...this.tasks.values()],
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
    if (isBehind && this.backlog > MAX_UNSENT) return `the broker has yet to acknowledge ${this.backlog} records`
    return waitsFor(task, this.maxTaskIdleMs)
  }
}

/** The topics that an app writes. */
const writtenBy = (plan: Plan): string[] =>
  plan.subTopologies.flatMap(({ sinks, exchanges }) => [...sinks, ...exchanges])

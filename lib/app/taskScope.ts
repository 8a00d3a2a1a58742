import type { Subscription } from 'rxjs'
import type { OutRecord, Position } from '../ports/broker.js'
import type { Clock } from '../ports/clock.js'
import type { StoreEntry } from '../ports/store.js'
import { TidemarkError } from '../record/errors.js'
import { active } from '../task/current.js'
import type {
  AnyRecord,
  Attempt,
  Definition,
  DropReason,
  Outcome,
  TaskInfo,
  TopicTarget,
  TopicWrite,
} from '../task/definition.js'
import type { ErrorStage } from '../task/errorPolicy.js'
import type { Input } from '../task/input.js'
import { gap } from '../task/local.js'
import type { Node } from '../task/node.js'
import type { Origin } from '../task/origin.js'
import { Scope } from '../task/scope.js'
import type { Checkpointed } from '../task/state.js'
import type { StoredValue } from '../task/storedValue.js'
import type { TaskValues } from '../task/taskValues.js'
import { Attempts } from './attempts.js'
import type { TaskChangelog } from './changelog.js'
import type { Snapshot } from './checkpoint.js'
import { Delivery } from './delivery.js'
import { PartitionChoice } from './partitionChoice.js'
import type { PartitionQueue } from './partitionQueue.js'
import {
  completedBefore,
  consumerLeft,
  foreignTask,
  notPlanned,
  subscribedWhileRunning,
  threwBefore,
} from './pipelineErrors.js'
import type { SubTopology } from './plan.js'
import { TaskCheckpoint } from './taskCheckpoint.js'
import type { StoredValues, TaskHost } from './taskHost.js'
import { taskId, writerId } from './taskId.js'
import { isWriter, TaskOutput } from './taskOutput.js'
import { TaskReaders } from './taskReaders.js'
import { checkpointScope } from './taskScopes.js'
import { TaskTime } from './taskTime.js'

/** One sub-topology on one partition: its own subscription of the pipeline, its state, time and place in the log. */
export class TaskScope extends Scope {
  readonly info: TaskInfo
  readonly clock: Clock
  readonly tracked = true
  readonly values: TaskValues | undefined
  readonly queues: PartitionQueue[] = []
  readonly readers = new TaskReaders()
  readonly choice: PartitionChoice
  readonly output: TaskOutput
  private readonly checkpoint: TaskCheckpoint
  readonly time: TaskTime
  private readonly attempts: Attempts
  readonly delivery: Delivery
  private readonly subscriptions: Subscription[] = []
  private readonly blocking = new Set<Node>()
  private pending: (() => void)[] = []
  private isRunning = false
  /** Wall clock, ms, when the running slice began. */
  sliceAt = 0
  failure: TidemarkError | undefined
  /** A checkpoint is about to be taken: a running advance goes on, but nothing new begins. */
  isQuiescing: boolean
  /** Something has happened that a checkpoint would tell. */
  isChanged = false
  handled = 0

  constructor(
    readonly sub: SubTopology,
    readonly partition: number,
    private readonly host: TaskHost,
    snapshot: Snapshot,
    /** The topics of which a partition belongs to it. */
    topics: readonly string[],
    /** Where its states have changelogs. */
    readonly changelog: TaskChangelog | undefined,
  ) {
    super()
    this.info = { id: taskId(sub.id, partition), partition, writer: writerId(sub, partition) }
    this.clock = host.clock
    this.isQuiescing = host.isStill
    this.follow = host.trace?.follow(this)
    const scope = checkpointScope(host.plan.app, sub, partition)
    this.values = host.values?.budget.task((key) => this.readStored(host.values as StoredValues, scope, key))
    this.checkpoint = new TaskCheckpoint(this, host.plan, snapshot)
    this.time = new TaskTime(this, host, topics)
    this.attempts = new Attempts(this, host, () => this.delivery.record)
    this.delivery = new Delivery(this, host, this.attempts)
    this.choice = new PartitionChoice(this.queues, host, (queue) => this.delivery.timestampOf(queue))
    this.output = new TaskOutput(host, this.info.writer, this.readers, this.queues)
    // A first checkpoint waits for something to tell.
    this.isChanged = snapshot.manifest !== undefined && snapshot.isChanged
  }

  /**
   * Goes on for a task that has gone back to a checkpoint: knows what that one has learnt, and counts on.
   *
   * @param unsent what that one has written and nobody has got; `all`: nothing that it has written since counts
   */
  takeOver(before: TaskScope, unsent: readonly OutRecord[] | 'all' = before.output.records): void {
    this.attempts.takeOver(before.attempts, unsent)
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
      if (!this.nodes.has(definition)) throw foreignTask(definition)
    }
    this.seal()
    this.openToReaders()
    this.isRunning = true
  }

  close(): void {
    this.isRunning = false
    this.delivery.close()
    this.choice.close()
    this.abandon()
    this.closeNodes()
    for (const subscription of this.subscriptions) subscription.unsubscribe()
    this.values?.close()
  }

  protected admit(definition: Definition): void {
    if (this.isRunning) throw subscribedWhileRunning(definition)
    if (!this.sub.definitions.includes(definition)) throw notPlanned(definition)
  }

  protected isCut(definition: Definition): boolean {
    return definition.role?.is === 'exchange'
  }

  protected override created(node: Node): void {
    this.time.open(node, this.checkpoint.sources)
  }

  protected override sort(): Node[] {
    return this.sub.definitions.map((definition) => this.nodes.get(definition)).filter((node) => node !== undefined)
  }

  restored(name: string): Iterable<readonly [key: string, value: StoredValue]> {
    return this.checkpoint.restored(name)
  }

  /** A store that can't be read is no fault of the record that asked, whatever the pipeline makes of the error. */
  private readStored(values: StoredValues, scope: string, key: string): Uint8Array {
    try {
      return values.read(scope, key)
    } catch (error) {
      if (active !== undefined) this.fail(error)
      throw error
    }
  }

  restoredTime(node: Node): number | undefined {
    return this.checkpoint.restoredTime(node)
  }

  override restoredReach(node: Node): number {
    return this.checkpoint.restoredReach(node)
  }

  stateName(node: Node): string {
    return this.checkpoint.stateName(node)
  }

  register<S extends Checkpointed>(node: Node, state: S): S {
    this.checkpoint.add(state)
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
    return this.blocking.size > 0 || this.delivery.againAt !== undefined
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
          this.delivery.handle(queue)
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
      this.output.records.length === 0 &&
      this.queues.every((queue) => queue.isHeld || (queue.size === 0 && queue.lag === 0)) &&
      !this.ordered.some((node) => (node.handlers.underWay?.() ?? 0) > 0)
    )
  }

  /** Finishes an advance that a slice has interrupted, in one piece: at the end of a task. */
  settle(): void {
    this.dispatch(() => {
      if (this.failure === undefined) this.continueAdvance(() => this.values?.sweep() ?? false)
    })
  }

  /** Opens a partition's lane: one that never has a record holds back time too, until it is idle. */
  addQueue(queue: PartitionQueue): void {
    this.queues.push(queue)
    if (this.sub.bootstraps.includes(queue.topic)) this.choice.bootstrap(queue)
    this.time.openLane(queue, (of, role) => this.delivery.timestampOf(of, role))
  }

  /** Tells the readers of exchanges how far time is, in partitions where no record has told them. */
  stampExchanges(): void {
    if (this.failure !== undefined) return
    this.output.stampExchanges(this.ordered)
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
    return this.output.target(node)
  }

  write(node: Node, write: TopicWrite): void {
    if (isWriter(node)) this.attempts.isTouched = true
    this.output.write(node, write)
  }

  writeRow(node: Node, record: AnyRecord): void {
    this.attempts.isTouched = true
    this.output.rows.add(node, record)
  }

  // ---- records that go wrong

  origin(): Origin | undefined {
    return this.attempts.origin()
  }

  onBehalf(node: Node, attempt: Attempt): Outcome {
    return this.attempts.onBehalf(node, attempt)
  }

  // ---- errors

  outside(input: Input, record: unknown): void {
    if (this.isGoing) this.fail(gap(input, record as AnyRecord, this))
  }

  /** Whether its dispatch is still of interest to anybody. */
  get isGoing(): boolean {
    return this.isRunning && this.failure === undefined && !this.attempts.hasFailed
  }

  caught(node: Node, error: unknown, record: AnyRecord | undefined): void {
    const known = this.wrap(node, error, record)
    this.attempts.wentWrong(node, stageOf(node, known), this.placed(known))
  }

  inputError(input: Input, error: unknown): void {
    const { node } = input
    const known = threwBefore(node, error)
    // Its subscription is gone.
    this.attempts.isTouched = true
    this.attempts.wentWrong(node, 'process', this.placed(known))
  }

  inputComplete(input: Input): void {
    if (!this.isGoing) return
    this.fail(completedBefore(input, this.delivery.place))
  }

  protected released(node: Node): void {
    if (!this.isGoing) return
    this.fail(consumerLeft(node, this.delivery.place))
  }

  /** A record that an operator made has no place in the log: that of the record behind it helps. */
  private placed(error: TidemarkError): TidemarkError {
    return error.place.topic ? error : error.at(this.delivery.place)
  }

  fail(error: unknown): void {
    if (this.failure !== undefined) return
    const known =
      error instanceof TidemarkError
        ? error
        : new TidemarkError('OPERATOR_FAILED', String(error), this.delivery.place, { cause: error })
    this.failure = this.placed(known)
    this.abandon()
    this.host.error(this.failure, true)
  }

  // ---- checkpoints

  get positions(): Position[] {
    return this.queues.map(({ topic, partition, position }) => ({ topic, partition, offset: position }))
  }

  /** What has changed since the last checkpoint, encoded now: the task may go on while it is written. */
  takeCheckpoint(): StoreEntry[] {
    this.isChanged = false
    this.attempts.known.forgetDone()
    return this.checkpoint.take(this.ordered)
  }

  /** The checkpoint is in the local store. */
  written(): void {
    this.checkpoint.written()
    this.values?.sweep()
  }

  // ---- figures

  /** Operators that take no more records at present. */
  get full(): readonly Node[] {
    return [...this.blocking]
  }

  drops(): { operator: string; reason: DropReason; count: number }[] {
    return this.ordered.flatMap((node) =>
      [...node.drops].map(([reason, count]) => ({ operator: node.operator, reason, count })),
    )
  }
}

function stageOf({ definition: { role } }: Node, { code }: TidemarkError): ErrorStage {
  if (code === 'ASYNC_FAILED' || code === 'CIRCUIT_OPEN') return 'async'
  return role?.is === 'sink' || (role?.is === 'writer' && code === 'NOT_SERIALISABLE') ? 'serialise' : 'process'
}

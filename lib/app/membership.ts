import type { Consumer, ConsumerListener, Position, RawBatch, TopicPartition } from '../ports/broker.js'
import type { TidemarkError } from '../record/errors.js'
import { Assignment } from './assignment.js'
import { Committer } from './committer.js'
import { describeText } from './describe.js'
import { isPassing } from './isPassing.js'
import { topicsReadBy } from './planTopics.js'
import { Rebalances } from './rebalances.js'
import { rejoinPauseMs } from './rejoinPauseMs.js'
import type { Runtime } from './runtime.js'
import { Standbys, type StandbyTask } from './standbys.js'
import { taskId } from './taskId.js'
import type { TaskScope } from './taskScope.js'

/** One membership of the group, from joining to leaving, with all that it has. What comes late from one that is over concerns nobody. */
export interface Life {
  readonly committer: Committer
  readonly assignment: Assignment
  readonly standbys: Standbys
  readonly consumer: Promise<Consumer>
  /** The same, once it is there. */
  member?: Consumer
}

/** Joins the app's group, does what the group asks, and joins again where an error lets it. */
export class Membership implements ConsumerListener {
  life: Life | undefined
  readonly rebalances = new Rebalances()
  /** How often it has joined again since the last checkpoint. */
  rejoins = 0
  rejoining: Promise<void> | undefined

  constructor(private readonly runtime: Runtime) {}

  get tasks(): readonly TaskScope[] {
    return this.life === undefined ? [] : [...this.life.assignment.tasks.values()]
  }

  /** Tasks that have been assigned and don't run yet. */
  get restores() {
    return [...(this.life?.assignment.restores ?? [])]
  }

  // ---- joining and leaving

  /** Becomes a member of the group, with nothing yet. */
  async join(): Promise<void> {
    const { runtime } = this
    const { plan } = runtime
    const { id: app, broker, store, clock, guarantee, keeper, readThrough } = runtime.options
    const { slots, upgrade, warm } = runtime.resources
    const parts = { app, broker, store, clock, guarantee, keeper, slots, readThrough }
    runtime.state$.next('rebalancing')
    this.rebalances.begin(clock.now())
    let life: Life | undefined
    const isOver = () => life === undefined || this.life !== life
    const consumer = () => (life as Life).consumer
    const report = (error: unknown) => {
      if (!isOver()) runtime.report(error)
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
        runtime.wake()
      },
    })
    if (!runtime.isActive) {
      await committer.close()
      return
    }
    const standbys = new Standbys({ ...parts, report })
    const opened = () => {
      if (!isOver()) this.taskOpened()
    }
    const assignment = new Assignment({
      ...parts,
      plan,
      tasks: runtime,
      committer,
      upgrade,
      standbys,
      consumer,
      opened,
      error,
    })
    const joining = broker.consumer({
      group: app,
      topics: topicsReadBy(plan),
      slots: slots.count,
      // As text: a member with another one hears where it differs.
      plan: describeText(plan),
      standbys: runtime.options.standbys,
      warm: () => [...warm],
      listener: this,
    })
    life = { committer, assignment, standbys, consumer: joining }
    this.life = life
    life.member = await joining
  }

  /** Leaves the group, and lets go of all tasks as they are. */
  async leave(): Promise<void> {
    const { runtime, life } = this
    this.life = undefined
    if (life === undefined) return
    const { assignment, consumer, committer, standbys } = life
    const attempt = (run: () => Promise<unknown> | undefined) => runtime.attempt(run)
    await attempt(async () => assignment.clear())
    // A transaction that is cut off while it is written to may be begun again by what arrives late.
    await runtime.checkpoints.last
    await attempt(async () => (await consumer.catch(() => undefined))?.close())
    await attempt(() => standbys.close())
    await attempt(() => runtime.resources.slots.keep(new Set()))
    await attempt(() => committer.close())
  }

  /** Something went wrong that comes from no record: the app goes on from the last checkpoint if it can, and fails if it can't. */
  trouble(error: unknown): void {
    const { runtime } = this
    const known = runtime.asError(error)
    if (!isPassing(known) || !runtime.isActive) runtime.failed(known)
    else if (this.rejoining === undefined) {
      runtime.errors$.next(known)
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
    const { runtime } = this
    runtime.state$.next('rebalancing')
    await this.leave()
    while (runtime.isActive) {
      await runtime.timers.pause(rejoinPauseMs(this.rejoins++))
      if (!runtime.isActive) return
      try {
        await this.join()
        return
      } catch (error) {
        const known = runtime.asError(error)
        if (!isPassing(known)) {
          runtime.failed(known)
          return
        }
        runtime.errors$.next(known)
        await this.leave()
      }
    }
  }

  // ---- what the group asks

  async assigned(partitions: readonly TopicPartition[]): Promise<readonly Position[]> {
    const { runtime, life } = this
    if (!runtime.isActive || life === undefined) return []
    this.rebalances.begin(runtime.clock.now())
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
    const { runtime } = this
    const { slots, warm } = runtime.resources
    if (!runtime.isActive) return
    if (runtime.options.store.durable) for (const { partition } of this.tasks) warm.add(slots.of(partition))
    this.runs()
    runtime.wake()
  }

  settled(): void {
    if (this.runtime.isActive) this.runs()
  }

  /** All tasks run that this member has. */
  private runs(): void {
    if (this.life?.assignment.restores.size !== 0) return
    this.rebalances.end(this.runtime.clock.now())
    this.runtime.runs()
  }

  async revoked(partitions: readonly TopicPartition[]): Promise<void> {
    const { runtime, life } = this
    if (life === undefined) return
    const { assignment } = life
    this.rebalances.begin(runtime.clock.now())
    const leaving = assignment.tasksOf(partitions)
    // What they would handle after their last checkpoint, others handle again.
    for (const task of leaving) task.isQuiescing = true
    try {
      if (runtime.isActive) await runtime.checkpoints.commit(leaving)
    } catch (error) {
      // A member that the group has given up: others go on from its last checkpoint.
      const known = runtime.asError(error)
      if (known.code === 'FENCED') runtime.errors$.next(known)
      else if (this.life === life) this.trouble(known)
    }
    await assignment.remove(partitions)
    if (this.life !== life) return
    if (this.tasks.length === 0 && runtime.isActive) runtime.state$.next('rebalancing')
    // Those that have left are waited for no longer.
    runtime.wake()
  }

  standby(slots: readonly number[]): void {
    const { runtime, life } = this
    if (!runtime.isActive || runtime.options.keeper !== 'changelogs' || life === undefined) return
    const { resources } = runtime
    const tasks = runtime.plan.subTopologies.flatMap((sub): StandbyTask[] =>
      sub.states.size === 0
        ? []
        : Array.from({ length: runtime.tasksIn(sub.id) }, (_, partition) => ({
            id: taskId(sub.id, partition),
            sub,
            partition,
          })).filter(({ id, partition }) => slots.includes(resources.slots.of(partition)) && !life.assignment.has(id)),
    )
    for (const slot of slots) resources.warm.add(slot)
    life.standbys.set(tasks)
  }

  batch(batch: RawBatch): void {
    const { runtime } = this
    const queue = this.life?.assignment.queue(batch)
    if (queue === undefined || !runtime.isActive) return
    queue.add(batch)
    if (!queue.isPaused && queue.bytes >= runtime.slices.shareBytes) {
      queue.isPaused = true
      this.life?.member?.pause([{ topic: batch.topic, partition: batch.partition }])
    }
    runtime.wake()
  }

  error(error: TidemarkError, fatal: boolean): void {
    this.runtime.error(error, fatal)
  }
}

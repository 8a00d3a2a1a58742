import type { Position } from '../ports/broker.js'
import { type DrainHost, drain, drained } from './drain.js'
import type { Life } from './membership.js'
import type { Runtime } from './runtime.js'
import type { TaskScope } from './taskScope.js'

/** Whether values wait in memory for a checkpoint: those changed while the task is set up do, of which it tells nothing else. */
const isHolding = ({ values }: TaskScope) => values !== undefined && values.changedBytes > 0

const MOVING =
  'tasks are being assigned, restored or let go of, and what is kept now would lack some: try again when the app is running'

/** By then all readers see what a transaction has committed. */
const SEEN_MS = 10_000

/** Takes checkpoints of the tasks, one after another, and runs between two of them what needs tasks to stand still. */
export class Checkpoints {
  /** How many have been taken. */
  count = 0
  /** The broker or the store is being asked. */
  isCommitting = false
  /** Until the last of them, or what followed it, has ended in some way. */
  last: Promise<void> = Promise.resolve()
  private isCommittingEarly = false
  /** When the last one was. */
  private writtenAt = Number.NEGATIVE_INFINITY
  /** Tasks wait for something that runs between two checkpoints. */
  isStill = false

  constructor(private readonly runtime: Runtime) {}

  /** Where outputs wait for a checkpoint, or changed values do, too many of them don't wait for the next one. */
  commitEarly(): void {
    const { membership, tasks, slices } = this.runtime
    const needsCheckpoint =
      membership.life?.committer.needsCheckpoint(tasks) || slices.changedBytes > slices.maxChangedBytes
    if (!needsCheckpoint || this.isCommittingEarly) return
    this.isCommittingEarly = true
    this.commit()
      .catch((error) => membership.trouble(error))
      .finally(() => {
        this.isCommittingEarly = false
        this.runtime.wake()
      })
  }

  /** Commits what has changed; calls follow one another. */
  commit(only?: ReadonlySet<TaskScope>): Promise<void> {
    return this.between(() => this.commitNow(only))
  }

  /** Resolves when whoever comes next can read the last one. One that isn't of late has been seen, and is asked no broker for, which may be gone. */
  async settle(): Promise<void> {
    if (this.runtime.clock.now() - this.writtenAt < SEEN_MS) await this.between(() => this.settleNow())
  }

  /** A transaction's records and offsets are seen a moment after it is committed, and not all of them at once. */
  private async settleNow(): Promise<void> {
    const { membership, resources } = this.runtime
    if (membership.life !== undefined) await resources.slots.settle()
  }

  /** Commits all, and waits until it can be read. */
  private async commitSeen(): Promise<void> {
    await this.commitNow(undefined)
    await this.settleNow()
  }

  /** Runs something when none of them is being written; the next one waits for it. */
  between<T>(run: () => Promise<T>): Promise<T> {
    const next = this.last.then(run)
    this.last = next.then(
      () => {},
      () => {},
    )
    return next
  }

  private async commitNow(only: ReadonlySet<TaskScope> | undefined): Promise<void> {
    const { runtime } = this
    const { membership } = runtime
    const { life } = membership
    if (runtime.state === 'failed' || life === undefined) return
    const isChanged = (task: TaskScope) =>
      (only === undefined || only.has(task)) && (task.isChanged || task.output.records.length > 0 || isHolding(task))
    await this.quiesce(life, runtime.tasks.filter(isChanged))
    // Some may have gone meanwhile, or all. From here to the snapshots nothing is awaited.
    if (membership.life !== life) return
    const changed = runtime.tasks.filter(isChanged)
    if (changed.length === 0) return
    for (const task of changed) {
      task.settle()
      // Those that are about to leave handle nothing more.
      if (only === undefined) task.isQuiescing = this.isStill
    }
    runtime.wake()
    if (runtime.failure !== undefined) return
    this.isCommitting = true
    try {
      await life.committer.commit(changed)
    } catch (error) {
      // It was let go of meanwhile, and why has been told: what goes wrong by that is nothing new.
      if (membership.life !== life) return
      throw error
    } finally {
      this.isCommitting = false
    }
    this.count++
    this.writtenAt = runtime.clock.now()
    membership.rejoins = 0
  }

  /** What was taken for a checkpoint that isn't written is nowhere any more, whoever asked for it: the app goes on from the last one. */
  private lost(error: unknown): never {
    this.runtime.membership.trouble(error)
    throw error
  }

  /** Whether this life goes on, and all tasks run that it has. */
  private isWhole(life: Life | undefined): boolean {
    return life !== undefined && this.runtime.membership.life === life && life.assignment.restores.size === 0
  }

  /** Checkpoints are taken between records: an advance that a slice has interrupted ends first, in slices while the app runs. */
  private async quiesce(life: Life, tasks: readonly TaskScope[]): Promise<void> {
    const { runtime } = this
    for (const task of tasks) task.isQuiescing = true
    const isAdvancing = (task: TaskScope) => task.isAdvancing && life.assignment.tasks.get(task.info.id) === task
    while (runtime.isActive && tasks.some(isAdvancing)) {
      runtime.wake()
      await new Promise<void>((resolve) => runtime.clock.soon(resolve))
    }
  }

  // ---- between two of them

  /** Runs something right after a checkpoint of all tasks: none handles a record before that has ended. */
  still<T>(run: () => Promise<T>): Promise<T> {
    const { runtime } = this
    return this.between(async () => {
      this.isStill = true
      try {
        for (const task of runtime.tasks) task.isQuiescing = true
        const { life } = runtime.membership
        await this.commitSeen().catch((error) => this.lost(error))
        await runtime.resources.slots.visible(runtime.clock, () => runtime.isActive)
        runtime.checkRuns()
        if (!this.isWhole(life)) throw runtime.refuse('BAD_STATE', MOVING)
        return await run()
      } finally {
        this.isStill = false
        for (const task of runtime.tasks) task.isQuiescing = false
        runtime.wake()
      }
    })
  }

  /**
   * Waits until all that was read has come to its end, through all exchanges, and takes no input meanwhile; then runs something, right after a checkpoint.
   *
   * @throws TidemarkError `BAD_STATE` if that takes longer than `timeoutMs`, or not all tasks run in this process
   */
  atRest<T>(timeoutMs: number, run: (positions: readonly Position[]) => Promise<T>): Promise<T> {
    return drained(this.drainHost, timeoutMs, () => this.still(() => run(this.runtime.positions)))
  }

  /** @throws TidemarkError `BAD_STATE` if it takes longer than `timeoutMs`, or not all tasks run in this process */
  drain(timeoutMs: number): Promise<void> {
    return drain(this.drainHost, timeoutMs)
  }

  private get drainHost(): DrainHost {
    const { runtime } = this
    return {
      app: runtime.options.id,
      plan: runtime.plan,
      broker: runtime.options.broker,
      clock: runtime.clock,
      get tasks() {
        return runtime.tasks
      },
      get unsentBytes() {
        return runtime.slices.unsentBytes
      },
      get taskCount() {
        return runtime.taskCount
      },
      stampExchanges: () => runtime.slices.stampExchanges(),
      wake: () => runtime.wake(),
      commit: async () => {
        // Else what is on its way from task to task would be neither here nor there.
        await this.between(() => this.commitSeen()).catch((error) => this.lost(error))
        runtime.checkRuns()
      },
    }
  }
}

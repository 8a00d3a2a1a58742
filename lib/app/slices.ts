import type { Runtime } from './runtime.js'
import type { TaskScope } from './taskScope.js'
import { waitsFor } from './waitsFor.js'

/** Records that wait at `toRows` beyond which a checkpoint comes first. */
const MAX_ROWS = 20_000

/** Changed values, where they leave memory once they are written, beyond which a checkpoint comes first; the budget's own size if that is more. */
const MAX_CHANGED_BYTES = 4 << 20

/** Gives tasks their turns, in slices of wall-clock time between which others of this process have theirs, and bounds what they hold in memory. */
export class Slices {
  private isScheduled = false
  private turn = 0
  /** Number of the running one. */
  current = 0

  constructor(private readonly runtime: Runtime) {}

  wake(): void {
    if (this.isScheduled || !this.runtime.isActive) return
    this.isScheduled = true
    this.runtime.clock.soon(this.run)
  }

  private readonly run = (): void => {
    const { runtime } = this
    this.isScheduled = false
    if (!runtime.isActive) return
    const { tasks, options, clock } = runtime
    const isFull =
      this.unsentBytes > options.maxBufferedBytes ||
      this.waitingRows > MAX_ROWS ||
      this.changedBytes > this.maxChangedBytes
    if (isFull) runtime.checkpoints.commitEarly()
    const until = clock.now() + options.sliceMs
    const isOver = () => clock.now() >= until
    this.current++
    let more = false
    let isMoving = false
    for (let n = 0; n < tasks.length; n++) {
      // Where the last slice ended, so that each has its turn.
      const task = tasks[(this.turn + n) % tasks.length] as TaskScope
      // What a checkpoint waits for goes on: it may be the checkpoint that sends what is there.
      if (isFull && !task.isQuiescing) continue
      const { handled } = task
      if (task.step(isOver)) more = true
      if (!runtime.isActive) return
      if (task.handled > handled) isMoving = true
      if (task.failure === undefined) this.resume(task)
      if (!isOver()) continue
      this.turn = (this.turn + n + 1) % tasks.length
      more = true
      break
    }
    runtime.membership.life?.committer.collect(tasks)
    // One that has gone on may have been waited for.
    if (more || (isMoving && tasks.some((task) => task.choice.isAligning))) this.wake()
  }

  stampExchanges(): void {
    const { tasks, membership } = this.runtime
    for (const task of tasks) task.stampExchanges()
    membership.life?.committer.collect(tasks)
  }

  /** What each partition may take: its own, so that none keeps another, which a task may have to wait for, from being read. */
  get shareBytes(): number {
    const { options, membership } = this.runtime
    return options.maxBufferedBytes / Math.max(1, membership.life?.assignment.size ?? 1)
  }

  private resume(task: TaskScope): void {
    for (const queue of task.queues) {
      if (!queue.isPaused || queue.bytes > this.shareBytes / 4) continue
      queue.isPaused = false
      this.runtime.membership.life?.member?.resume([{ topic: queue.topic, partition: queue.partition }])
    }
  }

  /** Records that a checkpoint writes as rows. */
  private get waitingRows(): number {
    return this.runtime.tasks.reduce((sum, task) => sum + task.output.rows.count, 0)
  }

  /** About what values take of states that have to stay in memory until a checkpoint has written them. */
  get changedBytes(): number {
    return this.runtime.tasks.reduce((sum, { values }) => sum + (values?.changedBytes ?? 0), 0)
  }

  get maxChangedBytes(): number {
    return Math.max(MAX_CHANGED_BYTES, this.runtime.options.readThrough?.maxBytes ?? 0)
  }

  /** About what those outputs take in memory that the broker has yet to acknowledge. */
  get unsentBytes(): number {
    const { tasks, membership } = this.runtime
    return membership.life?.committer.unsentBytes(tasks) ?? 0
  }

  /** Why a task takes no record although there are some; undefined if it does, or there are none. */
  waitsFor(task: TaskScope): string | undefined {
    const { maxBufferedBytes, maxTaskIdleMs } = this.runtime.options
    const isBehind = task.queues.some((queue) => queue.size > 0)
    if (isBehind && this.waitingRows > MAX_ROWS)
      return `${this.waitingRows} records wait for a checkpoint to write them as rows`
    if (isBehind && this.changedBytes > this.maxChangedBytes)
      return `${Math.round(this.changedBytes)} bytes of changed state wait for a checkpoint (maxStateBytes)`
    if (isBehind && this.unsentBytes > maxBufferedBytes)
      return `the broker has yet to acknowledge ${this.unsentBytes} bytes of outputs (maxBufferedBytes)`
    return waitsFor(task, maxTaskIdleMs)
  }
}

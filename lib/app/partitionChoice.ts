import type { Clock } from '../ports/clock.js'
import type { PartitionQueue } from './partitionQueue.js'

/** What the choice needs of the runtime. */
interface ChoiceHost {
  readonly clock: Clock
  /** Number of the running slice. */
  readonly slice: number
  /** How long a partition that is caught up is waited for, where others have records. */
  readonly maxTaskIdleMs: number
  wake(): void
}

/** Which of its partitions a task reads next. */
export class PartitionChoice {
  private cancelWake: (() => void) | undefined
  /** Partitions to be read before all others, and up to where. */
  private bootstrapping: { readonly queue: PartitionQueue; readonly until: number }[] = []

  constructor(
    private readonly queues: readonly PartitionQueue[],
    private readonly host: ChoiceHost,
    /** Timestamp of a partition's next record, which is there. */
    private readonly timestampOf: (queue: PartitionQueue) => number,
  ) {}

  /** A partition is to be read before all others, up to where it ends now. */
  bootstrap(queue: PartitionQueue): void {
    this.bootstrapping.push({ queue, until: queue.end })
  }

  /** Partitions that are read before all others. */
  get bootstraps(): readonly PartitionQueue[] {
    this.bootstrapping = this.bootstrapping.filter(({ queue, until }) => queue.position < until)
    return this.bootstrapping.map(({ queue }) => queue)
  }

  /** The partition whose next record is handled now. @param now wall clock, ms, when the slice began */
  choose(now: number): PartitionQueue | undefined {
    // Whatever their group says: what they would wait for waits for them.
    if (this.bootstrapping.length > 0 && this.bootstraps.length > 0) return this.earliest(this.bootstraps, now, false)
    for (;;) {
      const first = this.earliest(this.queues, now, true)
      if (first?.aligned === undefined || !first.aligned.isAhead(this.host.slice)) return first
    }
  }

  /** That with the smallest timestamp; none while one with lag is waited for, or one that is caught up, for as long as it may be. */
  private earliest(queues: readonly PartitionQueue[], now: number, isAligned: boolean): PartitionQueue | undefined {
    const { slice, maxTaskIdleMs } = this.host
    let first: PartitionQueue | undefined
    let least = Number.POSITIVE_INFINITY
    let idleMs = Number.POSITIVE_INFINITY
    for (const queue of queues) {
      if (queue.isHeld) continue
      if (queue.size === 0) {
        if (queue.lag > 0) return undefined
        if (maxTaskIdleMs === 0 || queues.length === 1) continue
        queue.quietSince ??= now
        const restMs = queue.quietSince + maxTaskIdleMs - now
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

  private wakeIn(ms: number): void {
    if (this.cancelWake !== undefined) return
    this.cancelWake = this.host.clock.after(ms, () => {
      this.cancelWake = undefined
      this.host.wake()
    })
  }

  /** Whether a partition waits for others of its group, as of this slice. */
  get isAligning(): boolean {
    return this.queues.some((queue) => queue.aligned?.waitsIn(this.host.slice))
  }

  close(): void {
    this.cancelWake?.()
    for (const queue of this.queues) queue.aligned?.leave()
  }
}

import type { Lane, Watermark } from '../task/watermark.js'
import type { PartitionQueue } from './partitionQueue.js'

/**
 * The partitions of one alignment group that are read in this process. One whose next record would bring its watermark more than its `maxDrift` beyond
 * the slowest waits. The slowest itself never does, so somebody always goes on:
 *
 * ```
 * place = max(watermark, timestamp of the next record - bound)
 * waits while place > least place in the group + maxDrift
 * ```
 *
 * Idle partitions don't count, nor do those with nothing to read that can't become idle, for want of a time-out.
 */
export class AlignmentGroup {
  private readonly members = new Set<AlignedPartition>()
  /** As of some time ago; it only rises, but for partitions that come or wake. */
  private least = Number.NEGATIVE_INFINITY

  constructor(readonly name: string) {}

  add(member: AlignedPartition): void {
    this.members.add(member)
    this.least = Number.NEGATIVE_INFINITY
  }

  remove(member: AlignedPartition): void {
    this.members.delete(member)
  }

  /** Those that are furthest behind. */
  slowest(): readonly AlignedPartition[] {
    let least = Number.POSITIVE_INFINITY
    let found: AlignedPartition[] = []
    for (const member of this.members) {
      if (!member.counts) continue
      const place = member.place()
      if (place < least) found = []
      if (place <= least) found.push(member)
      least = Math.min(least, place)
    }
    return found
  }

  isBeyond(place: number, maxDriftMs: number): boolean {
    if (place <= this.least + maxDriftMs) return false
    this.least = this.slowest()[0]?.place() ?? Number.POSITIVE_INFINITY
    return place > this.least + maxDriftMs
  }
}

/** A partition as its group sees it. */
export class AlignedPartition {
  /** The slice in which it was found to be too far ahead: asked once in each. */
  private aheadIn = -1

  constructor(
    readonly group: AlignmentGroup,
    readonly queue: PartitionQueue,
    private readonly lane: Lane,
    private readonly declared: Watermark,
    /** Timestamp of the next record, which is there. */
    private readonly next: () => number,
  ) {
    group.add(this)
  }

  get counts(): boolean {
    if (this.queue.size > 0 || this.queue.lag > 0) return true
    return !this.lane.idle && this.declared.idleMs < Number.POSITIVE_INFINITY
  }

  place(): number {
    const { watermark } = this.lane
    return this.queue.size === 0 ? watermark : Math.max(watermark, this.next() - this.declared.boundMs)
  }

  /** Whether it has been found to be too far ahead in that slice. */
  waitsIn(slice: number): boolean {
    return this.aheadIn === slice
  }

  /** Whether its next record has to wait at present. */
  get isTooFar(): boolean {
    const { maxDriftMs } = this.declared.alignment as NonNullable<Watermark['alignment']>
    return this.queue.size > 0 && this.group.isBeyond(this.place(), maxDriftMs)
  }

  /** Whether its next record has to wait, for the rest of the slice at least. */
  isAhead(slice: number): boolean {
    if (this.aheadIn !== slice && this.isTooFar) this.aheadIn = slice
    return this.aheadIn === slice
  }

  leave(): void {
    this.group.remove(this)
  }
}

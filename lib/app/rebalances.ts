/** How often partitions have moved to or from this process, and for how long tasks stood still by it. */
export interface RebalanceStats {
  readonly count: number
  /** From the first word of the last one until all tasks that came ran, ms; the restore of their state is part of it. */
  readonly lastMs: number
  readonly longestMs: number
}

/** Measures rebalances; what comes while one is under way is part of it. */
export class Rebalances {
  private count = 0
  private lastMs = 0
  private longestMs = 0
  private since: number | undefined

  begin(now: number): void {
    if (this.since !== undefined) return
    this.since = now
    this.count++
  }

  end(now: number): void {
    if (this.since === undefined) return
    this.lastMs = now - this.since
    this.longestMs = Math.max(this.longestMs, this.lastMs)
    this.since = undefined
  }

  stats(): RebalanceStats {
    return { count: this.count, lastMs: this.lastMs, longestMs: this.longestMs }
  }
}

import type { RecordedRecord } from './recordedRecord.js'

/** A record that the pipeline has written to a topic. */
export interface ReplayOutput extends RecordedRecord {
  /** How many records of the recording had been handled when it was there. */
  readonly index: number
}

/** What a pipeline has written, up to the furthest place that a replay has come to: what it writes there again is the same. */
export class ReplayOutputs {
  private readonly all: ReplayOutput[] = []
  /** That place. */
  known = 0

  /** What was written while the record before that place was handled. */
  add(index: number, written: readonly Omit<ReplayOutput, 'index'>[]): void {
    if (index <= this.known) return
    this.known = index
    for (const { topic, partition, key, value, timestamp, offset, headers } of written)
      this.all.push({ topic, partition, key, value, timestamp, offset, headers, index })
  }

  /** How many there are up to a place. */
  countAt(index: number): number {
    let [low, high] = [0, this.all.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.all[middle] as ReplayOutput).index <= index) low = middle + 1
      else high = middle
    }
    return low
  }

  between(from: number, to: number): ReplayOutput[] {
    return this.all.slice(from, to)
  }
}

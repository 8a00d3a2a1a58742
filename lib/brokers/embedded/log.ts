import type { OutRecord, PartitionRange, RawBatch, RawRecord, TopicPartition } from '../../ports/broker.js'
import type { Chunk } from '../rules/chunk.js'

/** One partition's records in memory. Offsets rise, with gaps where it has compacted or a transaction ended. */
export class PartitionLog implements TopicPartition {
  /** Called after records have been added, or it has been deleted. */
  readonly readers = new Set<() => void>()
  /** Where each stored chunk begins; compaction rewrites or removes them one by one. */
  private bases: number[] = []
  private records: RawRecord[] = []
  private sizeAtCompaction = 0
  private reserved: number
  /** The offset that the next record will have. */
  end: number
  /** With its topic. Another log may have the name since. */
  isDeleted = false

  constructor(
    readonly topic: string,
    readonly partition: number,
    private readonly start = 0,
  ) {
    this.reserved = start
    this.end = start
  }

  get range(): PartitionRange {
    return { start: this.start, end: this.end }
  }

  /**
   * Gives records their offsets, without adding them yet; reservations may follow each other before they are added.
   *
   * @param marked leaves one offset out behind them, as the end of a Kafka transaction does
   */
  reserve(records: readonly OutRecord[], marked: boolean): Chunk & { readonly base: number } {
    const first = this.reserved
    this.reserved += records.length + (marked ? 1 : 0)
    return {
      base: first,
      records: records.map(({ key, value, timestamp, headers }, index) => ({
        key,
        value,
        timestamp,
        offset: first + index,
        headers,
      })),
      nextOffset: this.reserved,
    }
  }

  /** Forgets reservations whose records were never added. */
  release(): void {
    this.reserved = this.end
  }

  add(base: number, { records, nextOffset }: Chunk): void {
    this.bases.push(base)
    for (const record of records) this.records.push(record)
    this.end = nextOffset
    this.reserved = Math.max(this.reserved, nextOffset)
    for (const wake of [...this.readers]) wake()
  }

  /** The records from an offset on, at most `limit` and below `to`. */
  read(from: number, limit: number, to = this.end): RawBatch {
    const first = this.indexOf(from)
    const last = Math.min(first + limit, to < this.end ? this.indexOf(to) : this.records.length)
    return {
      topic: this.topic,
      partition: this.partition,
      records: this.records.slice(first, last),
      nextOffset: Math.min(this.records[last]?.offset ?? this.end, to),
      endOffset: this.end,
    }
  }

  /** Whether enough has been added since the last compaction to make another one worthwhile. */
  shouldCompact(after: number): boolean {
    return this.records.length >= 2 * this.sizeAtCompaction + after
  }

  /** Keeps the last record of each key. Returns what became of each chunk that changed: null if nothing is left. */
  compact(): Map<number, Chunk | null> {
    const last = new Map<string, number>()
    for (const { key, offset } of this.records) if (key !== null) last.set(bytesText(key), offset)

    const changed = new Map<number, Chunk | null>()
    const bases: number[] = []
    const kept: RawRecord[] = []
    this.bases.forEach((base, index) => {
      const next = this.bases[index + 1]
      const chunk = this.records.slice(this.indexOf(base), next === undefined ? undefined : this.indexOf(next))
      const live = chunk.filter(({ key, offset }) => key === null || last.get(bytesText(key)) === offset)
      if (live.length > 0) bases.push(base)
      if (live.length < chunk.length) {
        changed.set(base, live.length === 0 ? null : { records: live, nextOffset: next ?? this.end })
      }
      for (const record of live) kept.push(record)
    })
    this.bases = bases
    this.records = kept
    this.sizeAtCompaction = kept.length
    return changed
  }

  /** Index of the first record at or after an offset. */
  private indexOf(offset: number): number {
    let low = 0
    let high = this.records.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.records[middle] as RawRecord).offset < offset) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** Bytes as something a `Map` compares by value. */
function bytesText(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}

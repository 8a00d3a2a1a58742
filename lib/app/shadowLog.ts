import type { Broker, OutRecord, PartitionRange, RawBatch, RawRecord, TopicPartition } from '../ports/broker.js'

/** How many offsets are read at a time. */
const READ_RECORDS = 1_000

/** A partition as a shadow sees it: what the real one holds up to an offset, and from there on what the shadow has written itself. */
export class ShadowLog implements TopicPartition {
  /** Called after records have been added. */
  readonly readers = new Set<() => void>()
  readonly added: RawRecord[] = []

  /**
   * @param start of what the real partition holds
   * @param base where that ends for the shadow
   */
  constructor(
    private readonly real: Broker,
    readonly topic: string,
    readonly partition: number,
    private readonly start: number,
    private readonly base: number,
  ) {}

  get range(): PartitionRange {
    return { start: this.start, end: this.base + this.added.length }
  }

  add({ key, value, timestamp, headers }: OutRecord): void {
    this.added.push({ key, value, timestamp, headers, offset: this.range.end })
    for (const wake of [...this.readers]) wake()
  }

  /** Some records from an offset below the end on. */
  async read(from: number, to = this.range.end): Promise<RawBatch> {
    const { topic, partition, base } = this
    const end = Math.min(from + READ_RECORDS, to)
    if (from >= base) {
      const records = this.added.slice(from - base, end - base)
      return { topic, partition, records, nextOffset: end, endOffset: this.range.end }
    }
    const records: RawRecord[] = []
    const upTo = Math.min(end, base)
    await this.real.read({ topic, partition }, from, upTo, (batch) => {
      records.push(...batch.records)
    })
    return { topic, partition, records, nextOffset: upTo, endOffset: this.range.end }
  }
}

import type { Broker, Consumer, ConsumerListener, Position, RawBatch, TopicPartition } from '../ports/broker.js'
import type { TidemarkError } from '../record/errors.js'
import type { DropReason } from '../task/definition.js'
import { type GlobalTopic, takeRow } from './globalTopic.js'
import { PartitionQueue } from './partitionQueue.js'

/** Figures of one global table. */
export interface GlobalTableStats {
  readonly topic: string
  /** Records read since the app started. */
  readonly records: number
  readonly rows: number
  /** Records that the log has and that haven't been read, as last heard of. */
  readonly lag: number
  readonly dropped: readonly { readonly reason: DropReason; readonly count: number }[]
}

/** A global table, the partitions of its topic, and how far they have been read. */
interface Reading extends GlobalTopic {
  queues: PartitionQueue[]
  records: number
  readonly drops: Map<DropReason, number>
}

/**
 * Fills the global tables of an app: first with all that their topics hold, then with what comes. It reads all partitions, in a group of its own that
 * commits nothing, so that every instance of the app has all rows.
 */
export class GlobalReader implements ConsumerListener {
  private readonly readings: Reading[]
  private consumer: Consumer | undefined
  private isClosed = false

  constructor(
    private readonly app: string,
    private readonly broker: Broker,
    topics: readonly GlobalTopic[],
    private readonly report: (error: TidemarkError, fatal: boolean) => void,
  ) {
    this.readings = topics.map((topic) => ({ ...topic, queues: [], records: 0, drops: new Map() }))
  }

  /** Resolves when the tables have what the topics hold now. @throws TidemarkError `UNKNOWN_TOPIC`, `DESERIALISE`, `BAD_TIMESTAMP` */
  async open(): Promise<void> {
    if (this.readings.length === 0) return
    await Promise.all(this.readings.map((reading) => this.readAll(reading)))
    this.consumer = await this.broker.consumer({
      // Of this reader alone: the name needs to be nobody else's, now or later.
      group: `${this.app}-global-${Math.random().toString(36).slice(2)}${Date.now().toString(36)}`,
      topics: [...new Set(this.readings.map(({ role }) => role.topic))],
      slots: 1,
      plan: '',
      listener: this,
    })
  }

  private async readAll(reading: Reading): Promise<void> {
    const { topic } = reading.role
    const ranges = await this.broker.ranges(topic)
    reading.queues = ranges.map(({ start, end }, partition) => new PartitionQueue(topic, partition, start, end))
    await Promise.all(
      reading.queues.map((queue) =>
        this.broker.read(queue, queue.position, queue.end, (batch) => {
          queue.add(batch)
          this.take(reading, queue)
        }),
      ),
    )
    reading.rows.isOpen = true
  }

  async close(): Promise<void> {
    this.isClosed = true
    for (const { rows } of this.readings) rows.clear()
    await this.consumer?.close()
  }

  stats(): GlobalTableStats[] {
    return this.readings.map(({ role, rows, queues, records, drops }) => ({
      topic: role.topic,
      records,
      rows: rows.size,
      lag: queues.reduce((lag, queue) => lag + queue.lag, 0),
      dropped: [...drops].map(([reason, count]) => ({ reason, count })),
    }))
  }

  // ---- what the consumer tells

  async assigned(partitions: readonly TopicPartition[]): Promise<readonly Position[]> {
    return partitions.flatMap((one) => {
      // Two tables over one topic: the one that is behind says where to go on.
      const offsets = this.queuesOf(one).map(({ queue }) => queue.position)
      return offsets.length === 0 ? [] : [{ ...one, offset: Math.min(...offsets) }]
    })
  }

  async revoked(): Promise<void> {}

  batch(batch: RawBatch): void {
    if (this.isClosed) return
    try {
      for (const { reading, queue } of this.queuesOf(batch)) {
        queue.add(batch)
        this.take(reading, queue)
      }
    } catch (error) {
      this.report(error as TidemarkError, true)
    }
  }

  error(error: TidemarkError, fatal: boolean): void {
    if (!this.isClosed) this.report(error, fatal)
  }

  // ---- records

  private queuesOf({ topic, partition }: TopicPartition): { reading: Reading; queue: PartitionQueue }[] {
    return this.readings.flatMap((reading) => {
      const queue = reading.role.topic === topic ? reading.queues[partition] : undefined
      return queue === undefined ? [] : [{ reading, queue }]
    })
  }

  /** Takes all that has been read of a partition into its table. */
  private take(reading: Reading, queue: PartitionQueue): void {
    const { drops } = reading
    const drop = (reason: DropReason, error?: TidemarkError) => {
      drops.set(reason, (drops.get(reason) ?? 0) + 1)
      if (error !== undefined) this.report(error, false)
    }
    for (; queue.size > 0; queue.done()) {
      reading.records++
      takeRow(reading, queue, drop)
    }
  }
}

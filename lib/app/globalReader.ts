import type { Broker, Consumer, ConsumerListener, Position, RawBatch, TopicPartition } from '../ports/broker.js'
import type { Clock } from '../ports/clock.js'
import type { TidemarkError } from '../record/errors.js'
import type { DropReason } from '../task/definition.js'
import { type GlobalTopic, takeRow } from './globalTopic.js'
import { isPassing } from './isPassing.js'
import { lostPlace } from './lostPlace.js'
import { PartitionQueue } from './partitionQueue.js'
import { rejoinPauseMs } from './rejoinPauseMs.js'
import { shortPause } from './shortPause.js'

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

export interface GlobalReaderOptions {
  readonly app: string
  readonly broker: Broker
  readonly clock: Clock
  report(error: TidemarkError, fatal: boolean): void
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
  private joining: Promise<void> = Promise.resolve()
  /** Ends the pause before it joins again. */
  private hurry = () => {}

  constructor(
    private readonly options: GlobalReaderOptions,
    topics: readonly GlobalTopic[],
  ) {
    this.readings = topics.map((topic) => ({ ...topic, queues: [], records: 0, drops: new Map() }))
  }

  /** Resolves when the tables have what the topics hold now. @throws TidemarkError `UNKNOWN_TOPIC`, `DESERIALISE`, `BAD_TIMESTAMP` */
  async open(): Promise<void> {
    if (this.readings.length === 0) return
    await Promise.all(this.readings.map((reading) => this.readAll(reading)))
    this.joining = this.join()
    await this.joining
  }

  /** Hears of what comes, from where each table is. */
  private async join(): Promise<void> {
    const { app, broker } = this.options
    const consumer = await broker.consumer({
      // Of this reader alone: the name needs to be nobody else's, now or later.
      group: `${app}-global-${Math.random().toString(36).slice(2)}${Date.now().toString(36)}`,
      topics: [...new Set(this.readings.map(({ role }) => role.topic))],
      slots: 1,
      plan: '',
      listener: this,
    })
    const unused = this.isClosed ? consumer : this.consumer
    if (!this.isClosed) this.consumer = consumer
    await unused?.close()
  }

  /** Its consumer has ended by what may pass, as when another tab hosts the broker: the next one goes on from there. */
  private async rejoin(): Promise<void> {
    for (let times = 0; !this.isClosed; times++) {
      const pause = shortPause(this.options.clock, rejoinPauseMs(times))
      this.hurry = pause.end
      await pause.over
      if (this.isClosed) return
      try {
        await this.join()
        return
      } catch (reason) {
        const error = reason as TidemarkError
        this.tell(error, !isPassing(error))
        if (!isPassing(error)) return
      }
    }
  }

  private async readAll(reading: Reading): Promise<void> {
    const { topic } = reading.role
    const { broker } = this.options
    const ranges = await broker.ranges(topic)
    reading.queues = ranges.map(({ start, end }, partition) => new PartitionQueue(topic, partition, start, end))
    await Promise.all(
      reading.queues.map((queue) =>
        broker.read(queue, queue.position, queue.end, (batch) => {
          queue.add(batch)
          this.take(reading, queue)
        }),
      ),
    )
    reading.rows.isOpen = true
  }

  async close(): Promise<void> {
    this.isClosed = true
    this.hurry()
    for (const { rows } of this.readings) rows.clear()
    await this.consumer?.close()
  }

  /** How many partitions are read of a topic; undefined if it is none of a global table. */
  partitions(topic: string): number | undefined {
    return this.readings.find(({ role }) => role.topic === topic)?.queues.length
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
      this.tell(error as TidemarkError, true)
    }
  }

  error(error: TidemarkError, fatal: boolean): void {
    if (error.code === 'OFFSET_OUT_OF_RANGE') {
      this.tell(lostPlace(error), true)
      return
    }
    const mayPass = fatal && isPassing(error)
    this.tell(error, fatal && !mayPass)
    // One at a time: it may have been heard before the last one was there.
    if (mayPass)
      this.joining = this.joining.then(
        () => this.rejoin(),
        () => {},
      )
  }

  private tell(error: TidemarkError, fatal: boolean): void {
    if (!this.isClosed) this.options.report(error, fatal)
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
      if (error !== undefined) this.options.report(error, false)
    }
    for (; queue.size > 0; queue.done()) {
      reading.records++
      takeRow(reading, queue, drop)
    }
  }
}

import type { Consumer, ConsumerListener, Position, TopicPartition } from '../ports/broker.js'
import { TidemarkError } from '../record/errors.js'
import type { ShadowLog } from './shadowLog.js'

/** A partition and where its reader is. */
interface Lane {
  readonly log: ShadowLog
  position: number
  isPaused: boolean
  isReading: boolean
  readonly wake: () => void
}

/** The only member of its group: it has all partitions from the start, and keeps them. */
export class ShadowConsumer implements Consumer {
  private readonly lanes: readonly Lane[]
  private isAssigned = false
  private isClosed = false

  constructor(
    logs: readonly ShadowLog[],
    private readonly listener: ConsumerListener,
  ) {
    this.lanes = logs.map((log) => {
      const wake = () => void this.pump(lane)
      const lane: Lane = { log, position: log.range.start, isPaused: false, isReading: false, wake }
      log.readers.add(wake)
      return lane
    })
    void this.begin()
  }

  private async begin(): Promise<void> {
    try {
      // Not before whoever has asked for it has it.
      await Promise.resolve()
      const partitions = this.lanes.map(({ log: { topic, partition } }) => ({ topic, partition }))
      this.seek(await this.listener.assigned(partitions))
      this.isAssigned = true
      for (const lane of this.lanes) lane.wake()
    } catch (error) {
      this.failed(error)
    }
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const lane of this.of(partitions)) lane.isPaused = true
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const lane of this.of(partitions)) {
      lane.isPaused = false
      lane.wake()
    }
  }

  seek(positions: readonly Position[]): void {
    for (const { topic, partition, offset } of positions)
      for (const lane of this.of([{ topic, partition }])) lane.position = offset
  }

  async commit(): Promise<void> {}

  async close(): Promise<void> {
    this.isClosed = true
    for (const { log, wake } of this.lanes) log.readers.delete(wake)
  }

  private of(partitions: readonly TopicPartition[]): Lane[] {
    return this.lanes.filter(({ log }) =>
      partitions.some(({ topic, partition }) => topic === log.topic && partition === log.partition),
    )
  }

  private async pump(lane: Lane): Promise<void> {
    if (lane.isReading || !this.isAssigned) return
    lane.isReading = true
    try {
      while (!this.isClosed && !lane.isPaused && lane.position < lane.log.range.end) {
        const { position } = lane
        const batch = await lane.log.read(position)
        // It has been told to go on elsewhere meanwhile.
        if (lane.position !== position || this.isClosed) continue
        lane.position = batch.nextOffset
        this.listener.batch(batch)
      }
    } catch (error) {
      this.failed(error)
    } finally {
      lane.isReading = false
    }
  }

  private failed(error: unknown): void {
    const known =
      error instanceof TidemarkError ? error : new TidemarkError('OPERATOR_FAILED', String(error), {}, { cause: error })
    this.listener.error(known, true)
  }
}

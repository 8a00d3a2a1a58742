import type { Consumer, ConsumerOptions, Position, TopicPartition } from '../../ports/broker.js'
import { placeOf } from '../../ports/broker.js'
import { partitionKey } from '../../ports/partitionKey.js'
import { show, TidemarkError } from '../../record/errors.js'
import { consumerClosed } from '../rules/consumerClosed.js'
import { notOurs } from '../rules/notOurs.js'
import { ownerThrew } from '../rules/ownerThrew.js'
import type { PartitionLog } from './log.js'
import type { Topics } from './topics.js'

const MAX_BATCH_RECORDS = 500

/** An assigned partition and where its reader is. */
interface Lane {
  readonly log: PartitionLog
  position: number
  /** That its topic has been deleted has been told. */
  isTold: boolean
  readonly close: () => void
}

/** What the group does for its members. */
export interface Membership {
  leave(member: Member): void
}

/** A member of an embedded group: takes partitions and gives them up as the group says, and delivers their records. */
export class Member implements Consumer {
  /** The slots it has, until its owner has let go of them. */
  slots: ReadonlySet<number> = new Set()
  private readonly lanes = new Map<string, Lane>()
  private readonly paused = new Set<string>()
  /** Where partitions start that are being taken. */
  private readonly sought = new Map<string, number>()
  private isBusy = false
  private isScheduled = false
  private isClosed = false
  private readonly closed: Promise<void>
  private resolveClosed: () => void = () => {}

  constructor(
    readonly options: ConsumerOptions,
    private readonly topics: Topics,
    private readonly soon: (callback: () => void) => void,
    private readonly membership: Membership,
  ) {
    this.closed = new Promise((resolve) => {
      this.resolveClosed = resolve
    })
    topics.watchers.add(this.wake)
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.paused.add(partitionKey(partition))
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.paused.delete(partitionKey(partition))
    this.wake()
  }

  async commit(positions: readonly Position[]): Promise<void> {
    const group = this.options.group
    if (this.isClosed) throw consumerClosed(group)
    const foreign = positions.find(({ partition }) => !this.slots.has(partition % this.options.slots))
    if (foreign) throw notOurs(group, foreign)
    await this.topics.journal.write(this.topics.addition({ records: [], offsets: [{ group, positions }] }))
  }

  seek(positions: readonly Position[]): void {
    for (const position of positions) {
      const key = partitionKey(position)
      const lane = this.lanes.get(key)
      if (lane) lane.position = this.inRange(lane.log, position.offset)
      else if (this.slots.has(position.partition % this.options.slots)) this.sought.set(key, position.offset)
    }
    this.wake()
  }

  async close(): Promise<void> {
    if (this.isClosed) return
    this.end()
    this.membership.leave(this)
  }

  /** Gives up all slots but these. Resolves when the owner has let go of their partitions. */
  async release(keep: ReadonlySet<number>): Promise<void> {
    const given = [...this.slots].filter((slot) => !keep.has(slot))
    if (given.length === 0) return
    const revoked: PartitionLog[] = []
    for (const [key, { log, close }] of [...this.lanes]) {
      if (keep.has(log.partition % this.options.slots)) continue
      close()
      this.lanes.delete(key)
      revoked.push(log)
    }
    await this.tell(() => this.options.listener.revoked(revoked.map(partitionOf)))
    this.slots = new Set([...this.slots].filter((slot) => keep.has(slot)))
  }

  /** Takes these slots besides those it has. Resolves when the owner has said where to start. */
  async take(slots: ReadonlySet<number>): Promise<void> {
    const taken = [...slots].filter((slot) => !this.slots.has(slot))
    if (taken.length === 0) return
    this.slots = new Set([...this.slots, ...taken])
    await this.tell(async () => {
      const logs = this.options.topics
        .flatMap((topic) => this.topics.logsOf(topic))
        .filter(({ partition }) => taken.includes(partition % this.options.slots))
      const asked = await this.options.listener.assigned(logs.map(partitionOf))
      if (this.isClosed) return
      const starts = new Map([
        ...asked.map((position) => [partitionKey(position), position.offset] as const),
        ...this.sought,
      ])
      this.sought.clear()
      for (const log of logs) this.open(log, starts.get(partitionKey(log)))
    })
  }

  /** Ends it with an error that its owner hears. */
  fail(error: TidemarkError): void {
    if (this.isClosed) return
    this.end()
    this.membership.leave(this)
    this.options.listener.error(error, true)
  }

  private open(log: PartitionLog, asked: number | undefined): void {
    const { wake } = this
    log.readers.add(wake)
    const start = asked ?? this.topics.committedAt(this.options.group, log)
    this.lanes.set(partitionKey(log), {
      log,
      position: start === undefined ? log.range.start : this.inRange(log, start),
      isTold: false,
      close: () => log.readers.delete(wake),
    })
  }

  /** The topic has been deleted: that is said, and where it has been made anew, it is read from its start. */
  private look(lane: Lane): void {
    const { listener } = this.options
    const log = this.topics.find(lane.log)
    if (log !== undefined) {
      lane.close()
      // A place in the former log is none in this one, even if it is as long.
      if (lane.position > log.range.start) listener.error(this.outOfRange(log, lane.position), false)
      if (!this.isClosed) this.open(log, log.range.start)
      this.wake()
    } else if (!lane.isTold) {
      lane.isTold = true
      listener.error(this.topics.unknown(lane.log), false)
    }
  }

  /** The offset if the log reaches it; else its start, and the owner hears of it. */
  private inRange(log: PartitionLog, offset: number): number {
    const { start, end } = log.range
    if (offset >= start && offset <= end) return offset
    this.options.listener.error(this.outOfRange(log, offset), false)
    return start
  }

  private outOfRange(log: PartitionLog, offset: number): TidemarkError {
    const { start, end } = log.range
    return new TidemarkError(
      'OFFSET_OUT_OF_RANGE',
      `group ${show(this.options.group)} was to go on at offset ${offset}, but the log holds ${start} to ${end}; going on at ${start}`,
      placeOf({ topic: log.topic, partition: log.partition, offset }),
    )
  }

  /** Runs a call to the owner while no batch comes; it doesn't outlive the member. */
  private async tell(call: () => Promise<unknown>): Promise<void> {
    this.isBusy = true
    try {
      await Promise.race([call(), this.closed])
    } catch (error) {
      this.fail(ownerThrew(error))
    } finally {
      this.isBusy = false
      this.wake()
    }
  }

  private end(): void {
    this.isClosed = true
    this.topics.watchers.delete(this.wake)
    for (const { close } of this.lanes.values()) close()
    this.lanes.clear()
    this.slots = new Set()
    this.resolveClosed()
  }

  private readonly wake = (): void => {
    if (this.isScheduled || this.isClosed) return
    this.isScheduled = true
    this.soon(() => {
      this.isScheduled = false
      this.deliver()
    })
  }

  /** One batch of each partition that has something new. */
  private deliver(): void {
    for (const [key, lane] of this.lanes) {
      if (this.isBusy || this.isClosed) return
      if (lane.log.isDeleted) {
        this.look(lane)
        continue
      }
      if (this.paused.has(key) || lane.position >= lane.log.end) continue
      const batch = lane.log.read(lane.position, MAX_BATCH_RECORDS)
      lane.position = batch.nextOffset
      try {
        this.options.listener.batch(batch)
      } catch (error) {
        this.fail(ownerThrew(error))
        return
      }
      if (lane.position < lane.log.end) this.wake()
    }
  }
}

const partitionOf = ({ topic, partition }: PartitionLog): TopicPartition => ({ topic, partition })

import type {
  Consumer,
  ConsumerListener,
  ConsumerOptions,
  Position,
  RawBatch,
  TopicPartition,
} from '../../ports/broker.js'
import { partitionKey } from '../../ports/partitionKey.js'
import { systemClock } from '../../ports/systemClock.js'
import type { TidemarkError } from '../../record/errors.js'
import { ownerThrew } from '../rules/ownerThrew.js'
import type { Connection } from './connection.js'
import { Lane } from './lane.js'

export interface RemoteConsumerOptions extends ConsumerOptions {
  readonly connection: Connection
  /** The bridge's topics among those to be consumed, and how many partitions each has. */
  readonly counts: ReadonlyMap<string, number>
  /** The local topic whose partitions stand for theirs, so that the local group spreads them. */
  readonly standIn: string
  /** What the group has committed of these. */
  committed(topics: readonly string[]): Promise<readonly Position[]>
  closed(consumer: Consumer): void
}

/**
 * A member of a local group that reads topics of a bridge besides local ones. Who has which partitions, and what is committed, is the local
 * group's affair; records of the bridge's topics come over the connection.
 */
export class RemoteConsumer implements Consumer, ConsumerListener {
  private readonly lanes = new Map<string, Lane>()
  private readonly paused = new Set<string>()
  /** Partitions that are being taken in, and where they are to start, if anybody has said. */
  private readonly taking = new Map<string, number | undefined>()
  private member: Consumer | undefined
  private isBusy = false
  private isTroubled = false
  private isClosed = false
  private readonly ends: () => void

  constructor(private readonly options: RemoteConsumerOptions) {
    this.ends = options.connection.onAway((error) => this.error(error, false))
  }

  /** With its membership of the local group, for which it has been listening. */
  joined(member: Consumer): this {
    this.member = member
    return this
  }

  // ---- what its owner asks

  pause(partitions: readonly TopicPartition[]): void {
    for (const partition of this.remotesOf(partitions)) this.paused.add(partitionKey(partition))
    this.member?.pause(this.localsOf(partitions))
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const partition of this.remotesOf(partitions)) this.paused.delete(partitionKey(partition))
    this.member?.resume(this.localsOf(partitions))
    this.wake()
  }

  seek(positions: readonly Position[]): void {
    for (const position of this.remotesOf(positions)) {
      const key = partitionKey(position)
      if (this.taking.has(key)) this.taking.set(key, position.offset)
      else if (this.lanes.has(key)) this.begin(position, position.offset)
    }
    this.member?.seek(this.localsOf(positions))
    this.wake()
  }

  async commit(positions: readonly Position[]): Promise<void> {
    await this.member?.commit(positions)
  }

  async close(): Promise<void> {
    if (this.isClosed) return
    this.isClosed = true
    this.ends()
    for (const lane of this.lanes.values()) lane.close()
    this.lanes.clear()
    this.options.closed(this)
    await this.member?.close()
  }

  // ---- what the local group tells

  async assigned(partitions: readonly TopicPartition[]): Promise<readonly Position[]> {
    this.isBusy = true
    const remotes = this.remotesFor(partitions)
    this.taking.clear()
    for (const partition of remotes) this.taking.set(partitionKey(partition), undefined)
    const starts = await this.options.listener.assigned([...this.ownOf(partitions), ...remotes])
    const committed = await this.options.committed([...this.options.counts.keys()])
    // A `seek` counts before the owner's answer, and that before what is committed.
    for (const position of [...starts, ...committed]) {
      const key = partitionKey(position)
      if (this.taking.has(key)) this.taking.set(key, this.taking.get(key) ?? position.offset)
    }
    if (!this.isClosed)
      for (const partition of remotes) this.begin(partition, this.taking.get(partitionKey(partition)) ?? null)
    this.taking.clear()
    this.free()
    return this.localsOf(starts)
  }

  async revoked(partitions: readonly TopicPartition[]): Promise<void> {
    this.isBusy = true
    const remotes = this.remotesFor(partitions)
    for (const partition of remotes) {
      const key = partitionKey(partition)
      this.lanes.get(key)?.close()
      this.lanes.delete(key)
    }
    await this.options.listener.revoked([...this.ownOf(partitions), ...remotes])
    this.free()
  }

  batch(batch: RawBatch): void {
    this.options.listener.batch(batch)
  }

  settled(): void {
    this.options.listener.settled?.()
  }

  standby(slots: readonly number[]): void {
    this.options.listener.standby?.(slots)
  }

  error(error: TidemarkError, fatal: boolean): void {
    if (this.isClosed) return
    if (fatal) this.close().catch(() => {})
    this.options.listener.error(error, fatal)
  }

  // ---- records of the bridge

  private begin({ topic, partition }: TopicPartition, from: number | null): void {
    const key = partitionKey({ topic, partition })
    this.lanes.get(key)?.close()
    const lane = new Lane(this.options.connection, { topic, partition }, from, {
      arrived: (own) => this.hand(key, own),
      error: (error, fatal) => this.trouble(error, fatal),
    })
    this.lanes.set(key, lane)
  }

  private free(): void {
    this.isBusy = false
    this.wake()
  }

  /** Not within the call: what waits is handed over by a call to the owner. */
  private wake(): void {
    systemClock.soon(() => {
      for (const [key, lane] of this.lanes) this.hand(key, lane)
    })
  }

  /** Hands over what has come of a partition, as far as the owner lets it. */
  private hand(key: string, lane: Lane): void {
    while (!this.isClosed && !this.isBusy && !this.paused.has(key) && this.lanes.get(key) === lane) {
      const batch = lane.take()
      if (!batch) return
      this.isTroubled = false
      try {
        this.options.listener.batch(batch)
      } catch (error) {
        this.error(ownerThrew(error), true)
      }
    }
  }

  /** A bridge that has trouble has it with many partitions: that is said once. */
  private trouble(error: TidemarkError, fatal: boolean): void {
    if (!fatal && error.code !== 'OFFSET_OUT_OF_RANGE') {
      if (this.isTroubled) return
      this.isTroubled = true
    }
    this.error(error, fatal)
  }

  // ---- which partitions are whose

  /** The bridge's partitions for which these partitions of the stand-in stand. */
  private remotesFor(partitions: readonly TopicPartition[]): TopicPartition[] {
    const taken = partitions.filter(({ topic }) => topic === this.options.standIn).map(({ partition }) => partition)
    return [...this.options.counts].flatMap(([topic, count]) =>
      taken.filter((partition) => partition < count).map((partition) => ({ topic, partition })),
    )
  }

  private ownOf(partitions: readonly TopicPartition[]): TopicPartition[] {
    return partitions.filter(({ topic }) => topic !== this.options.standIn)
  }

  private remotesOf<P extends TopicPartition>(partitions: readonly P[]): P[] {
    return partitions.filter(({ topic }) => this.options.counts.has(topic))
  }

  private localsOf<P extends TopicPartition>(partitions: readonly P[]): P[] {
    return partitions.filter(({ topic }) => !this.options.counts.has(topic))
  }
}

import type { Consumer, ConsumerOptions, Position, RawBatch, TopicPartition } from '../../ports/broker.js'
import { partitionKey } from '../../ports/partitionKey.js'
import type { TidemarkError } from '../../record/errors.js'
import { consumerClosed } from '../rules/consumerClosed.js'
import { notOurs } from '../rules/notOurs.js'
import type { ClusterClient } from './cluster.js'
import { errorType, isTransient } from './errors.js'
import type { FetchLimits } from './fetch.js'
import { Fetcher } from './fetcher.js'
import { Membership } from './membership.js'

const COMMIT_DEADLINE_MS = 30_000
const COMMIT_PAUSE_MS = 20
const STALE_MEMBERSHIP = new Set(['ILLEGAL_GENERATION', 'REBALANCE_IN_PROGRESS', 'UNKNOWN_MEMBER_ID'])

export interface KafkaConsumerOptions extends ConsumerOptions {
  readonly limits: FetchLimits
  readonly sessionTimeoutMs: number
  /** Partition counts of the topics. */
  readonly counts: ReadonlyMap<string, number>
  committed(topics: readonly string[]): Promise<readonly Position[]>
}

/** A member of a Kafka group: brings what the group wants it to have and what its owner has been told together. */
export class KafkaConsumer implements Consumer {
  private readonly fetcher: Fetcher
  private readonly membership: Membership
  /** Slots that the owner has, or is being told of. */
  private readonly held = new Set<number>()
  /** Slots that it should have. */
  private target: ReadonlySet<number> = new Set()
  /** Of those held, the ones that others have already. */
  private lost = new Set<number>()
  private isTelling = false
  private isClosed = false
  private resolveClosed: () => void = () => {}
  private readonly closed = new Promise<void>((resolve) => {
    this.resolveClosed = resolve
  })

  constructor(
    private readonly own: ClusterClient,
    private readonly shared: ClusterClient,
    private readonly options: KafkaConsumerOptions,
  ) {
    const error = (reason: TidemarkError, fatal: boolean) => this.hear(reason, fatal)
    this.fetcher = new Fetcher(own, {
      topics: options.topics,
      limits: options.limits,
      error,
      batch: (batch) => this.batch(batch),
    })
    this.membership = new Membership(own, shared, {
      ...options,
      error,
      owned: () => [...new Set([...this.held, ...this.target])].filter((slot) => !this.lost.has(slot)),
      warm: () => options.warm?.() ?? [],
      copies: options.standbys ?? 0,
      standby: (slots) => options.listener.standby?.(slots),
      target: (slots) => {
        this.target = new Set(slots)
        void this.settle()
      },
      lost: () => {
        this.target = new Set()
        this.lost = new Set(this.held)
        void this.settle()
      },
    })
  }

  start(): void {
    this.membership.start()
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.fetcher.pause(partition)
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.fetcher.resume(partition)
    // Not within the call: what waits is handed over by a call to the owner.
    setImmediate(() => this.fetcher.wake())
  }

  seek(positions: readonly Position[]): void {
    for (const position of positions)
      if (this.owns(position.partition % this.options.slots)) this.fetcher.seek(position)
    setImmediate(() => this.fetcher.wake())
  }

  async commit(positions: readonly Position[]): Promise<void> {
    const { group, slots } = this.options
    const topics = positions.map(({ topic, partition, offset }) => ({
      topic,
      partitions: [{ partition, offset: String(offset), metadata: null }],
    }))
    const deadline = Date.now() + COMMIT_DEADLINE_MS
    for (;;) {
      if (this.isClosed) throw consumerClosed(group)
      const foreign = positions.find(({ partition }) => !this.owns(partition % slots))
      if (foreign) throw notOurs(group, foreign)
      try {
        const { memberId, generation } = this.membership
        await this.shared.atCoordinator(group, (node) =>
          node.offsetCommit({ groupId: group, groupGenerationId: generation, memberId, topics }),
        )
        return
      } catch (error) {
        const mayPass = STALE_MEMBERSHIP.has(errorType(error)) || isTransient(error)
        if (!mayPass || Date.now() > deadline) throw this.shared.error(`committing offsets of group ${group}`, error)
      }
      await new Promise((resolve) => setTimeout(resolve, COMMIT_PAUSE_MS))
    }
  }

  async close(): Promise<void> {
    if (this.isClosed) return
    this.isClosed = true
    this.resolveClosed()
    this.fetcher.close()
    await this.membership.close()
    // Not waited for: kafkajs waits for the answers to all requests, and a join may be answered a minute later.
    this.own.close().catch(() => {})
  }

  private owns(slot: number): boolean {
    return this.held.has(slot) && !this.lost.has(slot)
  }

  /** Tells the owner what has changed, one call after the other, until what it has is what it should have. */
  private async settle(): Promise<void> {
    if (this.isTelling) return
    this.isTelling = true
    this.fetcher.hold()
    try {
      while (!this.isClosed) {
        const gone = [...this.held].filter((slot) => this.lost.has(slot) || !this.target.has(slot))
        const come = [...this.target].filter((slot) => !this.held.has(slot))
        if (gone.length > 0) await this.giveUp(gone)
        else if (come.length > 0) await this.takeIn(come)
        // Nothing is awaited from here to `isTelling`: what changes from then on is told anew.
        else break
      }
    } catch (error) {
      this.hear(this.shared.error(`the owner of group ${this.options.group}'s consumer`, error), true)
    } finally {
      this.isTelling = false
      if (!this.isClosed) {
        this.fetcher.release()
        this.options.listener.settled?.()
      }
    }
  }

  private async giveUp(gone: readonly number[]): Promise<void> {
    const partitions = this.partitionsOf(gone)
    for (const partition of partitions) this.fetcher.remove(partition)
    await Promise.race([this.options.listener.revoked(partitions), this.closed])
    const isAwaited = gone.some((slot) => !this.lost.has(slot))
    for (const slot of gone) {
      this.held.delete(slot)
      this.lost.delete(slot)
    }
    if (isAwaited) this.membership.rejoin()
  }

  private async takeIn(come: readonly number[]): Promise<void> {
    for (const slot of come) this.held.add(slot)
    const partitions = this.partitionsOf(come)
    const starts = await Promise.race([this.options.listener.assigned(partitions), this.closed])
    if (!starts || this.isClosed) return
    const positions = await this.startsOf(partitions, starts)
    if (this.isClosed) return
    for (const position of positions) this.fetcher.add(position)
  }

  /** What the owner asked for, else what the group has committed, else where the log starts. */
  private async startsOf(partitions: readonly TopicPartition[], asked: readonly Position[]): Promise<Position[]> {
    const starts = new Map(asked.map((position) => [partitionKey(position), position.offset]))
    const topicsLeft = () => [
      ...new Set(partitions.filter((partition) => !starts.has(partitionKey(partition))).map(({ topic }) => topic)),
    ]
    const uncommitted = topicsLeft()
    if (uncommitted.length > 0) {
      for (const position of await this.options.committed(uncommitted)) {
        if (!starts.has(partitionKey(position))) starts.set(partitionKey(position), position.offset)
      }
    }
    for (const topic of topicsLeft()) {
      const ranges = await this.shared.ranges(topic)
      ranges.forEach(({ start }, partition) => {
        if (!starts.has(partitionKey({ topic, partition }))) starts.set(partitionKey({ topic, partition }), start)
      })
    }
    return partitions.map(({ topic, partition }) => ({
      topic,
      partition,
      offset: starts.get(partitionKey({ topic, partition })) ?? 0,
    }))
  }

  private partitionsOf(slots: readonly number[]): TopicPartition[] {
    return [...this.options.counts].flatMap(([topic, count]) =>
      Array.from({ length: count }, (_, partition) => ({ topic, partition })).filter(({ partition }) =>
        slots.includes(partition % this.options.slots),
      ),
    )
  }

  private batch(batch: RawBatch): void {
    if (this.isClosed) return
    try {
      this.options.listener.batch(batch)
    } catch (error) {
      this.hear(this.shared.error(`the owner of group ${this.options.group}'s consumer`, error), true)
    }
  }

  private hear(error: TidemarkError, fatal: boolean): void {
    if (this.isClosed) return
    if (fatal) this.close().catch(() => {})
    this.options.listener.error(error, fatal)
  }
}

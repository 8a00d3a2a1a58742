import type {
  Broker,
  Consumer,
  ConsumerOptions,
  NewTopic,
  PartitionRange,
  Position,
  Producer,
  RawBatch,
  TopicPartition,
  TransactionalProducer,
} from '../ports/broker.js'
import { placeOf } from '../ports/broker.js'
import type { Clock } from '../ports/clock.js'
import type { StoreAdapter } from '../ports/store.js'
import { systemClock } from '../ports/systemClock.js'
import { TidemarkError } from '../record/errors.js'
import { Group } from './embedded/group.js'
import { Topics } from './embedded/topics.js'
import { Transactions } from './embedded/transactions.js'
import { checkRecords } from './rules/checkRecords.js'

const READ_RECORDS = 500

export interface EmbeddedOptions {
  /** Holds topics and offsets, so that they outlive the process; without it they live as long as the object. Its app has the same store. */
  readonly store?: StoreAdapter
  /** Decides when batches are delivered: by its `soon`. */
  readonly clock?: Clock
  /** A compacted topic is compacted when it has grown by this many records, and doubled, since the last time. */
  readonly compactAfter?: number
}

/**
 * A broker in this process, or in this browser tab: topics, groups and transactions as Kafka has them, without Kafka.
 * Several apps may share one, and are then members of its groups side by side.
 *
 * With a `store`, what `send`, `commit` and `createTopics` have resolved for is stored, and a transaction's records, offsets and
 * `along` are one store commit. `connect` opens the store, under the name `embedded`, and reads it; the last `close`
 * closes it. It can't be one that several processes share. As on Kafka, the end of a transaction takes one offset in each partition that it wrote to.
 * Without one, give the app `memory()`: a store on disk would remember how far it has read topics that are gone.
 *
 * All records are held in memory. A compacted topic keeps deletions (null values) for ever.
 *
 * ```ts
 * const broker = embedded()
 * await broker.createTopics([{ topic: 'orders', partitions: 4 }])
 * ```
 *
 * @throws TidemarkError `BAD_OPTION`
 */
export function embedded(options: EmbeddedOptions = {}): Broker {
  return new EmbeddedBroker(options)
}

class EmbeddedBroker implements Broker {
  readonly name = 'embedded'
  readonly durable: boolean
  declare readonly store?: StoreAdapter
  private readonly contents: Topics
  private readonly transactions: Transactions
  private readonly groups = new Map<string, Group>()
  private readonly soon: (callback: () => void) => void
  private users = 0
  private loading: Promise<void> | undefined

  constructor({ store, clock, compactAfter = 1_000 }: EmbeddedOptions) {
    if (store?.shared) {
      const message = `embedded: ${store.name} is shared by processes, and each would write the same topics; leave out store, or use level(…, { exclusive: true })`
      throw new TidemarkError('BAD_OPTION', message)
    }
    if (store) this.store = store
    this.durable = store?.durable ?? false
    const source = clock ?? systemClock
    this.soon = (callback) => source.soon(callback)
    this.contents = new Topics(this.name, store, compactAfter)
    this.transactions = new Transactions(this.contents)
  }

  async connect(): Promise<void> {
    this.users++
    const { store } = this
    if (!store) return
    this.loading ??= (async () => {
      await store.open(this.name)
      try {
        await this.contents.load(store)
      } catch (error) {
        // Why it can't be closed either says less.
        await store.close().catch(() => {})
        throw error
      }
    })()
    try {
      await this.loading
    } catch (error) {
      this.users--
      this.loading = undefined
      throw error
    }
  }

  async close(): Promise<void> {
    if (this.users === 0 || --this.users > 0) return
    await this.contents.journal.barrier()
    if (this.users > 0 || !this.loading) return
    this.loading = undefined
    await this.store?.close()
  }

  async topics(names?: readonly string[]): Promise<ReadonlyMap<string, number>> {
    this.checkLoaded()
    return this.contents.counts(names)
  }

  async createTopics(topics: readonly NewTopic[]): Promise<void> {
    this.checkLoaded()
    await this.contents.create(topics)
  }

  async deleteTopics(topics: readonly string[]): Promise<void> {
    this.checkLoaded()
    await this.contents.delete(topics)
  }

  async ranges(topic: string): Promise<readonly PartitionRange[]> {
    this.checkLoaded()
    return this.contents.logsOf(topic).map(({ range }) => range)
  }

  async committed(group: string, topics: readonly string[]): Promise<readonly Position[]> {
    this.checkLoaded()
    return this.contents.committed(group, topics)
  }

  async producer(): Promise<Producer> {
    this.checkLoaded()
    let closed = false
    return {
      send: async (records, along = []) => {
        if (closed) throw new TidemarkError('BAD_STATE', 'the producer is closed')
        checkRecords(records)
        await this.contents.journal.write(this.contents.addition({ records, along }))
      },
      close: async () => {
        closed = true
      },
    }
  }

  async transactionalProducer(id: string): Promise<TransactionalProducer> {
    this.checkLoaded()
    return this.transactions.producer(id)
  }

  async consumer(options: ConsumerOptions): Promise<Consumer> {
    this.checkLoaded()
    for (const topic of options.topics) this.contents.logsOf(topic)
    let group = this.groups.get(options.group)
    if (!group) {
      group = new Group(this.contents, this.soon)
      this.groups.set(options.group, group)
    }
    return group.join(options)
  }

  async read(
    partition: TopicPartition,
    from: number,
    to: number,
    each: (batch: RawBatch) => void | Promise<void>,
  ): Promise<void> {
    this.checkLoaded()
    const log = this.contents.log(partition)
    if (from >= to) return
    if (from < log.range.start || to > log.end) {
      throw new TidemarkError(
        'OFFSET_OUT_OF_RANGE',
        `can't read offsets ${from} to ${to}: the log holds ${log.range.start} to ${log.end}`,
        placeOf({ ...partition, offset: from }),
      )
    }
    for (let at = from; at < to; ) {
      const batch = log.read(at, READ_RECORDS, to)
      at = batch.nextOffset
      await each(batch)
      if (at < to) await new Promise<void>((resolve) => this.soon(resolve))
    }
  }

  private checkLoaded(): void {
    if (this.store && !this.loading)
      throw new TidemarkError('BAD_STATE', 'embedded: connect() first; it reads the store')
  }
}

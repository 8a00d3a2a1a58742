import type {
  Broker,
  Consumer,
  ConsumerOptions,
  NewTopic,
  OutRecord,
  PartitionRange,
  Position,
  Producer,
  RawBatch,
  TopicPartition,
  TransactionalProducer,
} from '../ports/broker.js'
import { ShadowConsumer } from './shadowConsumer.js'
import { ShadowLog } from './shadowLog.js'

/** Up to where a shadow sees a topic, by partition; undefined: all that is there. */
export type Limits = (topic: string) => readonly number[] | undefined

/** A broker of one app that reads real topics and writes to none: what it writes stays here. */
export class ShadowBroker implements Broker {
  readonly name: string
  readonly durable = false
  private readonly topicLogs = new Map<string, readonly ShadowLog[]>()

  constructor(
    private readonly real: Broker,
    private readonly limits: Limits,
    /** Where the app had got to. */
    private readonly positions: readonly Position[],
  ) {
    this.name = `a shadow of ${real.name}`
  }

  async connect(): Promise<void> {}
  async close(): Promise<void> {}
  async deleteTopics(): Promise<void> {}

  async topics(names?: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const counts = new Map(await this.real.topics(names))
    for (const [topic, logs] of this.topicLogs)
      if (names === undefined || names.includes(topic)) counts.set(topic, logs.length)
    return counts
  }

  async createTopics(topics: readonly NewTopic[]): Promise<void> {
    const existing = await this.topics(topics.map(({ topic }) => topic))
    for (const { topic, partitions } of topics) {
      if (existing.has(topic)) continue
      const logs = Array.from(
        { length: partitions },
        (_, partition) => new ShadowLog(this.real, topic, partition, 0, 0),
      )
      this.topicLogs.set(topic, logs)
    }
  }

  async ranges(topic: string): Promise<readonly PartitionRange[]> {
    return (await this.logsOf(topic)).map(({ range }) => range)
  }

  async committed(_group: string, topics: readonly string[]): Promise<readonly Position[]> {
    return this.positions.filter(({ topic }) => topics.includes(topic))
  }

  async producer(): Promise<Producer> {
    return {
      send: async (records) => {
        for (const record of records) (await this.logsOf(record.topic))[record.partition]?.add(record)
      },
      close: async () => {},
    }
  }

  async transactionalProducer(): Promise<TransactionalProducer> {
    const producer = await this.producer()
    return {
      begin: async () => {
        const records: OutRecord[] = []
        return {
          send: async (more) => void records.push(...more),
          sendOffsets: async () => {},
          commit: async () => {
            await producer.send(records)
            return []
          },
          abort: async () => {},
        }
      },
      close: async () => {},
    }
  }

  async consumer(options: ConsumerOptions): Promise<Consumer> {
    const logs = (await Promise.all(options.topics.map((topic) => this.logsOf(topic)))).flat()
    return new ShadowConsumer(logs, options.listener)
  }

  async read(
    { topic, partition }: TopicPartition,
    from: number,
    to: number,
    each: (batch: RawBatch) => void | Promise<void>,
  ) {
    const log = (await this.logsOf(topic))[partition]
    for (let at = from; log !== undefined && at < to; ) {
      const batch = await log.read(at, to)
      at = batch.nextOffset
      await each(batch)
    }
  }

  /** The partitions of a topic. */
  async logsOf(topic: string): Promise<readonly ShadowLog[]> {
    const known = this.topicLogs.get(topic)
    if (known !== undefined) return known
    const limits = this.limits(topic)
    const logs = (await this.real.ranges(topic)).map(
      ({ start, end }, partition) => new ShadowLog(this.real, topic, partition, start, limits?.[partition] ?? end),
    )
    // Somebody else may have asked meanwhile, and have written.
    const other = this.topicLogs.get(topic)
    if (other === undefined) this.topicLogs.set(topic, logs)
    return other ?? logs
  }
}

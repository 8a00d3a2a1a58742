import {
  type Broker,
  type Clock,
  type Headers,
  json,
  type Key,
  NO_HEADERS,
  type OutRecord,
  type Serde,
  type StreamRecord,
  string,
  type WindowedRecord,
} from '../index.js'
import { partitionOf } from '../record/partitionOf.js'
import { readStamps, withoutStamps } from '../record/stamp.js'

/** A topic: how many partitions it has, and how its records are written. Default: keys as UTF-8, values as JSON. */
export type TestTopic =
  | number
  | {
      readonly partitions: number
      readonly key?: Serde<any>
      readonly value?: Serde<any>
      readonly compacted?: boolean
    }

/** What a test writes into a topic. */
export interface SentRecord {
  readonly key?: Key | null
  readonly value: unknown
  /** Event time, ms. Default: the clock's. */
  readonly timestamp?: number
  /** Default: as the key says; 0 without a key. */
  readonly partition?: number
  readonly headers?: Headers
}

/** What a topic holds, decoded. A windowed result has its window. */
export type ReadRecord = StreamRecord<any, any> & Partial<Pick<WindowedRecord, 'window' | 'final'>>

/** The topics of a test, written and read from outside the app. */
export class TestTopics {
  constructor(
    private readonly broker: Broker,
    private readonly clock: Clock & { settle(): Promise<void> },
    private readonly topics: { readonly [topic: string]: TestTopic },
  ) {}

  /** Creates those that don't exist. */
  async create(): Promise<void> {
    await this.broker.createTopics(
      Object.entries(this.topics).map(([topic, given]) =>
        typeof given === 'number'
          ? { topic, partitions: given }
          : { topic, partitions: given.partitions, compacted: given.compacted ?? false },
      ),
    )
  }

  async send(topic: string, records: readonly SentRecord[]): Promise<void> {
    const serdes = this.serdesOf(topic)
    const partitions = (await this.broker.topics([topic])).get(topic) ?? 1
    const producer = await this.broker.producer()
    await producer.send(
      records.map((record): OutRecord => {
        const key = record.key === null || record.key === undefined ? null : serdes.key.serialize(record.key)
        return {
          topic,
          partition: record.partition ?? (key === null ? 0 : partitionOf(key, partitions)),
          key,
          value: record.value === null ? null : serdes.value.serialize(record.value),
          timestamp: record.timestamp ?? this.clock.now(),
          headers: record.headers ?? NO_HEADERS,
        }
      }),
    )
    await producer.close()
  }

  /** What a topic holds: by partition, then offset. Committed records only. */
  async records(topic: string): Promise<ReadRecord[]> {
    const serdes = this.serdesOf(topic)
    const found: ReadRecord[] = []
    for (const [partition, { start, end }] of (await this.broker.ranges(topic)).entries()) {
      const reading = this.broker.read({ topic, partition }, start, end, ({ records }) => {
        for (const raw of records) {
          found.push({
            key: raw.key === null ? null : serdes.key.deserialize(raw.key),
            value: raw.value === null ? null : serdes.value.deserialize(raw.value),
            timestamp: raw.timestamp,
            topic,
            partition,
            offset: raw.offset,
            headers: withoutStamps(raw.headers),
            ...readStamps(raw.headers).window,
          })
        }
      })
      await this.clock.settle()
      await reading
    }
    return found
  }

  private serdesOf(topic: string) {
    const given = this.topics[topic] ?? 1
    const { key = string(), value = json() } = typeof given === 'number' ? {} : given
    return { key: key as Serde<unknown>, value: value as Serde<unknown> }
  }
}

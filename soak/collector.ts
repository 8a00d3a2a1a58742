import { randomUUID } from 'node:crypto'
import type kafkajs from 'kafkajs'
import type { Found } from './comparison.js'

/** Ends a partition for whoever reads it. */
const MARK = Buffer.from('that was all')

/** Hands over what topics hold from their beginning, as any consumer that reads committed records gets it; with kafkajs alone. */
export class Collector {
  private readonly consumer: kafkajs.Consumer
  /** Partitions that have not come to the mark. */
  private open: Set<string>
  private failure: Error | undefined

  constructor(
    private readonly kafka: kafkajs.Kafka,
    private readonly topics: readonly string[],
    private readonly partitions: number,
    private readonly each: (found: Found) => void,
  ) {
    this.consumer = kafka.consumer({ groupId: randomUUID(), maxWaitTimeInMs: 100, readUncommitted: false })
    this.open = new Set(topics.flatMap((topic) => this.numbers.map((partition) => `${topic}/${partition}`)))
  }

  async start(): Promise<void> {
    await this.consumer.connect()
    await this.consumer.subscribe({ topics: [...this.topics], fromBeginning: true })
    this.consumer.on('consumer.crash', ({ payload }) => {
      // Else it begins again by itself: the broker may just be starting.
      if (!payload.restart) this.failure = payload.error
    })
    const read = new Map<string, number>()
    await this.consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch: { topic, partition, messages } }) => {
        const id = `${topic}/${partition}`
        for (const { key, value, offset, timestamp } of messages) {
          // After a rebalance of its own the consumer reads again what it has read.
          if (Number(offset) <= (read.get(id) ?? -1)) continue
          read.set(id, Number(offset))
          if (key?.equals(MARK)) this.open.delete(id)
          else
            this.each({
              topic,
              partition,
              offset: Number(offset),
              key: String(key),
              value: String(value),
              at: Number(timestamp),
            })
        }
      },
    })
  }

  /** Waits until it is 0; says whether that came about without a standstill of that length. */
  async reachesZero(left: () => number, standstillMs: number): Promise<boolean> {
    let before = left()
    let movedAt = Date.now()
    while (before > 0) {
      if (this.failure !== undefined) throw this.failure
      await new Promise((resolve) => setTimeout(resolve, 100))
      if (left() !== before) movedAt = Date.now()
      else if (Date.now() > movedAt + standstillMs) return false
      before = left()
    }
    return true
  }

  /** Reads up to what has been committed by now: says false if something before isn't decided for that long. */
  async finish(standstillMs: number): Promise<boolean> {
    const producer = this.kafka.producer()
    await producer.connect()
    for (const topic of this.topics)
      await producer.send({ topic, messages: this.numbers.map((partition) => ({ partition, key: MARK, value: null })) })
    await producer.disconnect()
    return this.reachesZero(() => this.open.size, standstillMs)
  }

  /** Topic and partition of those that have something undecided. */
  get undecided(): string[] {
    return [...this.open]
  }

  async close(): Promise<void> {
    await this.consumer.disconnect()
  }

  private get numbers(): number[] {
    return Array.from({ length: this.partitions }, (_, partition) => partition)
  }
}

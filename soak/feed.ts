import kafkajs from 'kafkajs'
import { partitionOf } from 'tidemark'
import type { Payment, ShopVersion } from './input.js'
import { inputs } from './topology.js'

export interface FeedOptions {
  readonly partitions: number
  /** Payments per second. */
  readonly rate: number
}

interface Line {
  readonly topic: string
  readonly partition: number
  /** Its place in the partition: the offset that it is to have. */
  readonly place: number
  readonly key: string
  readonly value: string | null
  readonly timestamp: string
}

const AT_ONCE = 500
const TICK_MS = 50
const AGAIN_MS = 500

/** Writes the input, each line once and in order whatever the broker goes through: nobody else writes there, so offsets tell what has arrived. */
export class Feed {
  private readonly kafka: kafkajs.Kafka
  private producer: kafkajs.Producer | undefined
  private readonly places = new Map<string, number>()

  constructor(
    brokers: string,
    private readonly options: FeedOptions,
  ) {
    this.kafka = new kafkajs.Kafka({
      brokers: brokers.split(','),
      logLevel: kafkajs.logLevel.NOTHING,
      retry: { retries: 0 },
    })
  }

  async shops(versions: readonly ShopVersion[]): Promise<void> {
    const lines = versions.map(({ shop, tier, time }) =>
      this.line(inputs.shops, shop, tier === null ? null : JSON.stringify({ tier }), time),
    )
    for (let from = 0; from < lines.length; from += AT_ONCE) await this.write(lines.slice(from, from + AT_ONCE))
  }

  /** At the rate, as far as the broker takes them; then what is missed is made up for. */
  async payments(payments: readonly Payment[]): Promise<void> {
    const startedAt = Date.now()
    for (let sent = 0; sent < payments.length; ) {
      const due = Math.floor(((Date.now() - startedAt) / 1_000) * this.options.rate)
      const next = payments.slice(sent, Math.min(due, sent + AT_ONCE))
      await this.write(next.map((one) => this.line(inputs.payments, one.user, JSON.stringify(one), one.time)))
      sent += next.length
      if (sent >= due) await pause(TICK_MS)
    }
  }

  /** Ends every partition. */
  async end(last: Payment): Promise<void> {
    const partitions = Array.from({ length: this.options.partitions }, (_, partition) => partition)
    await this.write(
      partitions.map((partition) => this.line(inputs.payments, last.user, JSON.stringify(last), last.time, partition)),
    )
  }

  async close(): Promise<void> {
    await this.producer?.disconnect()
  }

  private line(topic: string, key: string, value: string | null, time: number, chosen?: number): Line {
    const partition = chosen ?? partitionOf(Buffer.from(key), this.options.partitions)
    const id = `${topic}/${partition}`
    const place = this.places.get(id) ?? 0
    this.places.set(id, place + 1)
    return { topic, partition, place, key, value, timestamp: String(time) }
  }

  private async write(lines: readonly Line[]): Promise<void> {
    let missing = lines
    while (missing.length > 0) {
      try {
        await this.send(missing)
        return
      } catch {
        // The broker is away, or was before it could answer. It comes back, and then its log says what it has taken.
        await this.producer?.disconnect().catch(() => {})
        this.producer = undefined
        missing = await this.notWritten(missing)
      }
    }
  }

  private async send(lines: readonly Line[]): Promise<void> {
    if (this.producer === undefined) {
      this.producer = this.kafka.producer()
      await this.producer.connect()
    }
    const topics = [...new Set(lines.map(({ topic }) => topic))]
    await this.producer.sendBatch({
      topicMessages: topics.map((topic) => ({ topic, messages: lines.filter((line) => line.topic === topic) })),
    })
  }

  private async notWritten(lines: readonly Line[]): Promise<Line[]> {
    for (;;) {
      const admin = this.kafka.admin()
      try {
        await admin.connect()
        const ends = new Map<string, number>()
        for (const topic of new Set(lines.map((line) => line.topic)))
          for (const { partition, high } of await admin.fetchTopicOffsets(topic))
            ends.set(`${topic}/${partition}`, Number(high))
        return lines.filter(({ topic, partition, place }) => place >= (ends.get(`${topic}/${partition}`) as number))
      } catch {
        await pause(AGAIN_MS)
      } finally {
        await admin.disconnect().catch(() => {})
      }
    }
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

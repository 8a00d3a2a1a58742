import type { Producer as KafkajsProducer, Transaction as KafkajsTransaction, RecordMetadata } from 'kafkajs'
import type { OutRecord, Position, Transaction, TransactionalProducer } from '../../ports/broker.js'
import { partitionKey } from '../../ports/partitionKey.js'
import type { StoreChanges } from '../../ports/store.js'
import { show, TidemarkError } from '../../record/errors.js'
import { errorType, isFenced, isTransient, tidemarkError } from './errors.js'
import { sendError, sends, type TopicMessages } from './messages.js'
import { connectProducer, type ProducerHost } from './producer.js'

// The end of a transaction is still being written when the next one begins: short waits, many times. kafkajs waits
// for it by itself when it adds records, but not when it adds offsets.
const RETRY = { initialRetryTime: 10, maxRetryTime: 1_000, retries: 20 }
const PAUSE_MS = 10
const LONGEST_PAUSE_MS = 200
const PATIENCE_MS = 20_000

/**
 * A transactional producer on kafkajs. Once fenced, or once an end of a transaction has failed so that nobody knows
 * how it ended, it does no more: to take the id again could fence a rightful owner.
 */
export class KafkaTransactionalProducer implements TransactionalProducer {
  private client: KafkajsProducer | undefined
  private open: OpenTransaction | undefined
  private failure: TidemarkError | undefined
  private isClosed = false
  private beginning: Promise<unknown> = Promise.resolve()

  constructor(
    readonly host: ProducerHost,
    readonly id: string,
    private readonly timeoutMs: number,
  ) {}

  begin(): Promise<Transaction> {
    const beginning = this.beginNow()
    this.beginning = beginning
    return beginning
  }

  private async beginNow(): Promise<Transaction> {
    this.check()
    if (this.open?.isOpen) throw this.badState('a transaction is open')
    const transaction = await this.guard('beginning a transaction', 'repeat', async () => {
      this.client ??= await this.connect()
      return this.client.transaction()
    })
    this.open = new OpenTransaction(this, transaction)
    return this.open
  }

  async close(): Promise<void> {
    if (this.isClosed) return
    // One that is connecting would never be disconnected.
    await this.beginning.catch(() => {})
    if (this.open?.isOpen && !this.failure) await this.open.abort().catch(() => {})
    this.isClosed = true
    await this.client?.disconnect()
  }

  check(): void {
    if (this.isClosed) throw this.badState('the producer is closed')
    if (this.failure) throw this.failure
  }

  badState(what: string): TidemarkError {
    return new TidemarkError('BAD_STATE', `${this.host.name}: transactional producer ${show(this.id)}: ${what}`)
  }

  /** Runs a step. Whether it may be done again when it fails for a reason that passes, is for the caller to know. */
  async guard<T>(what: string, kind: 'repeat' | 'send' | 'end', step: () => Promise<T>): Promise<T> {
    const deadline = Date.now() + PATIENCE_MS
    for (let pauseMs = PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      try {
        return await step()
      } catch (thrown) {
        const error = await this.host.reason(thrown, this.id)
        const mayPass = errorType(error) === 'CONCURRENT_TRANSACTIONS' || isTransient(error)
        if (kind !== 'repeat' || !mayPass || Date.now() > deadline) throw this.failed(what, kind === 'end', error)
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }

  private failed(what: string, isEnd: boolean, error: unknown): TidemarkError {
    if (isFenced(error)) {
      this.failure = new TidemarkError(
        'FENCED',
        `${this.host.name}: transactional producer ${show(this.id)}: a newer producer has the id, or the transaction took longer than ${this.timeoutMs} ms; close this one and start from the committed offsets`,
        {},
        { cause: error },
      )
      return this.failure
    }
    const ours = tidemarkError(this.host.name, `${what} of ${this.id}`, error)
    if (isEnd) this.failure = ours
    return ours
  }

  private connect(): Promise<KafkajsProducer> {
    return connectProducer(this.host.kafka, {
      transactionalId: this.id,
      transactionTimeout: this.timeoutMs,
      retry: RETRY,
    })
  }
}

/** Of one topic, told of all that were asked for with it. */
const REFUSED = new Set(['OPERATION_NOT_ATTEMPTED', 'TOPIC_AUTHORIZATION_FAILED'])

class OpenTransaction implements Transaction {
  isOpen = true
  /** By topic and partition. */
  private readonly ends = new Map<string, Position>()

  constructor(
    private readonly producer: KafkaTransactionalProducer,
    private readonly transaction: KafkajsTransaction,
  ) {}

  async send(records: readonly OutRecord[]): Promise<void> {
    this.check()
    await this.producer.host.checkPartitions(records)
    for (const topicMessages of sends(records)) {
      const what = 'sending in a transaction'
      const written = await this.producer.guard(what, 'send', () =>
        this.transaction.sendBatch({ topicMessages }).catch(async (error) => {
          const refused = REFUSED.has(errorType(error)) ? await this.refusal(topicMessages) : undefined
          throw sendError(this.producer.host.name, what, refused?.error ?? error, refused?.topics ?? topicMessages)
        }),
      )
      this.remember(topicMessages, written)
    }
  }

  /** A broker that takes no record of one topic takes none of the others, and kafkajs tells of any: alone, the right one has the reason. */
  private async refusal(topics: TopicMessages[]): Promise<{ error: unknown; topics: TopicMessages[] } | undefined> {
    for (const topic of topics) {
      try {
        await this.transaction.sendBatch({ topicMessages: [topic] })
      } catch (error) {
        return { error, topics: [topic] }
      }
    }
    return undefined
  }

  async sendOffsets(group: string, positions: readonly Position[]): Promise<void> {
    this.check()
    const topics = positions.map(({ topic, partition, offset }) => ({
      topic,
      partitions: [{ partition, offset: String(offset) }],
    }))
    await this.producer.guard('committing offsets in a transaction', 'repeat', () =>
      this.transaction.sendOffsets({ consumerGroupId: group, topics }),
    )
  }

  async commit(along: readonly StoreChanges[] = []): Promise<readonly Position[]> {
    this.check()
    if (along.length > 0) throw this.producer.badState('Kafka has no store that state could be committed to')
    await this.end('committing a transaction', () => this.transaction.commit())
    return [...this.ends.values()]
  }

  async abort(): Promise<void> {
    this.check()
    await this.end('aborting a transaction', () => this.transaction.abort())
  }

  private remember(sent: readonly TopicMessages[], written: readonly RecordMetadata[]): void {
    const counts = new Map<string, number>()
    for (const { topic, messages } of sent) {
      for (const { partition = 0 } of messages) {
        const key = partitionKey({ topic, partition })
        counts.set(key, (counts.get(key) ?? 0) + 1)
      }
    }
    for (const { topicName: topic, partition, baseOffset = '-1' } of written) {
      const key = partitionKey({ topic, partition })
      // A repeated send that the broker knew already is answered without one.
      if (Number(baseOffset) < 0) this.ends.delete(key)
      else this.ends.set(key, { topic, partition, offset: Number(baseOffset) + (counts.get(key) ?? 0) })
    }
  }

  private async end(what: string, step: () => Promise<void>): Promise<void> {
    this.isOpen = false
    await this.producer.guard(what, 'end', step)
  }

  private check(): void {
    this.producer.check()
    if (!this.isOpen) throw this.producer.badState('this transaction has ended')
  }
}

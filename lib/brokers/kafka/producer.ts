import type { Kafka, Producer as KafkajsProducer, ProducerConfig } from 'kafkajs'
import type { OutRecord, Producer } from '../../ports/broker.js'
import { TidemarkError } from '../../record/errors.js'
import { tidemarkError } from './errors.js'
import { sendError, sends } from './messages.js'

const RETRY = { initialRetryTime: 50, maxRetryTime: 1_000, retries: 20 }

export interface ProducerHost {
  readonly kafka: Kafka
  readonly name: string
  /** @throws TidemarkError `BAD_OPTION`, `UNKNOWN_TOPIC` */
  checkPartitions(records: readonly OutRecord[]): Promise<void>
  /** What is behind an error of a transactional producer. */
  reason(error: unknown, transactionalId: string): Promise<unknown>
}

interface Waiting {
  readonly records: readonly OutRecord[]
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** An idempotent producer. Calls that come while a send is under way go out together afterwards, in order. */
export class KafkaProducer implements Producer {
  private client: Promise<KafkajsProducer> | undefined
  private waiting: Waiting[] = []
  private sending: Promise<void> | undefined
  private isClosed = false

  constructor(private readonly host: ProducerHost) {}

  async connect(): Promise<void> {
    this.client ??= connectProducer(this.host.kafka)
    await this.client
  }

  send(records: readonly OutRecord[]): Promise<void> {
    if (this.isClosed)
      return Promise.reject(new TidemarkError('BAD_STATE', `${this.host.name}: the producer is closed`))
    return new Promise((resolve, reject) => {
      this.waiting.push({ records, resolve, reject })
      this.sending ??= this.work()
    })
  }

  async close(): Promise<void> {
    this.isClosed = true
    await this.sending
    await this.drop()
  }

  private async work(): Promise<void> {
    await null
    while (this.waiting.length > 0) {
      const together = await this.checked(this.waiting.splice(0))
      try {
        for (const topicMessages of sends(together.flatMap(({ records }) => records))) {
          await this.connect()
          const client = await (this.client as Promise<KafkajsProducer>)
          await client.sendBatch({ topicMessages }).catch((error) => {
            throw sendError(this.host.name, 'sending', error, topicMessages)
          })
        }
        for (const { resolve } of together) resolve()
      } catch (error) {
        // kafkajs's sequence numbers may no longer be those of the broker.
        await this.drop()
        const ours = tidemarkError(this.host.name, 'sending', error)
        for (const { reject } of together) reject(ours)
      }
    }
    this.sending = undefined
  }

  /** Those that may go out; the others have heard why not. */
  private async checked(waiting: readonly Waiting[]): Promise<Waiting[]> {
    const good: Waiting[] = []
    for (const one of waiting) {
      await this.host.checkPartitions(one.records).then(() => good.push(one), one.reject)
    }
    return good
  }

  private async drop(): Promise<void> {
    const client = this.client
    this.client = undefined
    await client?.then((producer) => producer.disconnect()).catch(() => {})
  }
}

/** A connected producer that writes each record once and where the caller wants it. */
export async function connectProducer(kafka: Kafka, config: ProducerConfig = {}): Promise<KafkajsProducer> {
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    retry: RETRY,
    createPartitioner: explicitPartition,
    ...config,
  })
  try {
    await producer.connect()
  } catch (error) {
    // It may have connected, and failed at what comes next.
    await producer.disconnect().catch(() => {})
    throw error
  }
  return producer
}

/** The caller has chosen; kafkajs's own partitioner would hash again on every attempt. */
const explicitPartition =
  () =>
  ({ message }: { message: { partition?: number } }): number =>
    message.partition as number

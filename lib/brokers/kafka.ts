import kafkajs, { type Kafka } from 'kafkajs'
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
import { type Duration, durationMs } from '../record/duration.js'
import { TidemarkError } from '../record/errors.js'
import { ClusterClient, TRANSACTION } from './kafka/cluster.js'
import { KafkaConsumer } from './kafka/consumer.js'
import { type CredentialOptions, credentials } from './kafka/credentials.js'
import { isTransient, tidemarkError } from './kafka/errors.js'
import type { FetchLimits } from './kafka/fetch.js'
import { KafkaProducer, type ProducerHost } from './kafka/producer.js'
import { readPartition } from './kafka/readPartition.js'
import { openSocket } from './kafka/socket.js'
import { TopicAdmin } from './kafka/topicAdmin.js'
import { KafkaTransactionalProducer } from './kafka/transactionalProducer.js'
import { unknownTopic } from './rules/unknownTopic.js'

export interface KafkaOptions extends CredentialOptions {
  /** `host:port` of some of the brokers; the others are found through them. */
  readonly brokers: readonly string[]
  /** Tells this client from others in the brokers' logs and quotas. Default: `tidemark`. */
  readonly clientId?: string
  /** Of topics that are created. Default: the brokers' own. */
  readonly replicationFactor?: number
  /** How long `connect` tries, and how long an `oauthBearerProvider` that fails is asked again. Default: 5 s. */
  readonly connectionTimeout?: Duration
  /** How long a member may be silent before others take its partitions. Default: 10 s. */
  readonly sessionTimeout?: Duration
  /** How long a transaction may be open before the brokers abort it. Default: 60 s. */
  readonly transactionTimeout?: Duration
  /** How long a fetch waits where there is nothing to read. Default: 100 ms. */
  readonly maxWait?: Duration
  /** The most that one fetch brings, per partition and in all. Default: 256 KiB and 8 MiB. */
  readonly maxPartitionBytes?: number
  readonly maxBytes?: number
}

const CONNECT_PAUSE_MS = 200

/**
 * Apache Kafka, 2.4 and later, through kafkajs.
 *
 * Members of one group share partitions by slots, and a partition moves only after its owner has let go. Compression:
 * gzip; register other codecs with kafkajs.
 *
 * ```ts
 * const broker = kafka({ brokers: ['localhost:9092'] })
 * ```
 *
 * @throws TidemarkError `BAD_OPTION`, `BAD_DURATION`
 */
export function kafka(options: KafkaOptions): Broker {
  return new KafkaBroker(options)
}

interface Connection {
  readonly cluster: ClusterClient
  readonly admin: TopicAdmin
  readonly host: ProducerHost
}

class KafkaBroker implements Broker {
  readonly name: string
  readonly durable = true
  private readonly kafka: Kafka
  private readonly connectionTimeoutMs: number
  private readonly sessionTimeoutMs: number
  private readonly transactionTimeoutMs: number
  private readonly replicationFactor: number
  private readonly limits: FetchLimits
  private readonly clients = new Set<{ close(): Promise<void> }>()
  /** Apps that have connected and not closed yet: the last one closes. */
  private users = 0
  private connected: Connection | undefined

  constructor(options: KafkaOptions) {
    if (options.brokers.length === 0) throw new TidemarkError('BAD_OPTION', 'kafka: brokers must name one at least')
    // Not shown: what else stands in an address is often a password.
    if (!options.brokers.every((broker) => /^[\w.-]+:\d+$/.test(broker)))
      throw new TidemarkError(
        'BAD_OPTION',
        "kafka: each of brokers must be 'host:port', without protocol, user or path; users go into sasl",
      )
    this.name = `kafka ${options.brokers.join(',')}`
    this.connectionTimeoutMs = durationMs(options.connectionTimeout ?? '5s', 'kafka: connectionTimeout', 1)
    this.sessionTimeoutMs = durationMs(options.sessionTimeout ?? '10s', 'kafka: sessionTimeout', 1)
    this.transactionTimeoutMs = durationMs(options.transactionTimeout ?? '60s', 'kafka: transactionTimeout', 1)
    // Since 2.4 a broker takes -1 for its default.
    this.replicationFactor = options.replicationFactor ?? -1
    this.limits = {
      maxWaitMs: durationMs(options.maxWait ?? 100, 'kafka: maxWait'),
      maxPartitionBytes: options.maxPartitionBytes ?? 256 << 10,
      maxBytes: options.maxBytes ?? 8 << 20,
    }
    this.kafka = new kafkajs.Kafka({
      brokers: [...options.brokers],
      clientId: options.clientId ?? 'tidemark',
      ...credentials(options, this.connectionTimeoutMs),
      socketFactory: openSocket,
      connectionTimeout: Math.min(this.connectionTimeoutMs, 3_000),
      // Ours are the ones that repeat; kafkajs would be deaf to a close meanwhile.
      retry: { initialRetryTime: 20, maxRetryTime: 100, retries: 1 },
      // What goes wrong comes as an error.
      logLevel: kafkajs.logLevel.NOTHING,
    })
  }

  async connect(): Promise<void> {
    this.users++
    if (this.connected) return
    try {
      await this.open()
    } catch (error) {
      this.users--
      throw error
    }
  }

  async close(): Promise<void> {
    if (this.users === 0 || --this.users > 0) return
    await Promise.allSettled([...this.clients].map((one) => one.close()))
    const { connected } = this
    this.connected = undefined
    await connected?.cluster.close()
  }

  async topics(names?: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return this.connection.cluster.partitionCounts(names)
  }

  async createTopics(topics: readonly NewTopic[]): Promise<void> {
    await this.connection.admin.create(topics)
  }

  async deleteTopics(topics: readonly string[]): Promise<void> {
    await this.connection.admin.delete(topics)
  }

  async ranges(topic: string): Promise<readonly PartitionRange[]> {
    return this.connection.cluster.writtenRanges(topic)
  }

  async committed(group: string, topics: readonly string[]): Promise<readonly Position[]> {
    const { cluster } = this.connection
    const counts = await cluster.partitionCounts(topics)
    if (counts.size === 0) return []
    const asked = Array.from(counts, ([topic, count]) => ({
      topic,
      partitions: Array.from({ length: count }, (_, partition) => ({ partition })),
    }))
    const what = `reading the offsets of group ${group}`
    try {
      const { responses } = await cluster.retry(what, () =>
        cluster.atCoordinator(group, (node) => node.offsetFetch({ groupId: group, topics: asked })),
      )
      return responses.flatMap(({ topic, partitions }) =>
        partitions
          .map(({ partition, offset }) => ({ topic, partition, offset: Number(offset) }))
          .filter(({ offset }) => offset >= 0),
      )
    } catch (error) {
      throw cluster.error(what, error)
    }
  }

  async producer(): Promise<Producer> {
    const producer = new KafkaProducer(this.connection.host)
    try {
      await producer.connect()
    } catch (error) {
      throw tidemarkError(this.name, 'connecting a producer', error)
    }
    return this.track(producer)
  }

  async transactionalProducer(id: string): Promise<TransactionalProducer> {
    return this.track(new KafkaTransactionalProducer(this.connection.host, id, this.transactionTimeoutMs))
  }

  async consumer(options: ConsumerOptions): Promise<Consumer> {
    const shared = this.connection.cluster
    const counts = await shared.partitionCounts(options.topics)
    for (const topic of options.topics) if (!counts.has(topic)) throw unknownTopic(this.name, topic)
    const own = await this.connectCluster()
    try {
      await own.retry('finding the leaders', () => own.know(options.topics))
    } catch (error) {
      await own.close()
      throw this.connection.cluster.error('finding the leaders', error)
    }
    const consumer = new KafkaConsumer(own, shared, {
      ...options,
      counts,
      limits: this.limits,
      sessionTimeoutMs: this.sessionTimeoutMs,
      committed: (topics) => this.committed(options.group, topics),
    })
    consumer.start()
    return this.track(consumer)
  }

  async read(
    partition: TopicPartition,
    from: number,
    to: number,
    each: (batch: RawBatch) => void | Promise<void>,
  ): Promise<void> {
    await readPartition(this.connection.cluster, partition, { from, to, limits: this.limits }, each)
  }

  private get connection(): Connection {
    if (!this.connected) throw new TidemarkError('BAD_STATE', `${this.name}: not connected; connect() first`)
    return this.connected
  }

  private async open(): Promise<void> {
    const cluster = await this.connectCluster()
    if (this.connected) return cluster.close()
    const admin = new TopicAdmin(cluster, this.replicationFactor)
    const host: ProducerHost = {
      kafka: this.kafka,
      name: this.name,
      checkPartitions: (records) => admin.check(records),
      reason: (error, id) => cluster.coordinatorError(error, id, TRANSACTION),
    }
    this.connected = { cluster, admin, host }
  }

  /** Closes it with the broker, unless it is closed before. */
  private track<T extends { close(): Promise<void> }>(one: T): T {
    const close = one.close.bind(one)
    one.close = async () => {
      this.clients.delete(one)
      await close()
    }
    this.clients.add(one)
    return one
  }

  /** A connection of its own, tried for as long as the option says. */
  private async connectCluster(): Promise<ClusterClient> {
    const deadline = Date.now() + this.connectionTimeoutMs
    for (;;) {
      const cluster = new ClusterClient(this.kafka, this.name)
      try {
        await cluster.connect()
        return cluster
      } catch (error) {
        await cluster.close().catch(() => {})
        if (!isTransient(error) || Date.now() + CONNECT_PAUSE_MS > deadline)
          throw tidemarkError(this.name, 'connecting', error)
      }
      await new Promise((resolve) => setTimeout(resolve, CONNECT_PAUSE_MS))
    }
  }
}

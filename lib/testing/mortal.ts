import type {
  Broker,
  Consumer,
  ConsumerListener,
  ConsumerOptions,
  NewTopic,
  Producer,
  RawBatch,
  StoreAdapter,
  TopicPartition,
  TransactionalProducer,
} from '../index.js'
import { TidemarkError } from '../record/errors.js'
import { type Around, around } from './around.js'

/** A process as broker and store see it: once it is dead, nothing that it does has any effect, and it hears of nothing. */
export interface Mortal {
  readonly broker: Broker
  readonly store: StoreAdapter
  readonly isDead: boolean
  die(): void
  /** The group gives it up, as a broker does that hasn't heard of it for too long. It isn't told. */
  cutOff(group: string): Promise<void>
  /** Lets go of what it holds, as the system does at its end: it may have been killed before it knew that it held it. */
  release(): Promise<void>
}

/**
 * Puts a broker and a store at the disposal of one app, until it dies: then every call is refused, as a process that was
 * killed makes none. Closing still works, since the broker would notice the death too.
 *
 * @param ask decides about each call of a living process
 */
export function mortal(broker: Broker, store: StoreAdapter, ask: Around = (_operation, run) => run()): Mortal {
  let isDead = false
  const consumers: { readonly group: string; readonly consumer: Consumer }[] = []

  const alive: Around = (operation, run) => (isDead ? Promise.reject(crashed()) : ask(operation, run))
  const guard = <T extends object>(to: T, name: string, methods: readonly (keyof T)[]): T =>
    around(to, name, methods, alive)

  const deaf = (listener: ConsumerListener): ConsumerListener => ({
    assigned: async (partitions) => (isDead ? [] : listener.assigned(partitions)),
    revoked: async (partitions) => {
      if (!isDead) await listener.revoked(partitions)
    },
    batch: (batch) => {
      if (!isDead) listener.batch(batch)
    },
    standby: (slots) => {
      if (!isDead) listener.standby?.(slots)
    },
    settled: () => {
      if (!isDead) listener.settled?.()
    },
    error: (error, fatal) => {
      if (!isDead) listener.error(error, fatal)
    },
  })

  const guardedStore = guard(store, 'store', ['open', 'claim', 'load', 'commit', 'clear', 'scopes'])
  const calls = {
    connect: () => broker.connect(),
    topics: (names?: readonly string[]) => broker.topics(names),
    createTopics: (topics: readonly NewTopic[]) => broker.createTopics(topics),
    deleteTopics: (topics: readonly string[]) => broker.deleteTopics(topics),
    ranges: (topic: string) => broker.ranges(topic),
    committed: (group: string, topics: readonly string[]) => broker.committed(group, topics),
    read: (partition: TopicPartition, from: number, to: number, each: (batch: RawBatch) => void | Promise<void>) =>
      broker.read(partition, from, to, each),
    producer: async () => guard<Producer>(await broker.producer(), 'producer', ['send']),
    async transactionalProducer(id: string): Promise<TransactionalProducer> {
      const producer = guard<TransactionalProducer>(await broker.transactionalProducer(id), 'producer', ['begin'])
      return {
        begin: async () => guard(await producer.begin(), 'transaction', ['send', 'sendOffsets', 'commit', 'abort']),
        close: () => producer.close(),
      }
    },
    async consumer(options: ConsumerOptions) {
      const consumer = await broker.consumer({ ...options, listener: deaf(options.listener) })
      consumers.push({ group: options.group, consumer })
      return guard<Consumer>(consumer, 'consumer', ['commit'])
    },
  } satisfies Partial<Broker>

  return {
    broker: {
      name: broker.name,
      durable: broker.durable,
      ...(broker.store !== undefined && { store: broker.store === store ? guardedStore : broker.store }),
      ...guard(calls, 'broker', Object.keys(calls) as (keyof typeof calls)[]),
      close: () => broker.close(),
    },
    store: guardedStore,
    get isDead() {
      return isDead
    },
    die() {
      isDead = true
    },
    async cutOff(group) {
      for (const one of consumers) if (one.group === group) await one.consumer.close()
    },
    async release() {
      for (const { consumer } of consumers) await consumer.close()
      if (broker.store !== store) await store.close()
    },
  }
}

/** What a call of a process rejects with that was killed meanwhile; nobody should hear of it. */
export const crashed = () => new TidemarkError('BROKER_UNAVAILABLE', 'the app has crashed')

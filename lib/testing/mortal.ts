import type { Broker, Consumer, ConsumerListener, Producer, StoreAdapter, TransactionalProducer } from '../index.js'
import { TidemarkError } from '../record/errors.js'

/** A process as broker and store see it: once it is dead, nothing that it does has any effect, and it hears of nothing. */
export interface Mortal {
  readonly broker: Broker
  readonly store: StoreAdapter
  readonly isDead: boolean
  die(): void
}

/**
 * Puts a broker and a store at the disposal of one app, until it dies: then every write is refused, as a process that was
 * killed makes none. Leaving the group and closing still work, since the broker would notice the death too.
 */
export function mortal(broker: Broker, store: StoreAdapter): Mortal {
  let isDead = false

  /** A copy that answers as `to` does and refuses these once dead. */
  function guard<T extends object>(to: T, refused: readonly (keyof T)[]): T {
    return new Proxy(to, {
      get(_, name) {
        const member = Reflect.get(to, name)
        if (typeof member !== 'function') return member
        return (...args: unknown[]) => {
          if (isDead && refused.includes(name as keyof T))
            return Promise.reject(new TidemarkError('BROKER_UNAVAILABLE', 'the app has crashed'))
          return member.apply(to, args)
        }
      },
    })
  }

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
    error: (error, fatal) => {
      if (!isDead) listener.error(error, fatal)
    },
  })

  const guardedStore = guard(store, ['commit', 'clear'])
  const guardedBroker: Broker = {
    name: broker.name,
    durable: broker.durable,
    ...(broker.store !== undefined && { store: broker.store === store ? guardedStore : broker.store }),
    connect: () => broker.connect(),
    close: () => broker.close(),
    topics: (names) => broker.topics(names),
    createTopics: (topics) => broker.createTopics(topics),
    deleteTopics: (topics) => broker.deleteTopics(topics),
    ranges: (topic) => broker.ranges(topic),
    committed: (group, topics) => broker.committed(group, topics),
    read: (partition, from, to, each) => broker.read(partition, from, to, each),
    producer: async () => guard<Producer>(await broker.producer(), ['send']),
    async transactionalProducer(id) {
      const producer = guard<TransactionalProducer>(await broker.transactionalProducer(id), ['begin'])
      return {
        begin: async () => guard(await producer.begin(), ['send', 'sendOffsets', 'commit']),
        close: () => producer.close(),
      }
    },
    consumer: async (options) =>
      guard<Consumer>(await broker.consumer({ ...options, listener: deaf(options.listener) }), ['commit']),
  }

  return {
    broker: guardedBroker,
    store: guardedStore,
    get isDead() {
      return isDead
    },
    die() {
      isDead = true
    },
  }
}

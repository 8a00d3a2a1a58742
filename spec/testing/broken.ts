import type { Broker, StoreAdapter, StoreChanges } from 'tidemark'

// Brokers and stores that break a promise which exactly-once rests on.

/** Writes a commit entry by entry: when it is closed in between, the rest is missing. */
export function tornStore(store: StoreAdapter): StoreAdapter {
  let isOpen = false
  return {
    ...store,
    async open(app) {
      await store.open(app)
      isOpen = true
    },
    async commit(changes) {
      for (const { scope, entries, reset } of changes) {
        if (reset) await store.clear(scope)
        for (const entry of entries) if (isOpen) await store.commit([{ scope, entries: [entry] }])
      }
    },
    async close() {
      isOpen = false
      await store.close()
    },
  }
}

/** Writes records at once, not when the transaction commits. */
export const pastTransaction = (broker: Broker): Broker =>
  withTransactions(broker, async (transaction) => {
    const producer = await broker.producer()
    return { ...transaction, send: (records) => producer.send(records) }
  })

/** Stores where a task goes on before its outputs and states are written. */
export const offsetsAhead = (broker: Broker, store: StoreAdapter): Broker =>
  withTransactions(broker, async (transaction) => ({
    ...transaction,
    async commit(along: readonly StoreChanges[] = []) {
      await store.commit(
        along.map(({ scope, entries }) => ({ scope, entries: entries.filter(([key]) => key === 'manifest') })),
      )
      return transaction.commit(along)
    },
  }))

/** Takes transactions of producers that others have replaced. */
export function unfenced(broker: Broker): Broker {
  let producers = 0
  return { ...plain(broker), transactionalProducer: (id) => broker.transactionalProducer(`${id}-${++producers}`) }
}

type Transaction = Awaited<ReturnType<Awaited<ReturnType<Broker['transactionalProducer']>>['begin']>>

function withTransactions(broker: Broker, change: (transaction: Transaction) => Promise<Transaction>): Broker {
  return {
    ...plain(broker),
    async transactionalProducer(id) {
      const producer = await broker.transactionalProducer(id)
      return {
        close: () => producer.close(),
        begin: async () => {
          const transaction = await producer.begin()
          return change({
            send: (records) => transaction.send(records),
            sendOffsets: (group, positions) => transaction.sendOffsets(group, positions),
            commit: (along) => transaction.commit(along),
            abort: () => transaction.abort(),
          })
        },
      }
    },
  }
}

/** The broker's methods as properties, for others to be put in their place. */
function plain(broker: Broker): Broker {
  return {
    name: broker.name,
    durable: broker.durable,
    ...(broker.store !== undefined && { store: broker.store }),
    connect: () => broker.connect(),
    topics: (names) => broker.topics(names),
    createTopics: (topics) => broker.createTopics(topics),
    deleteTopics: (topics) => broker.deleteTopics(topics),
    ranges: (topic) => broker.ranges(topic),
    committed: (group, topics) => broker.committed(group, topics),
    producer: () => broker.producer(),
    transactionalProducer: (id) => broker.transactionalProducer(id),
    consumer: (options) => broker.consumer(options),
    read: (partition, from, to, each) => broker.read(partition, from, to, each),
    close: () => broker.close(),
  }
}

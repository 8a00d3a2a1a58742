import type { Broker } from 'tidemark'
import { but } from './but.js'

/**
 * A broker as Kafka is when it has much to do: what a transaction has committed is seen when the next one with its id takes something, or a newer producer has the
 * id; or when a test says so.
 */
export function seenLater(inner: Broker): { readonly broker: Broker; see(): Promise<void> } {
  /** Commits that are answered and not seen yet, by the producer's id. */
  const unseen = new Map<string, () => Promise<unknown>>()
  const see = async (id: string) => {
    const commit = unseen.get(id)
    unseen.delete(id)
    await commit?.()
  }
  const broker = but(inner, {
    async transactionalProducer(id) {
      const producer = await inner.transactionalProducer(id)
      let isNew = true
      return {
        async begin() {
          if (isNew) {
            await see(id)
            await (await producer.begin()).abort()
          }
          isNew = false
          let open: Awaited<ReturnType<typeof producer.begin>> | undefined
          const taking = async () => {
            await see(id)
            open ??= await producer.begin()
            return open
          }
          return {
            send: async (records) => (await taking()).send(records),
            sendOffsets: async (group, positions) => (await taking()).sendOffsets(group, positions),
            async commit(along) {
              const transaction = await taking()
              unseen.set(id, () => transaction.commit(along))
              return []
            },
            abort: async () => open?.abort(),
          }
        },
        // The broker ends what it has begun to commit, whether or not the producer is there.
        close: async () => {},
      }
    },
  })
  return {
    broker,
    async see() {
      for (const id of [...unseen.keys()]) await see(id)
    },
  }
}

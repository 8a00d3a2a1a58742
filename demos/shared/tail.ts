import { type Broker, json, string } from 'tidemark'

export interface TailRecord<V> {
  readonly key: string
  /** Null deletes, in a compacted topic. */
  readonly value: V | null
  readonly partition: number
  readonly timestamp: number
}

/** Reads a topic from its beginning, outside any group: each call gives what has come since the last. */
export function tail<V>(broker: Broker, topic: string): () => Promise<TailRecord<V>[]> {
  const positions: number[] = []
  return async () => {
    const found: TailRecord<V>[] = []
    for (const [partition, { start, end }] of (await broker.ranges(topic)).entries()) {
      await broker.read({ topic, partition }, Math.max(positions[partition] ?? 0, start), end, ({ records }) => {
        for (const { key, value, timestamp } of records)
          found.push({
            key: key === null ? '' : string().deserialize(key),
            value: value === null ? null : json<V>().deserialize(value),
            partition,
            timestamp,
          })
      })
      positions[partition] = end
    }
    return found
  }
}

/** How many records each partition of a topic holds, where no transaction has written to it and nothing was deleted. */
export async function sizes(broker: Broker, topic: string): Promise<number[]> {
  return (await broker.ranges(topic)).map(({ start, end }) => end - start)
}

import { type Broker, embedded, type TopicPartition } from 'tidemark'

/** Writes and reads a broker's topics as text, behind an app's back. */
export async function rawTopics(topics: { [topic: string]: number }, broker: Broker = embedded()) {
  await broker.connect()
  await broker.createTopics(Object.entries(topics).map(([topic, partitions]) => ({ topic, partitions })))
  const producer = await broker.producer()
  const bytes = (text: string | null) => (text === null ? null : new TextEncoder().encode(text))
  const text = (value: Uint8Array | null) => (value === null ? null : new TextDecoder().decode(value))
  return {
    broker,
    send: (at: TopicPartition, key: string | null, value: string | null, timestamp = 0) =>
      producer.send([{ ...at, key: bytes(key), value: bytes(value), timestamp, headers: [] }]),
    async read(topic: string) {
      const records: { partition: number; key: string | null; value: string | null; timestamp: number }[] = []
      const ranges = await broker.ranges(topic)
      for (const [partition, { start, end }] of ranges.entries()) {
        await broker.read({ topic, partition }, start, end, (batch) => {
          for (const record of batch.records)
            records.push({ partition, key: text(record.key), value: text(record.value), timestamp: record.timestamp })
        })
      }
      return records
    },
  }
}

import { expect, test } from '@jest/globals'
import {
  aggregate,
  type Broker,
  type ConsumerListener,
  count,
  createApp,
  embedded,
  json,
  memory,
  NO_HEADERS,
  string,
  TidemarkError,
  toTopic,
} from 'tidemark'
import { until } from '../until.js'

/** A broker whose transactions stop before their first record, one after the other, until they are let on. */
function gated(inner: Broker) {
  const waiting: (() => void)[] = []
  let closed = 0
  let isOpen = false
  let listener: ConsumerListener | undefined
  const broker: Broker = {
    name: inner.name,
    durable: inner.durable,
    connect: () => inner.connect(),
    close: () => inner.close(),
    topics: (names) => inner.topics(names),
    createTopics: (topics) => inner.createTopics(topics),
    deleteTopics: (topics) => inner.deleteTopics(topics),
    ranges: (topic) => inner.ranges(topic),
    committed: (group, names) => inner.committed(group, names),
    producer: () => inner.producer(),
    read: (partition, from, to, each) => inner.read(partition, from, to, each),
    async transactionalProducer(id) {
      const producer = await inner.transactionalProducer(id)
      return {
        async close() {
          await producer.close()
          closed++
        },
        async begin() {
          const transaction = await producer.begin()
          return {
            async send(records) {
              if (!isOpen) await new Promise<void>((resolve) => waiting.push(resolve))
              await transaction.send(records)
            },
            sendOffsets: (group, positions) => transaction.sendOffsets(group, positions),
            commit: (along) => transaction.commit(along),
            abort: () => transaction.abort(),
          }
        },
      }
    },
    consumer(options) {
      listener = options.listener
      return inner.consumer(options)
    },
  }
  const letOn = () => {
    for (const release of waiting.splice(0)) release()
  }
  const open = () => {
    isOpen = true
    letOn()
  }
  return {
    broker,
    waiting,
    letOn,
    open,
    closed: () => closed,
    fail: (error: TidemarkError) => listener?.error(error, true),
  }
}

test('a commit that was under way when the member had to let go ends no app, and nothing comes twice', async () => {
  const inner = embedded()
  const { broker, waiting, letOn, open, closed, fail } = gated(inner)
  await inner.connect()
  await inner.createTopics([
    { topic: 'clicks', partitions: 1 },
    { topic: 'counts', partitions: 1 },
  ])
  const app = createApp({ id: 'app', broker, store: memory(), changelog: true, commitInterval: 1 })
  const clicks = app.stream<number>('clicks', { value: json() })
  app.run('counts', clicks.pipe(aggregate(count(), { name: 'counts' }), toTopic('counts')))
  const errors: string[] = []
  app.errors$.subscribe(({ code }) => errors.push(code))
  try {
    await app.start()
    const producer = await inner.producer()
    const click = { topic: 'clicks', partition: 0, key: string().serialize('ann'), value: json().serialize(1) }
    await producer.send([1, 2].map((timestamp) => ({ ...click, timestamp, headers: NO_HEADERS })))

    await until('the first commit', () => waiting.length === 1)
    fail(new TidemarkError('FENCED', 'another member has the slot'))
    // It is waited for: what is cut off in the midst of writing may arrive late.
    letOn()
    await until('the end of its producer', () => closed() === 1)
    await producer.send([{ ...click, timestamp: 3, headers: NO_HEADERS }])
    await until('the commit of the next life', () => waiting.length === 1)
    letOn()
    const values = async () => {
      const found: unknown[] = []
      const end = (await inner.ranges('counts'))[0]?.end ?? 0
      await inner.read({ topic: 'counts', partition: 0 }, 0, end, ({ records }) => {
        for (const { value } of records) found.push(json().deserialize(value as Uint8Array))
      })
      return found
    }
    await until('the output', async () => (await values()).length === 3)
    expect(await values()).toEqual([1, 2, 3])
    expect(app.stats().state).toBe('running')
    expect(errors).toEqual(['FENCED'])
  } finally {
    open()
    await app.stop()
    await inner.close()
  }
  expect(errors).toEqual(['FENCED'])
})

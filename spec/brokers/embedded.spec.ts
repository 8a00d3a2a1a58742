import { embedded } from '../../lib/brokers/embedded.js'
import type { Clock } from '../../lib/ports/clock.js'
import { NO_HEADERS } from '../../lib/record/record.js'
import { utf8 } from '../../lib/record/serde.js'
import { brokerConformance } from '../../lib/testing/brokerConformance.js'
import { until } from '../until.js'

const out = (topic: string, key: string, value: string | null) => ({
  topic,
  partition: 0,
  key: utf8.encode(key),
  value: value === null ? null : utf8.encode(value),
  timestamp: 0,
  headers: NO_HEADERS,
})

describe('the contract of a broker', () => {
  const shared = embedded()
  for (const { name, run } of brokerConformance(() => shared)) test(name, run)
})

test.each([
  ['partition', undefined, 'partition must be a whole number, as partitionOf finds it; got undefined (topic t)'],
  ['headers', undefined, 'headers must be a list of [name, bytes or null], which may be empty; got undefined'],
  [
    'value',
    { amount: 5 },
    'value must be bytes, as a serde makes them, or null; got {"amount":5} (topic t, partition 0)',
  ],
  ['key', 'ann', 'key must be bytes, as a serde makes them, or null; got "ann"'],
])('a send says what is wrong with a record: its %s', async (field, wrong, text) => {
  const broker = embedded()
  await broker.createTopics([{ topic: 't', partitions: 1 }])
  const producer = await broker.producer()
  const record = { ...out('t', 'k', 'v'), [field]: wrong }
  await expect(producer.send([record as never])).rejects.toThrow(`BAD_OPTION: send: ${text}`)
})

test('a given clock decides when batches come', async () => {
  const due: (() => void)[] = []
  const clock: Clock = { now: () => 0, after: () => () => {}, soon: (callback) => due.push(callback) }
  const turn = async () => {
    for (const callback of due.splice(0)) callback()
    await new Promise((resolve) => setImmediate(resolve))
  }
  const broker = embedded({ clock })
  await broker.createTopics([{ topic: 't', partitions: 1 }])
  const heard: string[] = []
  const consumer = await broker.consumer({
    group: 'g',
    topics: ['t'],
    slots: 1,
    plan: '',
    listener: {
      assigned: async () => {
        heard.push('assigned')
        return []
      },
      revoked: async () => {},
      batch: ({ records }) => heard.push(`${records.length} records`),
      error: (error) => heard.push(error.message),
    },
  })
  const producer = await broker.producer()
  await producer.send(Array.from({ length: 700 }, () => out('t', 'k', 'v')))
  expect(heard).toEqual([])
  await turn()
  expect(heard).toEqual(['assigned'])
  await turn()
  expect(heard).toEqual(['assigned', '500 records'])
  await turn()
  expect(heard).toEqual(['assigned', '500 records', '200 records'])
  await consumer.close()
})

test('a compacted topic is compacted as it grows, and the last value of each key stays', async () => {
  const broker = embedded({ compactAfter: 100 })
  await broker.createTopics([
    { topic: 'table', partitions: 1, compacted: true },
    { topic: 'stream', partitions: 1 },
  ])
  const producer = await broker.producer()
  for (let i = 0; i < 1_000; i++) {
    for (const topic of ['table', 'stream']) await producer.send([out(topic, `k${i % 10}`, `v${i}`)])
  }
  await producer.send([out('table', 'k3', null)])
  const read = async (topic: string) => {
    const last = new Map<string, string | null>()
    let count = 0
    await broker.read({ topic, partition: 0 }, 0, (await broker.ranges(topic))[0]?.end ?? 0, ({ records }) => {
      count += records.length
      for (const { key, value } of records) last.set(utf8.decode(key as Uint8Array), value && utf8.decode(value))
    })
    return { count, last }
  }
  const table = await read('table')
  expect(table.count).toBeLessThan(150)
  expect([...table.last].sort()).toEqual(
    Array.from({ length: 10 }, (_, i) => [`k${i}`, i === 3 ? null : `v${990 + i}`]),
  )
  expect(await broker.ranges('table')).toEqual([{ start: 0, end: 1_001 }])
  expect((await read('stream')).count).toBe(1_000)
})

test('what the owner throws ends its consumer, and says so', async () => {
  const broker = embedded()
  await broker.createTopics([{ topic: 't', partitions: 1 }])
  const producer = await broker.producer()
  await producer.send([out('t', 'k', 'v')])
  const error = await new Promise<Error>((resolve) => {
    void broker.consumer({
      group: 'g',
      topics: ['t'],
      slots: 1,
      plan: '',
      listener: {
        assigned: async () => [],
        revoked: async () => {},
        batch: () => {
          throw new Error('no room')
        },
        error: (reason, fatal) => fatal && resolve(reason),
      },
    })
  })
  expect(error.message).toContain('no room')
})

test('a topic that is deleted under a consumer is told, and one that is made anew is read from its start', async () => {
  const broker = embedded()
  const topics = [{ topic: 't', partitions: 1 }]
  await broker.createTopics(topics)
  const producer = await broker.producer()
  const told: unknown[] = []
  const consumer = await broker.consumer({
    group: 'g',
    topics: ['t'],
    slots: 1,
    plan: '',
    listener: {
      assigned: async () => [],
      revoked: async () => {},
      batch: ({ records }) =>
        told.push(...records.map(({ offset, value }) => [offset, utf8.decode(value as Uint8Array)])),
      error: ({ code, place }, fatal) => told.push([code, place, fatal]),
    },
  })
  await producer.send([out('t', 'k', 'a'), out('t', 'k', 'b')])
  await until('the first log', () => told.length === 2)
  await broker.deleteTopics(['t'])
  await until('the error', () => told.length === 3)
  await broker.createTopics(topics)
  await until('the other error', () => told.length === 4)
  // As many as there were: the place would be one in this log, too.
  await producer.send([out('t', 'k', 'c'), out('t', 'k', 'd'), out('t', 'k', 'e')])
  await until('the other log', () => told.length === 7)
  expect(told).toEqual([
    [0, 'a'],
    [1, 'b'],
    ['UNKNOWN_TOPIC', { topic: 't', partition: 0 }, false],
    ['OFFSET_OUT_OF_RANGE', { topic: 't', partition: 0, offset: 2 }, false],
    [0, 'c'],
    [1, 'd'],
    [2, 'e'],
  ])
  await consumer.close()
})

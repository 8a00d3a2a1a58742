import { expect, test } from '@jest/globals'
import type { Broker, RawBatch } from 'tidemark'
import { ShadowBroker } from '../../lib/app/shadowBroker.js'
import { until } from '../until.js'
import { rawTopics } from './raw.js'

const out = (topic: string, value: string) => ({
  topic,
  partition: 0,
  key: null,
  value: new TextEncoder().encode(value),
  timestamp: 0,
  headers: [],
})

const values = (batches: readonly RawBatch[]) =>
  batches.flatMap(({ records }) =>
    records.map(({ offset, value }) => `${offset} ${new TextDecoder().decode(value ?? undefined)}`),
  )

async function given(limits: { [topic: string]: number[] }, around = (real: Broker) => real) {
  const real = await rawTopics({ a: 1, b: 1 })
  for (const value of ['r0', 'r1', 'r2', 'r3', 'r4']) await real.send({ topic: 'a', partition: 0 }, null, value)
  const broker = new ShadowBroker(around(real.broker), (topic) => limits[topic], [
    { topic: 'a', partition: 0, offset: 2 },
    { topic: 'b', partition: 0, offset: 1 },
  ])
  const producer = await broker.producer()
  const read = async (from: number, to: number) => {
    const batches: RawBatch[] = []
    await broker.read({ topic: 'a', partition: 0 }, from, to, (batch) => {
      batches.push(batch)
    })
    return values(batches)
  }
  return { real, broker, producer, read }
}

test('a topic is the real one up to the limit, and then what the shadow has written', async () => {
  const { real, broker, producer, read } = await given({ a: [3] })
  expect(await broker.ranges('a')).toEqual([{ start: 0, end: 3 }])
  await producer.send([out('a', 's3'), out('a', 's4')])
  expect(await broker.ranges('a')).toEqual([{ start: 0, end: 5 }])
  expect(await read(0, 5)).toEqual(['0 r0', '1 r1', '2 r2', '3 s3', '4 s4'])
  expect(await read(4, 5)).toEqual(['4 s4'])
  expect((await real.read('a')).map(({ value }) => value)).toEqual(['r0', 'r1', 'r2', 'r3', 'r4'])
})

test('what is written in a transaction is there once that has committed; the group is where the app was', async () => {
  const { broker, read } = await given({ a: [3] })
  const producer = await broker.transactionalProducer()
  const given_up = await producer.begin()
  await given_up.send([out('a', 'never')])
  await given_up.abort()
  const transaction = await producer.begin()
  await transaction.send([out('a', 's3')])
  expect(await broker.ranges('a')).toEqual([{ start: 0, end: 3 }])
  await transaction.commit()
  expect(await read(3, 4)).toEqual(['3 s3'])
  expect(await broker.committed('g', ['a'])).toEqual([{ topic: 'a', partition: 0, offset: 2 }])
})

test('topics that it creates are its own; those that are there are not made anew', async () => {
  const { real, broker } = await given({})
  await broker.createTopics([
    { topic: 'a', partitions: 7 },
    { topic: 'new', partitions: 2 },
  ])
  expect([...(await broker.topics())]).toEqual([
    ['a', 1],
    ['b', 1],
    ['new', 2],
  ])
  expect([...(await broker.topics(['new', 'b']))].sort()).toEqual([
    ['b', 1],
    ['new', 2],
  ])
  expect([...(await real.broker.topics()).keys()]).toEqual(['a', 'b'])
  await expect(broker.ranges('none')).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC' })
})

async function consume(broker: ShadowBroker, offset: number) {
  const batches: RawBatch[] = []
  const consumer = await broker.consumer({
    group: 'g',
    topics: ['a'],
    slots: 1,
    plan: '',
    listener: {
      assigned: async (partitions) => partitions.map((partition) => ({ ...partition, offset })),
      revoked: async () => {},
      batch: (batch) => batches.push(batch),
      error: (error) => {
        throw error
      },
    },
  })
  return { consumer, batches, seen: () => values(batches) }
}

const A = [{ topic: 'a', partition: 0 }]

test('its consumer gets all from where it is told to begin, and what comes later; nothing while it is paused or closed', async () => {
  const { broker, producer } = await given({ a: [3] })
  const { consumer, seen } = await consume(broker, 1)
  await until('the real ones', () => seen().length === 2)
  await producer.send([out('a', 's3')])
  await until('its own', () => seen().length === 3)
  consumer.pause(A)
  await producer.send([out('a', 's4')])
  await broker.ranges('a')
  expect(seen()).toEqual(['1 r1', '2 r2', '3 s3'])
  consumer.resume(A)
  await until('the rest', () => seen().length === 4)
  await consumer.close()
  await producer.send([out('a', 's5')])
  await broker.ranges('a')
  expect(seen()).toEqual(['1 r1', '2 r2', '3 s3', '4 s4'])
})

test('what was being read when it was told to go on elsewhere is thrown away', async () => {
  const gates: (() => void)[] = []
  const slow = (real: Broker): Broker => ({
    ...real,
    ranges: (topic) => real.ranges(topic),
    async read(partition, from, to, each) {
      await new Promise<void>((resolve) => gates.push(resolve))
      await real.read(partition, from, to, each)
    },
  })
  const { broker } = await given({}, slow)
  const { consumer, seen } = await consume(broker, 0)
  await until('a read', () => gates.length === 1)
  consumer.seek([{ topic: 'a', partition: 0, offset: 3 }])
  gates[0]?.()
  await until('another read', () => gates.length === 2)
  gates[1]?.()
  await until('the last', () => seen().length === 2)
  expect(seen()).toEqual(['3 r3', '4 r4'])
  await consumer.close()
})

import { jest } from '@jest/globals'
import type pg from 'pg'
import { kafka } from '../../lib/brokers/kafka.js'
import type { Broker, Producer } from '../../lib/ports/broker.js'
import { describeKafka } from '../kafka/testKafka.js'
import { describePostgres } from '../postgres/testPostgres.js'
import { until } from '../until.js'
import { Payments } from './payments.js'

const PARTITIONS = 4

await describeKafka('toRows with Kafka', (brokers) => {
  describePostgres('and several processes', (server) => {
    jest.setTimeout(180_000)
    let pool: pg.Pool
    let broker: Broker
    let producer: Producer
    let payments: Payments

    beforeEach(async () => {
      pool = server().pool()
      broker = kafka({ brokers })
      await broker.connect()
      payments = new Payments(pool, server().connectionString, `payments-${Date.now()}`, PARTITIONS)
      await broker.createTopics([{ topic: payments.id, partitions: PARTITIONS }])
      producer = await broker.producer()
      await payments.createTables()
    })
    afterEach(async () => {
      await payments.killAll()
      await producer.close()
      await broker.deleteTopics([payments.id])
      await broker.close()
      await pool.end()
    })

    const where = brokers.join(',')
    const start = () => payments.start(where)
    const writtenAtLeast = (count: number) =>
      until(`${count} rows`, async () => (await payments.written()) >= count, 60_000)

    test('killed at random, they write each row once, and state agrees with rows', async () => {
      await producer.send(payments.next(4_000))
      let [one, other] = await Promise.all([start(), start()])
      for (const share of [0.15, 0.3, 0.5, 0.7, 0.85]) {
        await writtenAtLeast(share * payments.count)
        await payments.kill(one)
        ;[one, other] = [other, await start()]
      }
      await writtenAtLeast(payments.count)
      await payments.expectExact()
    })

    test('frozen until others have their tasks, they change nothing when they wake', async () => {
      let [one, other] = await Promise.all([start(), start()])
      for (let round = 0; round < 4; round++) {
        const before = payments.count
        await producer.send(payments.next(2_000))
        await writtenAtLeast(before + 100 + round * 150)
        one.kill('SIGSTOP')
        // Some are in partitions of the one that stands still: the other takes those over.
        await producer.send(payments.next(500))
        await writtenAtLeast(payments.count)
        const { length } = payments.said
        one.kill('SIGCONT')
        // It hears that it has lost its tasks, from the store or from the group, and ends or joins anew.
        await until('a word of the one that has woken', () => payments.said.length > length, 60_000)
        await producer.send(payments.next(500))
        await writtenAtLeast(payments.count)
        await payments.kill(one)
        ;[one, other] = [other, await start()]
      }
      await writtenAtLeast(payments.count)
      await payments.expectExact()
      const errors = new Set(payments.said.filter((word) => word !== 'running'))
      for (const code of ['FENCED', 'STORE_UNAVAILABLE', 'BROKER_UNAVAILABLE']) errors.delete(code)
      expect([...errors]).toEqual([])
    })
  })
})

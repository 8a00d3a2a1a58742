import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { kafka } from '../../lib/brokers/kafka.js'
import { out, Setting, texts, until } from '../../lib/testing/brokerConformance/setting.js'
import { startKafka } from '../kafka/launcher.js'
import { describeKafka } from '../kafka/testKafka.js'

await describeKafka('kafka, while its only broker restarts', () => {
  test('records come in order, each once; what can’t be done is said; then all goes on', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'kafka-restart-'))
    let running = await startKafka({ dir })
    const port = Number(running.brokers.split(':')[1])
    const setting = new Setting(() => kafka({ brokers: [running.brokers] }))
    try {
      const broker = await setting.broker()
      const topic = await setting.topic(broker, 2)
      const { consumer, tape } = await setting.join(broker, [topic])
      const producer = await broker.producer()
      const transactional = await broker.transactionalProducer('id')
      const write = (value: string) => producer.send([0, 1].map((partition) => out(topic, partition, value)))
      for (const value of texts('a', 20)) await write(value)
      await (await transactional.begin()).abort()
      await until(() => tape.records().length === 40, 'the first records')

      await running.stop()
      await until(() => tape.errors.some(({ error }) => error.code === 'BROKER_UNAVAILABLE'), 'the outage')
      running = await startKafka({ dir, port })
      for (const value of texts('b', 20)) await write(value)
      await until(() => tape.records().length >= 80, 'the records after')
      for (const partition of [0, 1]) {
        expect(tape.values({ topic, partition })).toEqual([...texts('a', 20), ...texts('b', 20)])
      }
      await consumer.commit([{ topic, partition: 0, offset: 40 }])
      expect(await broker.committed(setting.id, [topic])).toEqual([{ topic, partition: 0, offset: 40 }])
      const transaction = await transactional.begin()
      await transaction.send([out(topic, 0, 'c')])
      await transaction.commit()
      await until(() => tape.values({ topic, partition: 0 }).at(-1) === 'c', 'the transaction')
      expect(tape.breaches).toEqual([])
      expect(tape.errors.filter(({ fatal }) => fatal)).toEqual([])
    } finally {
      await setting.end()
      await running.stop()
      await rm(dir, { recursive: true, force: true })
    }
  }, 120_000)
})

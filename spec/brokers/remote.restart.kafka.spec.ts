import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { embedded } from '../../lib/brokers/embedded.js'
import { kafka } from '../../lib/brokers/kafka.js'
import { out, Tape, texts } from '../../lib/testing/brokerConformance/setting.js'
import { startKafka } from '../kafka/launcher.js'
import { describeKafka } from '../kafka/testKafka.js'
import { until } from '../until.js'
import { connectTo, openBridge } from './bridged.js'

await describeKafka('a tab, while the Kafka behind its bridge restarts', () => {
  test('hears of it, and then gets the records in order, each once', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'bridge-restart-'))
    let running = await startKafka({ dir })
    const port = Number(running.brokers.split(':')[1])
    const behind = kafka({ brokers: [running.brokers] })
    const errors: string[] = []
    const { server, url } = await openBridge({
      broker: behind,
      topics: ['orders'],
      onError: ({ code }) => errors.push(code),
    })
    const broker = connectTo(url, 'websocket', { local: embedded() })
    try {
      await behind.createTopics([{ topic: 'orders', partitions: 2 }])
      const producer = await behind.producer()
      const write = (value: string) => producer.send([0, 1].map((partition) => out('orders', partition, value)))
      for (const value of texts('a', 20)) await write(value)
      await broker.connect()
      const tape = new Tape({})
      await broker.consumer({ group: 'g', topics: ['orders'], slots: 2, plan: '', listener: tape })
      tape.isJoined = true
      await until('the first records', () => tape.records().length === 40)

      await running.stop()
      await until('the outage', () => tape.errors.length > 0, 60_000)
      running = await startKafka({ dir, port })
      for (const value of texts('b', 20)) await write(value)
      await until('the records after', () => tape.records().length >= 80, 60_000)
      for (const partition of [0, 1])
        expect(tape.values({ topic: 'orders', partition })).toEqual([...texts('a', 20), ...texts('b', 20)])
      expect(tape.breaches).toEqual([])
      expect(new Set(tape.errors.map(({ error, fatal }) => `${error.code} ${fatal}`))).toEqual(
        new Set(['BROKER_UNAVAILABLE false']),
      )
      expect(errors).toContain('BROKER_UNAVAILABLE')
    } finally {
      await broker.close()
      await server.close()
      await running.stop()
      await rm(dir, { recursive: true, force: true })
    }
  }, 180_000)
})

import { expect, test } from '@jest/globals'
import kafkajs from 'kafkajs'
import { type Clock, createApp, json, memory, toTopic } from 'tidemark'
import { kafka } from 'tidemark/kafka'
import { systemClock } from '../../lib/ports/systemClock.js'
import { describeKafka } from '../kafka/testKafka.js'
import { until } from '../until.js'
import { rawTopics } from './raw.js'

/** Its minutes are short. */
const clock: Clock = {
  now: systemClock.now,
  soon: systemClock.soon,
  after: (ms, run) => systemClock.after(ms === 60_000 ? 100 : ms, run),
}

await describeKafka('partitions that are added, on Kafka', (brokers) => {
  test('end an app that would not read them', async () => {
    const id = `grown-${Date.now().toString(36)}`
    const { broker, send, read } = await rawTopics({ [`${id}-in`]: 1, [`${id}-out`]: 1 }, kafka({ brokers }))
    const app = createApp({ id, broker: kafka({ brokers }), store: memory(), clock })
    app.errors$.subscribe()
    app.run('copy', app.stream(`${id}-in`, { value: json() }).pipe(toTopic(`${id}-out`)))
    await app.start()
    await send({ topic: `${id}-in`, partition: 0 }, 'a', '1')
    await until('the first', async () => (await read(`${id}-out`)).length === 1, 30_000)
    const admin = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING }).admin()
    await admin.connect()
    await admin.createPartitions({ topicPartitions: [{ topic: `${id}-in`, count: 3 }] })
    await admin.disconnect()
    await until('the end', () => app.stats().state === 'failed', 30_000)
    expect(app.health().reasons[0]).toContain(`${id}-in had 1 partitions when the app began to read it, and has 3 now`)
    await app.stop()
    await broker.close()
  }, 90_000)
})

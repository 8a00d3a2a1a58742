import { expect, test } from '@jest/globals'
import { aggregate, count, createApp, json, memory, toTopic } from 'tidemark'
import { kafka } from 'tidemark/kafka'
import { describeKafka } from '../kafka/testKafka.js'
import { until } from '../until.js'
import { rawTopics } from './raw.js'

await describeKafka('a topic that is made anew, on Kafka', (brokers) => {
  test('ends an app that has read further: none of its records is passed over', async () => {
    const id = `lost-${Date.now().toString(36)}`
    const { broker, send, read } = await rawTopics({ [`${id}-in`]: 1, [`${id}-out`]: 1 }, kafka({ brokers }))
    const at = { topic: `${id}-in`, partition: 0 }
    const app = createApp({ id, broker: kafka({ brokers }), store: memory() })
    app.errors$.subscribe()
    app.run('n', app.stream(at.topic, { value: json() }).pipe(aggregate(count(), { name: 'n' }), toTopic(`${id}-out`)))
    await app.start()
    for (let n = 0; n < 5; n++) await send(at, 'a', '1')
    await until('all of them', async () => (await read(`${id}-out`)).length === 5, 30_000)
    await broker.deleteTopics([at.topic])
    await broker.createTopics([{ topic: at.topic, partitions: 1 }])
    for (let n = 0; n < 3; n++) await send(at, 'b', '1')
    await until('the end', () => app.stats().state === 'failed', 30_000)
    expect(app.health().reasons[0]).toContain('OFFSET_OUT_OF_RANGE')
    await app.stop()
    await broker.close()
  }, 90_000)
})

import { expect, jest } from '@jest/globals'
import { type App, aggregate, createApp, json, keyBy, memory, shadow, sum, toTopic, tumblingWindow } from 'tidemark'
import { kafka } from 'tidemark/kafka'
import { describeKafka } from '../kafka/testKafka.js'
import { until } from '../until.js'
import { rawTopics } from './raw.js'

const build =
  (id: string, factor = 1) =>
  (app: App) => {
    const numbers = app.stream<number>(`${id}-in`, { value: json(), watermark: { maxOutOfOrderness: 0 } })
    app.run(
      'sums',
      numbers.pipe(
        keyBy((one) => `u${one.value % 3}`),
        tumblingWindow(10),
        // From 500 on, so that only some of the windows after the savepoint change.
        aggregate(
          sum((one) => (one.timestamp >= 500 ? one.value * factor : one.value)),
          { name: 'sums', emit: 'close' },
        ),
        toTopic(`${id}-out`),
      ),
    )
  }

await describeKafka('a shadow on Kafka', (brokers) => {
  jest.setTimeout(60_000)

  test('reads the real input from the savepoint on, and finds what a new version changes; nothing else is written', async () => {
    const id = `shadow-${Date.now()}`
    const outside = await rawTopics({ [`${id}-in`]: 2, [`${id}-out`]: 1 }, kafka({ brokers }))
    const app = createApp({
      id,
      broker: kafka({ brokers }),
      store: memory(),
      commitInterval: 50,
      watermarkInterval: 20,
    })
    build(id)(app)
    try {
      let time = 0
      const feed = async (until: number) => {
        const sends: Promise<void>[] = []
        for (; time < until; time++)
          sends.push(outside.send({ topic: `${id}-in`, partition: time % 2 }, null, `${time}`, time))
        await Promise.all(sends)
      }
      /** All windows that end by that time have come out: three keys in each. */
      const closed = (end: number) =>
        until('the windows', async () => (await outside.read(`${id}-out`)).length === (3 * end) / 10)
      await feed(402)
      await app.start()
      await closed(400)
      await app.savepoint('before')
      await feed(1_002)
      await closed(1_000)

      const same = await shadow(app, { from: 'before', build: build(id) })
      expect(same).toMatchObject({ same: 180, changed: 0, missing: 0, extra: 0, errors: [] })
      const other = await shadow(app, { from: 'before', build: build(id, 2), maxExamples: 200 })
      expect(other).toMatchObject({ same: 30, changed: 150, missing: 0, extra: 0 })
      for (const { live, shadow: next } of other.topics[0]?.examples ?? []) expect(Number(next)).toBe(2 * Number(live))
      expect((await outside.read(`${id}-out`)).length).toBe(300)
    } finally {
      await app.stop()
      await outside.broker.deleteTopics([`${id}-in`, `${id}-out`, `${id}-sums-repartition`])
      await outside.broker.close()
    }
  })
})

import { expect, jest } from '@jest/globals'
import { merge } from 'rxjs'
import { type App, aggregate, count, createApp, json, mapValues, memory, toTopic } from 'tidemark'
import { kafka } from 'tidemark/kafka'
import { describeKafka } from '../kafka/testKafka.js'
import { until } from '../until.js'
import { rawTopics } from './raw.js'

await describeKafka('an upgrade on Kafka', (brokers) => {
  jest.setTimeout(90_000)

  test('a state moves and migrates by its changelog, where the machine has nothing; what does not fit is refused', async () => {
    const id = `upgrade-${Date.now()}`
    const names = [`${id}-a`, `${id}-b`, `${id}-out`] as const
    const [a, b, out] = names
    const outside = await rawTopics({ [a]: 2, [b]: 2, [out]: 1 }, kafka({ brokers }))
    const running: App[] = []
    const start = async (build: (app: App) => void, startEmpty: string[] = []) => {
      const app = createApp({ id, broker: kafka({ brokers }), store: memory(), upgrade: { startEmpty } })
      build(app)
      running.push(app)
      await app.start()
      return app
    }
    const read = (app: App, topic: string) => app.stream<number>(topic, { value: json() })
    const first = (app: App) => app.run('n', read(app, a).pipe(aggregate(count(), { name: 'n' }), toTopic(out)))
    const second = (app: App) => {
      const both = merge(read(app, a), read(app, b))
      const migrate = (n: number) => [n, null]
      app.run(
        'n',
        both.pipe(
          aggregate({ n: count(), m: count() }, { name: 'n', version: 2, migrate }),
          mapValues(({ n, m }) => n * 10 + m),
          toTopic(out),
        ),
      )
      app.run('fresh', both.pipe(aggregate(count(), { name: 'fresh' })))
    }
    const feed = async (topic: string) => {
      for (const partition of [0, 1]) await outside.send({ topic, partition }, `k${partition}`, '1')
    }
    const written = async () => (await outside.read(out)).map(({ key, value }) => `${key} ${value}`).sort()
    const results = (n: number) => until('results', async () => (await written()).length === n)
    try {
      await feed(a)
      await feed(a)
      const v1 = await start(first)
      await results(4)
      await v1.stop()

      await expect(start(second)).rejects.toMatchObject({
        code: 'PLAN_MISMATCH',
        reason: expect.stringContaining('fresh is new: it begins empty'),
      })
      const again = await start(first)
      await feed(a)
      await results(6)
      await again.stop()

      const looking = createApp({ id, instance: 'looking', broker: kafka({ brokers }), store: memory() })
      second(looking)
      expect((await looking.compare()).states).toMatchObject([
        { state: 'fresh', change: 'new', isRefused: true },
        { state: 'n', change: 'kept', migratesFrom: 1 },
      ])

      const v2 = await start(second, ['fresh'])
      await feed(b)
      await results(8)
      expect((await v2.savepoint('s')).states).toEqual(['fresh', 'n'])
      await v2.stop()
      const v3 = await start(second)
      await feed(a)
      await results(10)
      expect(await written()).toEqual(
        ['k0', 'k1'].flatMap((key) => ['1', '2', '3', '41', '52'].map((n) => `${key} ${n}`)),
      )
      expect((await v3.compare()).states).toMatchObject([
        { state: 'fresh', change: 'kept', text: '' },
        { state: 'n', change: 'kept', text: '' },
      ])
    } finally {
      for (const app of running) await app.stop()
      await outside.broker.deleteTopics([...names, `${id}-n-changelog`, `${id}-fresh-changelog`])
      await outside.broker.close()
    }
  })
})

import { expect, test } from '@jest/globals'
import { type App, aggregate, count, createApp, embedded, json, memory, toTopic } from 'tidemark'
import { until } from '../until.js'
import { rawTopics } from './raw.js'

async function given() {
  const store = memory()
  const broker = embedded({ store })
  const topics = await rawTopics({ a: 1, b: 1, out: 1 }, broker)
  for (const topic of ['a', 'b']) for (let n = 0; n < 3; n++) await topics.send({ topic, partition: 0 }, topic, '1')
  /** Runs it until everything has been handled; gives the records in `out`, in order. */
  const run = async (build: (app: App) => void) => {
    const app = createApp({ id: 'app', broker, store, commitInterval: 5 })
    build(app)
    try {
      await app.start()
      await until('all of it', () => app.stats().tasks.length > 0 && app.stats().tasks.every((task) => task.lag === 0))
    } finally {
      await app.stop()
    }
    return (await topics.read('out')).map(({ key, value }) => `${key}${value}`).sort()
  }
  return { ...topics, run }
}

const counts = (app: App, topic: string, name = `n-${topic}`) =>
  app.run(topic, app.stream(topic, { value: json() }).pipe(aggregate(count(), { name }), toTopic('out')))

test('pipelines may be reordered: each goes on from its own checkpoint', async () => {
  const { run, send } = await given()
  const once = ['a1', 'a2', 'a3', 'b1', 'b2', 'b3']
  const forth = (app: App) => {
    counts(app, 'a')
    counts(app, 'b')
  }
  const back = (app: App) => {
    counts(app, 'b')
    counts(app, 'a')
  }
  expect(await run(forth)).toEqual(once)
  expect(await run(back)).toEqual(once)
  await send({ topic: 'a', partition: 0 }, 'a', '1')
  expect(await run(forth)).toEqual([...once, 'a4'].sort())
})

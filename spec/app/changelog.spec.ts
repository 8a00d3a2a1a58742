import { expect, test } from '@jest/globals'
import { type App, aggregate, collect, embedded, json, keyBy, memory, toTopic, tumblingWindow } from 'tidemark'
import { type TestApp, testApp } from 'tidemark/testing'
import { changelogRange } from '../../lib/app/changelog.js'

interface Click {
  readonly n: number
}

/** A table of counts and windows behind an exchange: two sub-topologies, each with a state. */
function pipeline(app: App) {
  const clicks = app.stream<Click>('clicks', { value: json() })
  const numbers = collect((click: { value: Click }) => click.value.n)
  app.run('all', clicks.pipe(aggregate(numbers, { name: 'all' }), toTopic('all')))
  app.run(
    'windows',
    clicks.pipe(
      keyBy(({ value }) => `mod ${value.n % 3}`),
      tumblingWindow('1s'),
      aggregate(numbers, { name: 'windows', emit: 'close' }),
      toTopic('windows'),
    ),
  )
}

const topics = { clicks: 2, all: 2, windows: 2 }
const KEYS = ['ann', 'bob', 'cyn', 'dan']

/** An app whose state is in changelogs; `store` is what a machine loses or keeps. */
const start = (broker = embedded(), store = memory()) =>
  testApp(pipeline, { topics, broker, store, changelog: true, id: 'app' })

async function send(t: TestApp<void>, from: number, to: number) {
  for (let n = from; n < to; n++)
    await t.send('clicks', { key: KEYS[n % KEYS.length] as string, value: { n }, timestamp: n * 100 })
  await t.settle()
}

async function outcome(t: TestApp<void>) {
  const text = async (topic: string) =>
    (await t.records(topic)).map(({ key, value, timestamp, partition }) => [partition, key, value, timestamp])
  return { all: await text('all'), windows: await text('windows') }
}

/** What a run without a fault gives, fed in the same two steps. */
async function undisturbed() {
  const t = await start()
  await send(t, 0, 30)
  await send(t, 30, 60)
  const found = await outcome(t)
  await t.stop()
  return found
}

test('states are found in their changelogs where the store has nothing', async () => {
  const broker = embedded()
  const first = await start(broker)
  await send(first, 0, 30)
  await first.stop()
  const second = await start(broker)
  await send(second, 30, 60)
  expect(await outcome(second)).toEqual(await undisturbed())
  expect(second.errors).toEqual([])
  await second.stop()
})

test('what was not committed is neither in the state nor in the output', async () => {
  const broker = embedded()
  const first = await start(broker)
  await send(first, 0, 30)
  for (let n = 30; n < 40; n++) await first.send('clicks', { key: 'ann', value: { n }, timestamp: n * 100 })
  await first.settle({ checkpoint: false })
  await first.crash()
  const second = await start(broker)
  await second.settle()
  const ann = (await second.records('all')).filter(({ key }) => key === 'ann').at(-1)
  expect(ann?.value).toEqual([0, 4, 8, 12, 16, 20, 24, 28, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39])
  const offsets = (await second.records('all')).filter(({ key }) => key === 'ann').map(({ value }) => value.length)
  expect(offsets).toEqual(Array.from({ length: 18 }, (_, at) => at + 1))
  await second.stop()
})

test('a topic for each state, with a partition for each of its tasks', async () => {
  const broker = embedded()
  const t = await start(broker)
  const internal = [...(await broker.topics())].filter(([topic]) => topic.startsWith('app-')).sort()
  expect(internal).toEqual([
    ['app-all-changelog', 2],
    ['app-windows-changelog', 2],
    ['app-windows-repartition', 2],
  ])
  await t.stop()
})

test('windows that have closed leave nothing but deletes', async () => {
  const broker = embedded({ compactAfter: 1 })
  const t = await start(broker)
  await send(t, 0, 60)
  const live = new Map<string, boolean>()
  for (const partition of [0, 1]) {
    const end = (await broker.ranges('app-windows-changelog'))[partition]?.end ?? 0
    await broker.read({ topic: 'app-windows-changelog', partition }, 0, end, ({ records }) => {
      for (const { key, value } of records) live.set(`${partition} ${key}`, value !== null)
    })
  }
  // The last window of each key is open still.
  expect([...live].filter(([key, isLive]) => isLive && !key.includes('manifest')).length).toBeLessThanOrEqual(6)
  await t.stop()
})

test('a changelog that is there and forgets what is old is refused, before anything is read', async () => {
  const broker = embedded()
  await broker.connect()
  await broker.createTopics([{ topic: 'app-all-changelog', partitions: 2 }])
  await expect(start(broker)).rejects.toMatchObject({ code: 'TOPIC_CONFIG', place: { topic: 'app-all-changelog' } })
  expect(await broker.topics(['app-windows-changelog'])).toEqual(new Map())
})

test('a partition that a changelog does not have is refused, and not taken for an empty one', async () => {
  const broker = embedded()
  await broker.createTopics([{ topic: 'app-all-changelog', partitions: 1 }])
  expect(await changelogRange(broker, 'app', 'all', 0)).toEqual({ start: 0, end: 0 })
  await expect(changelogRange(broker, 'app', 'all', 1)).rejects.toMatchObject({
    code: 'UNKNOWN_TOPIC',
    place: { topic: 'app-all-changelog', partition: 1 },
  })
})

import { afterEach, expect, test } from '@jest/globals'
import { filter } from 'rxjs'
import {
  type App,
  aggregate,
  collect,
  createApp,
  embedded,
  json,
  keyBy,
  mapAsync,
  memory,
  type StoreAdapter,
  toTopic,
  tumblingWindow,
} from 'tidemark'
import { until } from '../until.js'
import { rawTopics } from './raw.js'

type Click = { user: string; n: number; time: number }

const PARTITIONS = 3
const CLICKS = 3_000
const CRASHES = 12

/** A small generator with a seed. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

function clicks(): { partition: number; value: Click }[] {
  const next = random(7)
  return Array.from({ length: CLICKS }, (_, n) => ({
    partition: Math.floor(next() * PARTITIONS),
    value: { user: `u${Math.floor(next() * 20)}`, n, time: n * 100 + Math.floor(next() * 2_000) },
  }))
}

const apps: App[] = []

afterEach(async () => {
  for (const app of apps.splice(0)) await app.stop()
})

function start(store: StoreAdapter) {
  const broker = embedded({ store })
  const app = createApp({ id: 'clicks', broker, store, commitInterval: 5, watermarkInterval: 10 })
  apps.push(app)
  const errors: string[] = []
  app.errors$.subscribe((error) => errors.push(error.message))
  const perMinute = app
    .stream<Click>('clicks', {
      value: json(),
      timestamp: (click) => click.value.time,
      watermark: { maxOutOfOrderness: '2s' },
    })
    .pipe(
      filter((click) => click.value.n % 7 !== 0),
      mapAsync(async (click) => click.value, { name: 'async', concurrency: 4 }),
      keyBy((click) => click.value.user),
      tumblingWindow('10s'),
      aggregate(
        collect((click) => click.value.n),
        { name: 'per-window', emit: 'close' },
      ),
    )
  app.run('per-window', perMinute.pipe(toTopic('out')))
  return { app, broker, errors }
}

/** What a plain loop says: by user and window, the numbers that were in it. */
function expected(): Map<string, number[]> {
  const windows = new Map<string, number[]>()
  for (const { value } of clicks()) {
    if (value.n % 7 === 0) continue
    const name = `${value.user}/${Math.floor(value.time / 10_000)}`
    windows.set(name, [...(windows.get(name) ?? []), value.n])
  }
  return windows
}

test('crashes at any moment neither lose nor repeat a record: exchange, windows, calls in flight, one shared store', async () => {
  const store = memory()
  const next = random(11)
  let run: { app: App; broker: ReturnType<typeof embedded>; errors: string[] } | undefined
  const setUp = embedded({ store })
  const topics = await rawTopics({ clicks: PARTITIONS, out: 2 }, setUp)
  for (const { partition, value } of clicks())
    await topics.send({ topic: 'clicks', partition }, null, JSON.stringify(value))
  // One far in the future for each partition: every window closes.
  for (let partition = 0; partition < PARTITIONS; partition++) {
    await topics.send({ topic: 'clicks', partition }, null, JSON.stringify({ user: 'flush', n: 1, time: 10_000_000 }))
  }
  await setUp.close()

  for (let crash = 0; crash < CRASHES; crash++) {
    run = start(store)
    await run.app.start()
    const { app } = run
    const handled = () => app.stats().tasks.reduce((sum, task) => sum + task.records, 0)
    const target = Math.floor(next() * 400)
    await until('some progress', () => handled() >= target || app.stats().tasks.every((task) => task.lag === 0))
    // From here on nothing is stored any more: what the app does now is lost with it.
    await store.close()
    await app.stop()
  }
  run = start(store)
  await run.app.start()
  const { broker, errors } = run
  const read = async () =>
    (await (await rawTopics({}, broker)).read('out')).map((record) => ({
      user: record.key,
      timestamp: record.timestamp,
      numbers: JSON.parse(record.value ?? '') as number[],
    }))
  const wanted = expected()
  await until('all windows', async () => (await read()).length >= wanted.size, 20_000)
  const found = new Map<string, number[]>()
  for (const { user, timestamp, numbers } of await read()) {
    const name = `${user}/${Math.floor(timestamp / 10_000)}`
    expect([name, found.has(name)]).toEqual([name, false])
    found.set(name, numbers)
  }
  expect(errors).toEqual([])
  const sorted = (windows: Map<string, number[]>) =>
    [...windows]
      .map(([name, numbers]) => [name, [...numbers].sort((a, b) => a - b)] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1))
  expect(sorted(found)).toEqual(sorted(wanted))
}, 60_000)

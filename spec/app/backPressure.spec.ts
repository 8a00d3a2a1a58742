import { expect, test } from '@jest/globals'
import { tap } from 'rxjs'
import { aggregate, count, createApp, json, mapAsync, memory, toTopic, tumblingWindow } from 'tidemark'
import { until } from '../until.js'
import { rawTopics } from './raw.js'

const RECORDS = 6_000
const BUDGET = 64_000

test('a slow call stops the reading, memory stays bounded, and nothing is lost or reordered', async () => {
  const topics = await rawTopics({ in: 1, out: 1 })
  const app = createApp({
    id: 'slow',
    broker: topics.broker,
    store: memory(),
    maxBufferedBytes: BUDGET,
    commitInterval: 5,
  })
  let running = 0
  let most = 0
  let mayGoOn = () => {}
  const gate = new Promise<void>((resolve) => {
    mayGoOn = resolve
  })
  const calls = mapAsync(
    async (record: { value: { n: number } }) => {
      most = Math.max(most, ++running)
      await gate
      running--
      return record.value.n
    },
    { name: 'slow', concurrency: 8 },
  )
  app.run('test', app.stream<{ n: number }>('in', { value: json() }).pipe(calls as never, toTopic('out')))
  await app.start()
  try {
    for (let n = 0; n < RECORDS; n++) await topics.send({ topic: 'in', partition: 0 }, 'k', JSON.stringify({ n }))
    const buffered = () => app.stats().tasks.reduce((sum, task) => sum + task.bufferedBytes, 0)
    await until('the calls to be full', () => running === 8 && buffered() >= BUDGET)
    expect(app.stats().tasks[0]?.records).toBe(8)
    // The mark, and the batch that went over it.
    expect(buffered()).toBeLessThanOrEqual(BUDGET + 500 * 350)
    expect(app.stats().tasks[0]?.buffered).toBeLessThan(RECORDS / 2)
    expect(app.stats().tasks[0]?.lag).toBeGreaterThan(0)
    mayGoOn()
    await until('all of them', async () => (await topics.read('out')).length === RECORDS, 20_000)
    expect((await topics.read('out')).map((record) => Number(record.value))).toEqual(
      Array.from({ length: RECORDS }, (_, n) => n),
    )
    expect(most).toBe(8)
  } finally {
    await app.stop()
  }
})

test('a window of many keys that closes does not starve the event loop: slices of a few ms', async () => {
  const keys = 20_000
  const topics = await rawTopics({ in: 1, out: 1 })
  for (let n = 0; n < keys; n++) await topics.send({ topic: 'in', partition: 0 }, `k${n}`, '{}', 1)
  const app = createApp({ id: 'slices', broker: topics.broker, store: memory(), slice: 5 })
  let closed = 0
  const work = () => {
    closed++
    const end = performance.now() + 0.02
    while (performance.now() < end);
  }
  app.run(
    'test',
    app
      .stream('in', { value: json(), watermark: { maxOutOfOrderness: 0 } })
      .pipe(tumblingWindow('1s'), aggregate(count(), { name: 'n', emit: 'close' }), tap(work)),
  )
  await app.start()
  try {
    await until('all to be open', () => app.stats().tasks[0]?.records === keys)
    // One record closes them all.
    await topics.send({ topic: 'in', partition: 0 }, 'last', '{}', 5_000)
    let turns = 0
    const timer = setInterval(() => {
      if (closed > 0 && closed < keys) turns++
    }, 1)
    await until('all to be closed', () => closed === keys)
    clearInterval(timer)
    // 400 ms of work in all: in one piece it would leave the timer no turn.
    expect(turns).toBeGreaterThan(20)
  } finally {
    await app.stop()
  }
})

test.each(['exactly-once', 'at-least-once'] as const)(
  'a window whose results are more than the budget closes all the same: %s',
  async (guarantee) => {
    const keys = 5_000
    const topics = await rawTopics({ in: 1, out: 1 })
    for (let n = 0; n < keys; n++) await topics.send({ topic: 'in', partition: 0 }, `k${n}`, '{}', 1)
    const app = createApp({
      id: 'results',
      broker: topics.broker,
      store: memory(),
      guarantee,
      slice: 1,
      maxBufferedBytes: 50_000,
      commitInterval: '1h',
    })
    app.run(
      'test',
      app
        .stream('in', { value: json(), watermark: { maxOutOfOrderness: 0 } })
        .pipe(tumblingWindow('1s'), aggregate(count(), { name: 'n', emit: 'close' }), toTopic('out')),
    )
    await app.start()
    try {
      await topics.send({ topic: 'in', partition: 0 }, 'last', '{}', 5_000)
      // Nothing but the budget asks for a checkpoint.
      const least = guarantee === 'exactly-once' ? 1 : keys
      await until('the results', async () => (await topics.read('out')).length >= least, 20_000)
    } finally {
      await app.stop()
    }
    expect(new Set((await topics.read('out')).map(({ key }) => key)).size).toBe(keys)
  },
)

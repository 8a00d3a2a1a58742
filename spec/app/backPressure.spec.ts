import { expect, test } from '@jest/globals'
import { aggregate, createApp, json, mapAsync, memory, toTopic, tumblingWindow } from 'tidemark'
import { until } from '../until.js'
import { rawTopics } from './raw.js'

const RECORDS = 6_000

test('a slow call stops the reading, memory stays bounded, and nothing is lost or reordered', async () => {
  const topics = await rawTopics({ in: 1, out: 1 })
  const app = createApp({
    id: 'slow',
    broker: topics.broker,
    store: memory(),
    maxBufferedRecords: 200,
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
    const buffered = () => app.stats().tasks.reduce((sum, task) => sum + task.buffered, 0)
    await until('the calls to be full', () => running === 8 && buffered() >= 200)
    expect(app.stats().tasks[0]?.records).toBe(8)
    // The mark, and the batch that went over it.
    expect(buffered()).toBeLessThanOrEqual(200 + 500)
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

test('long work does not starve the event loop: slices of a few ms', async () => {
  const topics = await rawTopics({ in: 2, out: 1 })
  for (let n = 0; n < 20_000; n++) await topics.send({ topic: 'in', partition: n % 2 }, `k${n % 50}`, '{}', n)
  const app = createApp({ id: 'slices', broker: topics.broker, store: memory(), slice: 5 })
  const add = (n: number) => {
    const end = performance.now() + 0.02
    while (performance.now() < end);
    return n + 1
  }
  app.run(
    'test',
    app
      .stream('in', { value: json() })
      .pipe(tumblingWindow('1s'), aggregate({ init: () => 0, add }, { name: 'n', emit: 'close' })),
  )
  await app.start()
  try {
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    await until('all of them', () => app.stats().tasks.every((task) => task.records > 0 && task.lag === 0), 20_000)
    clearInterval(timer)
    // 400 ms of work in all: in one piece it would have left the timer a turn or two.
    expect(turns).toBeGreaterThan(20)
  } finally {
    await app.stop()
  }
})

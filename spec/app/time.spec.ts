import { afterEach, describe, expect, test } from '@jest/globals'
import {
  type App,
  aggregate,
  count,
  createApp,
  json,
  keyBy,
  memory,
  type StreamRecord,
  sideOutput,
  toTopic,
  tumblingWindow,
  type WatermarkOptions,
} from 'tidemark'
import { until } from '../until.js'
import { rawTopics } from './raw.js'

type Click = { time: number }

const apps: App[] = []

afterEach(async () => {
  for (const app of apps.splice(0)) await app.stop()
})

const windows = (records: { key: string | null; value: string | null; timestamp: number }[]) =>
  records.map(({ key, value, timestamp }) => `${key} ${Math.floor(timestamp / 1_000) * 1_000} ${value}`).sort()

async function countPerSecond(partitions: number, watermark: WatermarkOptions | undefined, rekeys: boolean) {
  const topics = await rawTopics({ clicks: partitions, out: 1, late: 1 })
  const app = createApp({ id: 'time', broker: topics.broker, store: memory(), commitInterval: 5, watermarkInterval: 5 })
  apps.push(app)
  const late = sideOutput<StreamRecord<string, Click>>('late')
  const clicks = app.stream<Click>('clicks', {
    value: json(),
    timestamp: (click) => click.value.time,
    ...(watermark && { watermark }),
  })
  const keyed = rekeys ? clicks.pipe(keyBy((click) => click.key)) : clicks
  app.run(
    'count',
    keyed.pipe(tumblingWindow('1s', { late }), aggregate(count(), { name: 'n', emit: 'close' }), toTopic('out')),
  )
  app.run('late', late.pipe(toTopic('late')))
  const errors: string[] = []
  app.errors$.subscribe((error) => errors.push(error.message))
  await app.start()
  return {
    ...topics,
    app,
    errors,
    click: (partition: number, key: string, time: number) =>
      topics.send({ topic: 'clicks', partition }, key, JSON.stringify({ time })),
    dropped: () => app.stats().tasks.flatMap((task) => task.dropped),
  }
}

describe('windows close when traffic stops', () => {
  test.each([
    ['in one task', 1, false],
    ['over several partitions', 3, false],
    ['behind an exchange, whose writers have partitions that never had a record', 4, true],
  ])('%s: once all is idle, time goes on with the wall clock', async (_, partitions, rekeys) => {
    const given = await countPerSecond(partitions, { maxOutOfOrderness: 100, idleTimeout: 50 }, rekeys)
    await given.click(0, 'a', 5_200)
    await given.click(0, 'a', 5_300)
    // The window [5000, 6000) needs a watermark of 6000: 0.8 s of wall clock past the newest record.
    await until('the window', async () => (await given.read('out')).length === 1)
    expect(windows(await given.read('out'))).toEqual(['a 5000 2'])
    expect(given.errors).toEqual([])
  })

  test('a quiet partition holds back nobody once it is idle, and only then', async () => {
    const given = await countPerSecond(2, { maxOutOfOrderness: 0, idleTimeout: 100 }, true)
    await given.click(0, 'a', 1_000)
    await given.click(0, 'a', 9_000)
    await until('the window', async () => (await given.read('out')).length === 1)
    expect(windows(await given.read('out'))).toEqual(['a 1000 1'])
  })

  test('without an idle time-out a partition without records holds back what reads all of them', async () => {
    const given = await countPerSecond(2, { maxOutOfOrderness: 0 }, true)
    await given.click(0, 'a', 1_000)
    await given.click(0, 'a', 9_000)
    await until('both to be handled', () =>
      given.app
        .stats()
        .tasks.filter((task) => task.task.startsWith('1_'))
        .some((task) => task.records >= 2),
    )
    expect(await given.read('out')).toEqual([])
    await given.click(1, 'b', 9_500)
    await until('the window', async () => (await given.read('out')).length === 1)
  })
})

describe('lateness', () => {
  test('late records are counted, go to the side output, and change no result', async () => {
    const given = await countPerSecond(1, { maxOutOfOrderness: 500 }, false)
    for (const time of [1_100, 1_900, 1_200, 2_600, 1_300, 9_000]) await given.click(0, 'a', time)
    await until('the late one', async () => (await given.read('late')).length === 1)
    await until('the windows', async () => (await given.read('out')).length === 2)
    // 2600 brings the watermark to 2100: [1000, 2000) has closed when 1300 comes.
    expect(windows(await given.read('out'))).toEqual(['a 1000 3', 'a 2000 1'])
    expect((await given.read('late')).map((record) => record.timestamp)).toEqual([1_300])
    expect(given.dropped()).toEqual([{ operator: 'n', reason: 'late', count: 1 }])
  })

  test('a shuffle makes no record late, however far apart its writers are', async () => {
    const given = await countPerSecond(3, { maxOutOfOrderness: 0 }, true)
    // Partition 0 is far ahead before the others begin.
    for (let n = 0; n < 50; n++) await given.click(0, `k${n % 5}`, 1_000 + n * 1_000)
    await until('the first to be handled', () =>
      given.app.stats().tasks.some((task) => task.task === '0_0' && task.records === 50),
    )
    for (let n = 0; n < 50; n++)
      for (const partition of [1, 2]) await given.click(partition, `k${n % 5}`, 1_000 + n * 1_000)
    for (const partition of [0, 1, 2]) await given.click(partition, 'end', 100_000)
    await until('all windows', async () => (await given.read('out')).length >= 50)
    expect(given.dropped()).toEqual([])
    expect(windows(await given.read('out'))).toEqual(
      Array.from({ length: 50 }, (_, n) => `k${n % 5} ${1_000 + n * 1_000} 3`).sort(),
    )
  })
})

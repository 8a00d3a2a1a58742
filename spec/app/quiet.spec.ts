import { describe, expect, test } from '@jest/globals'
import {
  type App,
  aggregate,
  count,
  type Duration,
  json,
  keyBy,
  mapAsync,
  partitionOf,
  toTopic,
  tumblingWindow,
} from 'tidemark'
import { type TestApp, testApp, testClock } from 'tidemark/testing'

const HOUR_S = 3_600
const intervals = { watermarkInterval: '1s', commitInterval: '1s' } as const
const watermark = { maxOutOfOrderness: 0, idleTimeout: '5s' } as const

const rekeyed = (app: App, size: Duration) =>
  app.run(
    'counts',
    app.stream<object>('in', { value: json(), watermark }).pipe(
      keyBy((r) => r.key, { name: 'k' }),
      tumblingWindow(size),
      aggregate(count(), { name: 'counts', emit: 'close' }),
      toTopic('out'),
    ),
  )

const words = async (t: TestApp<unknown>): Promise<number> => (await t.records('test-k-repartition')).length

describe('an idle app comes to rest', () => {
  test('its tasks say less and less of their time, and take a checkpoint only when they have heard or said something', async () => {
    const t = await testApp((app) => rekeyed(app, '1s'), {
      topics: { in: 1, out: 1, 'test-k-repartition': 1 },
      clock: testClock(1_000_000_000),
      ...intervals,
    })
    await t.send('in', { key: 'a', value: {}, timestamp: 500 })
    await t.advance('1m')
    expect(await t.records('out')).toHaveLength(1)
    const [before, checkpoints] = [await words(t), t.app.stats().checkpoints]
    for (let n = 1; n < 60; n++) await t.clock.advance('1m')
    const inAnHour = (await words(t)) - before
    // One a second would be 3,540; a 32nd of the silence between two is 32·ln(32 min / 1 min), and then it is one a minute.
    expect(inAnHour).toBeGreaterThan(100)
    expect(inAnHour).toBeLessThanOrEqual(32 * Math.log(32) + 28 + 1)
    // A word is one that is written and one that is read.
    expect(t.app.stats().checkpoints - checkpoints).toBeLessThanOrEqual(2 * inAnHour)
    await t.stop()
  })

  test('without an exchange there is nothing to say, and nothing to store', async () => {
    const t = await testApp(
      (app) =>
        app.run(
          'counts',
          app
            .stream<object>('in', { value: json(), watermark })
            .pipe(tumblingWindow('1s'), aggregate(count(), { name: 'counts', emit: 'close' }), toTopic('out')),
        ),
      { topics: { in: 1, out: 1 }, ...intervals },
    )
    await t.send('in', { key: 'a', value: {}, timestamp: 500 })
    await t.advance('10s')
    expect(await t.records('out')).toHaveLength(1)
    const { checkpoints } = t.app.stats()
    await t.advance('10m')
    expect(t.app.stats().checkpoints).toBe(checkpoints)
    await t.stop()
  })

  test('a window behind an exchange closes by the wall clock, a 32nd of the silence later at most', async () => {
    const t = await testApp((app) => rekeyed(app, '30m'), { topics: { in: 1, out: 1 }, ...intervals })
    await t.send('in', { key: 'a', value: {}, timestamp: 0 })
    await t.advance('30m')
    expect(await t.records('out')).toEqual([])
    // More than a 32nd of the half hour.
    await t.advance('1m')
    expect(await t.records('out')).toHaveLength(1)
    await t.stop()
  })

  test('and a minute later at most', async () => {
    const t = await testApp((app) => rekeyed(app, '8h'), {
      topics: { in: 1, out: 1 },
      watermarkInterval: '10s',
      commitInterval: '10s',
    })
    await t.send('in', { key: 'a', value: {}, timestamp: 0 })
    // A 32nd of that is a quarter of an hour.
    for (let minute = 0; minute < 8 * 60; minute++) await t.clock.advance('1m')
    expect(await t.records('out')).toEqual([])
    await t.advance('1m')
    expect(await t.records('out')).toHaveLength(1)
    await t.stop()
  })

  test('until a writer that is idle has said so, explain says when it will', async () => {
    const t = await testApp((app) => rekeyed(app, '30m'), { topics: { in: 1, out: 1 }, ...intervals })
    const start = Date.parse('2026-01-01T00:00:00Z')
    await t.send('in', { key: 'a', value: {}, timestamp: start })
    await t.advance('30m')
    const told = String(t.app.explain({ operator: 'counts', window: { start, end: start + 1_800_000 } }))
    expect(told).toMatch(
      /its task \S+ is at 2026-01-01T\S+Z; idle, it says so each 32nd of its silence, a minute at most/,
    )
    await t.stop()
  })

  test('a record in between starts it anew: readers hear at once again', async () => {
    const t = await testApp((app) => rekeyed(app, '1s'), { topics: { in: 1, out: 1 }, ...intervals })
    await t.send('in', { key: 'a', value: {}, timestamp: 0 })
    for (let n = 0; n < HOUR_S / 60; n++) await t.clock.advance('1m')
    await t.send('in', { key: 'a', value: {}, timestamp: HOUR_S * 2_000 })
    await t.advance('10s')
    expect((await t.records('out')).map(({ window }) => window?.start)).toEqual([0, HOUR_S * 2_000])
    await t.stop()
  })
})

/** A key whose records go to partition 0 of two, behind an exchange that writes keys as JSON. */
function keyOfPartition0(): string {
  for (let n = 0; ; n++) if (partitionOf(new TextEncoder().encode(JSON.stringify(`k${n}`)), 2) === 0) return `k${n}`
}

test('a task with a call under way is not idle: what comes of it is on time behind keyBy', async () => {
  const key = keyOfPartition0()
  const clock = testClock()
  const t = await testApp(
    (app) =>
      app.run(
        'counts',
        app.stream<{ ms: number }>('in', { value: json(), watermark }).pipe(
          mapAsync(({ value }) => clock.sleep(value.ms).then(() => 1), { name: 'call' }),
          keyBy(() => key, { name: 'k' }),
          tumblingWindow('1s'),
          aggregate(count(), { name: 'counts', emit: 'close' }),
          toTopic('out'),
        ),
      ),
    { topics: { in: 2, out: 1 }, ...intervals, clock },
  )
  await t.send('in', { key: 'a', value: { ms: 20_000 }, timestamp: 500, partition: 0 })
  for (let second = 0; second < 30; second++) {
    await t.send('in', { key: 'a', value: { ms: 0 }, timestamp: second * 1_000, partition: 1 })
    await t.advance('1s')
  }
  expect(t.errors).toEqual([])
  expect(t.app.stats().tasks.flatMap(({ dropped }) => dropped)).toEqual([])
  expect((await t.records('out')).slice(0, 2).map(({ window, value }) => [window?.start, value])).toEqual([
    [0, 2],
    [1_000, 1],
  ])
  await t.stop()
})

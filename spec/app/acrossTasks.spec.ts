import { describe, expect, test } from '@jest/globals'
import { merge, type Observable } from 'rxjs'
import {
  type App,
  aggregate,
  count,
  json,
  keyBy,
  partitionOf,
  type StreamRecord,
  streamTableJoin,
  string,
  toTopic,
  tumblingWindow,
  withWatermark,
} from 'tidemark'
import { testApp } from 'tidemark/testing'

type Click = { user: string }
type Clicks = Observable<StreamRecord<string, Click>>

const watermark = { maxOutOfOrderness: 0, idleTimeout: '1s' } as const
const intervals = { watermarkInterval: 100, commitInterval: 100 } as const

/** 40 records, 5 ms of event time apart: the windows [0, 10) to [180, 190) have closed when the last one, at 195, is there. */
const STEPS = 40
const CLOSED = 19

const counted = (clicks: Clicks) =>
  clicks.pipe(
    keyBy((click) => click.value.user, { name: 'k' }),
    tumblingWindow(10),
    aggregate(count(), { name: 'n', emit: 'close' }),
    toTopic('out'),
  )

const clicksOf = (app: App, topic: string, marked = true) =>
  app.stream<Click>(topic, { value: json(), ...(marked && { watermark }) })

/** A user whose records go to that partition of two, behind an exchange that writes keys as JSON. */
function userOf(partition: number): string {
  for (let n = 0; ; n++)
    if (partitionOf(new TextEncoder().encode(JSON.stringify(`u${n}`)), 2) === partition) return `u${n}`
}

describe('every window closes', () => {
  test('where sources with different numbers of partitions are merged', async () => {
    const t = await testApp((app) => app.run('x', counted(merge(clicksOf(app, 'a'), clicksOf(app, 'b')))), {
      topics: { a: 4, b: 2, out: 1 },
      ...intervals,
    })
    for (let i = 0; i < STEPS; i++) {
      for (let partition = 0; partition < 4; partition++)
        await t.send('a', { key: 'k', value: { user: 'x' }, timestamp: i * 5, partition })
      for (let partition = 0; partition < 2; partition++)
        await t.send('b', { key: 'k', value: { user: 'x' }, timestamp: i * 5, partition })
      await t.advance(500)
    }
    expect(await t.records('out')).toHaveLength(CLOSED)
    await t.stop()
  })

  test('behind a join with a table, though a partition is empty', async () => {
    const t = await testApp(
      (app) => {
        const users = app.table<object>('users', { value: json() })
        app.run(
          'x',
          counted(clicksOf(app, 'a').pipe(streamTableJoin(users, (click) => click, { kind: 'left' })) as Clicks),
        )
      },
      { topics: { a: 2, users: 2, out: 1 }, ...intervals },
    )
    for (let i = 0; i < STEPS; i++) {
      await t.send('a', { key: 'k', value: { user: 'x' }, timestamp: i * 5, partition: 0 })
      await t.advance(500)
    }
    expect(await t.records('out')).toHaveLength(CLOSED)
    await t.stop()
  })

  test('when a reader moves while one of its writers is idle', async () => {
    const t = await testApp((app) => app.run('x', counted(clicksOf(app, 'a'))), {
      topics: { a: 2, out: 1 },
      ...intervals,
    })
    for (let i = 0; i < 2 * STEPS; i++) {
      await t.send('a', { key: 'k', value: { user: userOf(1) }, timestamp: i * 5, partition: 1 })
      await t.advance(500)
      if (i === STEPS - 1) await t.addMember()
    }
    expect(await t.records('out')).toHaveLength((2 * STEPS * 5) / 10 - 1)
    await t.stop()
  })

  test('in a process that has none of the sources, though those of one exchange are idle', async () => {
    const t = await testApp(
      (app) => {
        const rekeyed = (topic: string) =>
          clicksOf(app, topic).pipe(keyBy((click) => click.value.user, { name: topic, partitions: 2 }))
        app.run(
          'x',
          merge(rekeyed('a'), rekeyed('b')).pipe(
            tumblingWindow('10s'),
            aggregate(count(), { name: 'n', emit: 'close' }),
            toTopic('out'),
          ),
        )
      },
      { topics: { a: 1, b: 1, out: 1 }, ...intervals },
    )
    await t.addMember()
    await t.send('a', { key: 'k', value: { user: userOf(1) }, timestamp: 0 })
    // Faster than the wall clock, by which the time of the idle ones goes on.
    for (let i = 0; i < STEPS; i++) {
      await t.send('b', { key: 'k', value: { user: userOf(1) }, timestamp: i * 5_000 })
      await t.advance(500)
    }
    expect(await t.records('out')).toHaveLength(CLOSED)
    await t.stop()
  })

  test('in stream time, though a writer writes to one partition only', async () => {
    const t = await testApp((app) => app.run('x', counted(clicksOf(app, 'a', false))), {
      topics: { a: 2, out: 1 },
      ...intervals,
    })
    await t.send('a', { key: 'k', value: { user: userOf(0) }, timestamp: 0, partition: 1 })
    for (let i = 0; i < STEPS; i++) {
      await t.send('a', { key: 'k', value: { user: userOf(0) }, timestamp: i * 5, partition: 0 })
      await t.send('a', { key: 'k', value: { user: userOf(1) }, timestamp: i * 5, partition: 1 })
      await t.advance(500)
    }
    const keys = (await t.records('out')).map((record) => record.key)
    for (const partition of [0, 1]) expect(keys.filter((key) => key === userOf(partition))).toHaveLength(CLOSED)
    await t.stop()
  })

  test.each([
    ['another source never had a record', undefined],
    ['another source ended an hour of event time before', 500],
  ])('when all is quiet and %s', async (_, other) => {
    const t = await testApp(
      (app) => {
        const both = merge(clicksOf(app, 'a'), clicksOf(app, 'b'))
        app.run('x', both.pipe(tumblingWindow('1s'), aggregate(count(), { name: 'n', emit: 'close' }), toTopic('out')))
      },
      { topics: { a: 1, b: 1, out: 1 }, ...intervals },
    )
    if (other !== undefined) await t.send('b', { key: 'k', value: {}, timestamp: other })
    await t.send('a', { key: 'k', value: {}, timestamp: 3_600_500 })
    for (let n = 0; n < 10; n++) await t.advance('1s')
    const starts = (await t.records('out')).map((record) => record.window?.start)
    expect(starts).toEqual(other === undefined ? [3_600_000] : [0, 3_600_000])
    await t.stop()
  })
})

test.each([
  ['with a watermark', true],
  ['in stream time', false],
])('%s: the writers of a former plan hold back nobody', async (_, isMarked) => {
  let counting = 'a'
  const t = await testApp(
    (app) => {
      const stream = (topic: string) =>
        app.stream<Click>(topic, { value: json(), ...(isMarked && { watermark: { maxOutOfOrderness: 0 } }) })
      app.run('counts', counted(stream(counting)))
      app.run('other', stream(counting === 'a' ? 'b' : 'a').pipe(toTopic('all')))
    },
    { topics: { a: 2, b: 2, out: 1, all: 1 } },
  )
  const send = async (topic: string, ...times: number[]) => {
    for (const timestamp of times)
      for (const partition of [0, 1]) await t.send(topic, { key: 'k', value: { user: 'x' }, timestamp, partition })
    await t.settle()
  }
  await send('a', 5, 105)
  expect((await t.records('out')).map(({ window }) => window?.start)).toEqual([0])
  await t.crash()
  counting = 'b'
  await t.restart()
  await send('b', 150, 200)
  expect(t.errors).toEqual([])
  expect((await t.records('out')).map(({ window }) => window?.start)).toEqual([0, 100, 150])
  await t.stop()
})

test('a watermark after keyBy is refused: time comes with the records', async () => {
  const after = testApp(
    (app) =>
      app.run(
        'x',
        clicksOf(app, 'a', false).pipe(
          keyBy((click) => click.value.user, { name: 'k' }),
          withWatermark(watermark),
          toTopic('out'),
        ),
      ),
    {
      topics: { a: 1, out: 1 },
    },
  )
  await expect(after).rejects.toMatchObject({ code: 'TWO_WATERMARKS' })
})

describe('one topic read twice', () => {
  test('each reader has its own serde and timestamps', async () => {
    const t = await testApp(
      (app) => {
        const parsed = app.stream<{ t: number }>('a', { value: json(), timestamp: (record) => record.value.t })
        const raw = app.stream<string>('a', { value: string() })
        app.run('parsed', parsed.pipe(toTopic('parsed')))
        app.run('raw', raw.pipe(toTopic('raw')))
      },
      { topics: { a: 1, parsed: 1, raw: 1 } },
    )
    await t.send('a', { key: 'k', value: { t: 777 }, timestamp: 5 })
    await t.settle()
    const seen = async (topic: string) => (await t.records(topic)).map(({ value, timestamp }) => [value, timestamp])
    expect(await seen('parsed')).toEqual([[{ t: 777 }, 777]])
    expect(await seen('raw')).toEqual([['{"t":777}', 5]])
    await t.stop()
  })

  test.each(['the table', 'the stream'])(
    'as a table and as a stream, %s first: time survives a restart',
    async (first) => {
      const t = await testApp(
        (app) => {
          const stream = () => {
            const marked = app.stream<number>('a', { value: json(), watermark: { maxOutOfOrderness: 0 } })
            app.run(
              'count',
              marked.pipe(tumblingWindow(10), aggregate(count(), { name: 'n', emit: 'close' }), toTopic('out')),
            )
          }
          const table = () => app.run('table', app.table<number>('a', { value: json() }).changes())
          for (const run of first === 'the table' ? [table, stream] : [stream, table]) run()
        },
        { topics: { a: 1, out: 1 } },
      )
      await t.send('a', [
        { key: 'k', value: 1, timestamp: 5 },
        { key: 'k', value: 1, timestamp: 25 },
      ])
      await t.settle()
      await t.crash()
      await t.restart()
      await t.send('a', [
        { key: 'k', value: 1, timestamp: 6 },
        { key: 'k', value: 1, timestamp: 100 },
      ])
      await t.settle()
      expect((await t.records('out')).map((record) => record.window?.start)).toEqual([0, 20])
      expect(t.app.stats().tasks[0]?.dropped).toEqual([{ operator: 'n', reason: 'late', count: 1 }])
      await t.stop()
    },
  )
})

import { expect, test } from '@jest/globals'
import { filter } from 'rxjs'
import { type App, aggregate, count, json, toTopic, tumblingWindow } from 'tidemark'
import { testApp } from 'tidemark/testing'

/** A record with `mark` says that nothing older than that comes any more. */
type Reading = { n: number } | { mark: number }

function counted(app: App): void {
  const readings = app.stream<Reading>('readings', {
    value: json(),
    watermark: { punctuated: ({ value }) => ('mark' in value ? value.mark : null) },
  })
  app.run(
    'counts',
    readings.pipe(
      filter(({ value }) => 'n' in value),
      tumblingWindow(10),
      aggregate(count(), { name: 'counts', emit: 'close' }),
      toTopic('out'),
    ),
  )
}

const options = { topics: { readings: 2, out: 1 } }
const n = (partition: number, timestamp: number) => ({ key: `p${partition}`, value: { n: 1 }, partition, timestamp })
const mark = (partition: number, timestamp: number, to = timestamp) => ({
  key: null,
  value: { mark: to },
  partition,
  timestamp,
})

test('each partition has what its own records carry, and a filter behind the source takes none of it away', async () => {
  const t = await testApp(counted, options)
  const counts = async () =>
    (await t.records('out')).map(({ key, value, window }) => `${key} ${window?.start} ${value}`)
  await t.send('readings', [n(0, 5), n(0, 17), n(1, 5), mark(1, 17, 20)])
  await t.settle()
  // Partition 0 has not carried one, however new its records are; a task has its partition's time.
  expect(await counts()).toEqual(['p1 0 1'])
  await t.send('readings', [n(0, 8), mark(0, 17, 10)])
  await t.settle()
  expect((await counts()).sort()).toEqual(['p0 0 2', 'p1 0 1'])
  expect(t.app.stats().tasks.flatMap(({ dropped }) => dropped)).toEqual([])
  await t.stop()
})

test('what was carried before a crash counts after it', async () => {
  const t = await testApp(counted, options)
  await t.send('readings', [n(0, 5), mark(0, 5, 20)])
  await t.settle()
  await t.crash()
  await t.restart()
  await t.send('readings', [n(0, 19), n(0, 20)])
  await t.settle()
  expect(t.app.stats().tasks.flatMap(({ dropped }) => dropped)).toEqual([
    { operator: 'counts', reason: 'late', count: 1 },
  ])
  await t.stop()
})

test('what a record takes back has been said: the wall clock goes on from the highest', async () => {
  const t = await testApp(
    (app) => {
      const watermark = { punctuated: ({ value }: { value: number }) => value, idleTimeout: '1s' } as const
      const readings = app.stream<number>('readings', { value: json(), watermark })
      app.run(
        'x',
        readings.pipe(tumblingWindow('1m'), aggregate(count(), { name: 'n', emit: 'close' }), toTopic('out')),
      )
    },
    { topics: { readings: 1, out: 1 } },
  )
  const mark = (value: number) => t.send('readings', { key: 'k', value, timestamp: 30_000 })
  await mark(20_000)
  await mark(5_000)
  await t.advance('39s')
  expect(await t.records('out')).toEqual([])
  await t.advance('2s')
  expect(await t.records('out')).toHaveLength(1)
  await t.stop()
})

test('what is no time fails the app at that record', async () => {
  const t = await testApp(counted, options)
  await t.send('readings', [n(0, 5), mark(0, 5, -1)])
  const place = { topic: 'readings', partition: 0, offset: 1 }
  await expect(t.settle()).rejects.toMatchObject({ code: 'BAD_TIMESTAMP', place })
})

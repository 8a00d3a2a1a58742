import { expect, test } from '@jest/globals'
import { type App, aggregate, count, embedded, json, keyBy, toTopic, tumblingWindow } from 'tidemark'
import { testApp, testClock } from 'tidemark/testing'

test('stream time goes on over restarts where a pipeline is called as its operator is', async () => {
  const t = await testApp(
    (app: App) => {
      const clicks = app.stream<null>('clicks', { value: json() })
      app.run('counts', clicks.pipe(tumblingWindow(10), aggregate(count(), { name: 'counts' }), toTopic('counts')))
    },
    { topics: { clicks: 1, counts: 1 } },
  )
  for (const timestamp of [5, 25, 45]) {
    await t.send('clicks', { key: 'ann', value: 1, timestamp })
    await t.settle()
    await t.crash()
    await t.restart()
  }
  // Late at 45, and at 25, but not at 5.
  await t.send('clicks', { key: 'ann', value: 1, timestamp: 15 })
  await t.settle()
  expect((await t.records('counts')).map(({ timestamp }) => timestamp)).toEqual([5, 25, 45])
  expect(t.app.stats().tasks[0]?.dropped).toEqual([expect.objectContaining({ reason: 'late', count: 1 })])
  await t.stop()
})

test('a task without state tells in its next life how far it had come, wherever that is', async () => {
  const clock = testClock()
  const t = await testApp(
    (app: App) => {
      const clicks = app.stream<string>('clicks', { value: json(), watermark: { maxOutOfOrderness: 0 } })
      const counts = clicks.pipe(
        keyBy(({ value }) => value),
        tumblingWindow(10),
        aggregate(count(), { name: 'counts', emit: 'close' }),
      )
      app.run('counts', counts.pipe(toTopic('counts')))
    },
    // State is in changelogs, and the store forgets.
    { topics: { clicks: 2, counts: 2 }, clock, broker: embedded({ clock }), changelog: true },
  )
  const users = ['ann', 'bob', 'cid', 'dan']
  for (const partition of [0, 1]) {
    for (const value of users) await t.send('clicks', { value, timestamp: 5, partition })
    await t.send('clicks', { value: 'ann', timestamp: 1_000, partition })
  }
  // It stops when it has handled all, before it has told every partition behind it.
  await t.settle({ checkpoint: false })
  await t.stop()
  await t.restart()
  expect((await t.records('counts')).map(({ key, value }) => `${key} ${value}`).sort()).toEqual(
    users.map((user) => `${user} 2`),
  )
  expect(t.errors).toEqual([])
  await t.stop()
})

import { expect, test } from '@jest/globals'
import { type App, aggregate, count, json, toTopic, tumblingWindow } from 'tidemark'
import { testApp } from 'tidemark/testing'

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

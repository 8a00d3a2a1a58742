import { expect, test } from '@jest/globals'
import {
  type App,
  aggregate,
  count,
  json,
  keyBy,
  mapAsync,
  toTopic,
  tumblingWindow,
  type WatermarkOptions,
} from 'tidemark'
import { type TestApp, testApp, testClock } from 'tidemark/testing'

const counted = (watermark?: WatermarkOptions) => (app: App) =>
  app.run(
    'spend',
    app.stream<{ user: string }>('orders', { value: json(), ...(watermark && { watermark }) }).pipe(
      keyBy((r) => r.value.user, { name: 'k' }),
      tumblingWindow(10, { grace: 5 }),
      aggregate(count(), { name: 'spend', emit: 'close' }),
      toTopic('out'),
    ),
  )
const order = (partition: number, timestamp: number, user = 'ann') => ({
  key: 'x',
  value: { user },
  partition,
  timestamp,
})

test.each([
  ['no wm', undefined],
  ['no idle', { maxOutOfOrderness: 2 }],
  ['idle', { maxOutOfOrderness: 2, idleTimeout: '5s' }],
] as const)('%s', async (_, watermark) => {
  const t = await testApp(counted(watermark), { topics: { orders: 2, out: 1 }, watermarkInterval: '1s' })
  const show = () =>
    console.log(
      `${t.app.explain({ operator: 'spend', window: { start: 0, end: 10 }, key: 'ann' })}\n${t.app.explain({ operator: 'spend' })}`,
    )
  show()
  await t.send('orders', [order(0, 1), order(0, 50), order(1, 3)])
  await t.settle()
  show()
  await t.advance('20s')
  show()
  await t.stop()
  show()
})

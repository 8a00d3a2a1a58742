import { readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import {
  type App,
  aggregate,
  cogroup,
  count,
  countWindow,
  createApp,
  embedded,
  globalWindow,
  json,
  keyBy,
  mapAsync,
  memory,
  process as processed,
  type StreamRecord,
  streamTableJoin,
  suppress,
  toStream,
  toTable,
  toTopic,
  tumblingWindow,
  type WatermarkOptions,
} from 'tidemark'
import { type TestApp, testApp, testClock } from 'tidemark/testing'

interface Order {
  readonly userId: string
}
type Orders = StreamRecord<string, Order>

const spendOf = (watermark?: WatermarkOptions) => (app: App) =>
  app.run(
    'spend',
    app.stream<Order>('orders', { value: json(), ...(watermark && { watermark }) }).pipe(
      keyBy(({ value }) => value.userId, { name: 'by-user' }),
      tumblingWindow('1m', { grace: '10s' }),
      aggregate(count(), { name: 'spend', emit: 'close' }),
      toTopic('out'),
    ),
  )

const topics = { orders: 2, out: 1 }
const intervals = { watermarkInterval: '1s', commitInterval: '1s' } as const

const send = (t: TestApp<unknown>, partition: number, ...times: number[]) =>
  t.send(
    'orders',
    times.map((timestamp) => ({ key: 'x', value: { userId: 'ann' }, partition, timestamp })),
  )

const window = { start: 0, end: 60_000 }

/** The answer of ann's task. */
const ofAnn = (t: TestApp<unknown>) => {
  const { tasks } = t.app.explain({ operator: 'spend', window, key: 'ann' })
  expect(tasks).toHaveLength(1)
  return tasks[0]
}

describe('what holds a window open', () => {
  test('a partition that is quiet, where no idleTimeout is declared', async () => {
    const t = await testApp(spendOf({ maxOutOfOrderness: '5s' }), { topics })
    await send(t, 0, 1_000, 90_000)
    await send(t, 1, 9_000)
    await t.settle()
    expect(t.app.explain({ operator: 'spend', window })).toMatchObject({ kind: 'aggregate', closesAt: 70_000 })
    expect(ofAnn(t)).toMatchObject({
      time: 4_000,
      rule: 'watermark',
      isOpen: true,
      nextDue: 70_000,
      heldBy: [{ rule: 'no idleTimeout', task: '0_1', topic: 'orders', partition: 1, time: 4_000 }],
      waiting: [
        { what: 'window [0, 60000)', timestamp: 9_000, until: 70_000 },
        { what: 'window [60000, 120000)', timestamp: 90_000, until: 130_000 },
      ],
      sources: [
        {
          topic: 'test-by-user-repartition',
          time: 4_000,
          writers: [
            { writer: 'orders/0', task: '0_0', time: 85_000, isIdle: false },
            { writer: 'orders/1', task: '0_1', time: 4_000, isIdle: false },
          ],
        },
      ],
      waitsFor: undefined,
    })
    await send(t, 1, 75_000)
    await t.settle()
    expect(ofAnn(t)).toMatchObject({ isOpen: false, time: 70_000, nextDue: 130_000 })
    await t.stop()
  })

  test('one that never had a record', async () => {
    const t = await testApp(spendOf({ maxOutOfOrderness: 0 }), { topics })
    await send(t, 0, 90_000)
    await t.settle()
    expect(ofAnn(t)?.heldBy).toMatchObject([
      {
        rule: 'no idleTimeout',
        partition: 1,
        time: Number.NEGATIVE_INFINITY,
        text: expect.stringContaining('never had'),
      },
    ])
    await t.stop()
  })

  test('one that is not idle yet; then, when all are, the wall clock', async () => {
    const t = await testApp(spendOf({ maxOutOfOrderness: 0, idleTimeout: '30s' }), { topics, ...intervals })
    await send(t, 0, 20_000)
    await send(t, 1, 10_000)
    await t.advance('12s')
    expect(ofAnn(t)?.heldBy).toMatchObject([
      { rule: 'quiet', partition: 1, time: 10_000, text: expect.stringContaining('18000 ms') },
    ])
    await t.advance('20s')
    const later = ofAnn(t)
    expect(later?.sources[0]?.writers.every(({ isIdle }) => isIdle)).toBe(true)
    expect(later?.heldBy.every(({ rule }) => rule === 'clock' || rule === 'writer')).toBe(true)
    expect(later?.isOpen).toBe(true)
    await t.advance('40s')
    expect(ofAnn(t)?.isOpen).toBe(false)
    await t.stop()
  })

  test('stream time, which waits for a newer record: of the slowest task that writes here', async () => {
    const t = await testApp(spendOf(), { topics })
    await send(t, 0, 90_000)
    await send(t, 1, 5_000)
    await t.settle()
    expect(ofAnn(t)).toMatchObject({
      rule: 'stream time',
      time: 5_000,
      isOpen: true,
      heldBy: [{ rule: 'stream time', task: '0_1', operator: 'by-user', time: 5_000 }],
    })
    await send(t, 1, 95_000)
    await t.settle()
    expect(ofAnn(t)).toMatchObject({ time: 90_000, isOpen: false })
    await t.stop()
  })

  test('a call under way', async () => {
    const clock = testClock()
    const t = await testApp(
      (app) =>
        app.run(
          'spend',
          app.stream<Order>('orders', { value: json(), watermark: { maxOutOfOrderness: 0 } }).pipe(
            mapAsync(() => clock.sleep(5_000).then(() => ({ userId: 'ann' })), { name: 'look-up', concurrency: 2 }),
            tumblingWindow('1m'),
            aggregate(count(), { name: 'spend', emit: 'close' }),
            toTopic('out'),
          ),
        ),
      { topics: { orders: 1, out: 1 }, clock },
    )
    await send(t, 0, 1_000, 70_000, 80_000)
    await t.settle()
    const [task] = t.app.explain({ operator: 'spend', window }).tasks
    expect(task).toMatchObject({
      time: 1_000,
      heldBy: [{ rule: 'under way', operator: 'look-up', time: 1_000 }],
      waitsFor: 'look-up takes no more: 2 of its calls are under way',
    })
    expect(t.app.explain({ operator: 'look-up', key: 'x' }).tasks[0]?.waiting).toEqual([
      { what: 'call', timestamp: 1_000, until: undefined },
      { what: 'call', timestamp: 70_000, until: undefined },
    ])
    await t.advance('20s')
    await t.stop()
  })

  test('records that are still to be read, as their partition waits for another of its group', async () => {
    const watermark = { maxOutOfOrderness: 0, idleTimeout: '1h', alignment: { maxDrift: 10 } } as const
    const t = await testApp(spendOf(watermark), { topics })
    await send(t, 0, 1_000, 80_000)
    await send(t, 1, 2_000)
    await t.settle()
    expect(ofAnn(t)?.heldBy).toMatchObject([{ rule: 'lag', topic: 'orders', partition: 0, time: 1_000 }])
    expect(`${t.app.explain({ operator: 'spend', window })}`).toContain(
      '1 are still to be read, but orders[0] is further than maxDrift ahead of orders[1] (alignment)',
    )
    await t.stop()
  })

  test('a window before it: what that one may still emit', async () => {
    const t = await testApp(
      (app) =>
        app.run(
          'spend',
          app
            .stream<Order>('orders', { value: json(), watermark: { maxOutOfOrderness: 0 } })
            .pipe(
              tumblingWindow('30s'),
              aggregate(count(), { name: 'half', emit: 'close' }),
              tumblingWindow('1m'),
              aggregate(count(), { name: 'spend', emit: 'close' }),
              toTopic('out'),
            ),
        ),
      { topics: { orders: 1, out: 1 } },
    )
    await send(t, 0, 1_000, 70_000)
    await t.settle()
    expect(t.app.explain({ operator: 'spend', window }).tasks).toMatchObject([
      { time: 40_000, isOpen: true, heldBy: [{ rule: 'no idleTimeout', partition: 0, time: 70_000 }] },
    ])
    expect(t.app.explain({ operator: 'half', window: { start: 0, end: 30_000 } }).tasks).toMatchObject([
      { time: 70_000, isOpen: false },
    ])
    await t.stop()
  })

  test('a task that runs in another process', async () => {
    const t = await testApp(spendOf({ maxOutOfOrderness: 0 }), { topics })
    for (const partition of [0, 1]) await send(t, partition, 5_000)
    await t.settle()
    await t.addMember()
    const { tasks, elsewhere } = t.app.explain({ operator: 'spend' })
    expect(tasks).toHaveLength(1)
    expect(elsewhere).toHaveLength(1)
    const away = tasks[0]?.sources[0]?.writers.find(({ task }) => task === undefined)?.writer
    expect(tasks[0]?.heldBy.find(({ writer }) => writer === away)).toMatchObject({
      rule: 'writer',
      time: 5_000,
      text: expect.stringContaining('ask where it does'),
    })
    await t.stop()
  })
})

describe('of a key', () => {
  test('timers, each until its own time', async () => {
    const t = await testApp(
      (app) =>
        app.run(
          'gone',
          app.stream<Order>('orders', { value: json() }).pipe(
            processed<Orders, Orders>(
              ({ timers }) => ({ record: ({ key, timestamp }) => timers.at(timestamp + 600, key) }),
              { name: 'gone' },
            ),
            toTopic('out'),
          ),
        ),
      { topics: { orders: 1, out: 1 } },
    )
    await t.send('orders', [
      { key: 'ann', value: {}, timestamp: 5 },
      { key: 'bob', value: {}, timestamp: 7 },
      { key: 'ann', value: {}, timestamp: 6 },
    ])
    await t.settle()
    expect(t.app.explain({ operator: 'gone', key: 'ann' }).tasks[0]?.waiting).toEqual([
      { what: 'timer', timestamp: 605, until: 605 },
      { what: 'timer', timestamp: 606, until: 606 },
    ])
    await t.stop()
  })
})

test('of a key: what suppress keeps back', async () => {
  const t = await testApp(
    (app) => {
      const counts = toTable(
        'counts',
        app
          .stream<Order>('orders', { value: json() })
          .pipe(tumblingWindow('1m', { grace: '5s' }), aggregate(count(), { name: 'n' })),
      )
      app.run('x', counts.pipe(suppress({ until: 'close', name: 'held' }), toStream()).pipe(toTopic('out')))
    },
    { topics: { orders: 1, out: 1 } },
  )
  await send(t, 0, 1_000, 2_000)
  await t.settle()
  const { tasks, closesAt } = t.app.explain({ operator: 'held', key: 'x', window })
  expect(closesAt).toBe(65_000)
  expect(tasks).toMatchObject([{ isOpen: true, waiting: [{ what: 'change', timestamp: 2_000, until: 65_000 }] }])
  // Each count has come out of the aggregate.
  expect(t.app.explain({ operator: 'n', key: 'x', window }).tasks).toMatchObject([{ isOpen: true, waiting: [] }])
  await t.stop()
})

test.each([
  ['count', countWindow(5)],
  ['global', globalWindow()],
])('of a key: a window that no time closes (%s)', async (_, declare) => {
  const t = await testApp(
    (app) =>
      app.run(
        'x',
        app
          .stream<Order>('orders', { value: json() })
          .pipe(declare, aggregate(count(), { name: 'n', emit: 'close' }), toTopic('out')),
      ),
    { topics: { orders: 1, out: 1 } },
  )
  await send(t, 0, 5, 6)
  await t.settle()
  const explanation = t.app.explain({ operator: 'n', key: 'x' })
  expect(explanation.tasks[0]?.waiting).toHaveLength(1)
  expect(String(explanation)).toMatch(/waits: window \[0, \d+\) of 6, which no time closes\n/)
  expect(String(explanation)).not.toContain('something is due')
  await t.stop()
})

test('of a key: the open windows of a cogroup, each once', async () => {
  const t = await testApp(
    (app) => {
      const orders = app.stream<Order>('orders', { value: json() }).pipe(tumblingWindow('1m'))
      const counts = cogroup({ init: () => 0 }, [[orders, (sum: number) => sum + 1]], { name: 'n', emit: 'close' })
      app.run('x', counts.pipe(toTopic('out')))
    },
    { topics: { orders: 1, out: 1 } },
  )
  await send(t, 0, 1_000, 2_000)
  await t.settle()
  expect(t.app.explain({ operator: 'n', key: 'x' }).tasks[0]?.waiting).toEqual([
    { what: 'window [0, 60000)', timestamp: 2_000, until: 60_000 },
  ])
  await t.stop()
})

describe('what is asked for', () => {
  const joined = (app: App) => {
    const users = app.table<object>('users', { value: json() })
    const orders = app.stream<Order>('orders', { value: json() })
    app.run(
      'join',
      orders.pipe(
        streamTableJoin(users, (order) => order),
        toTopic('out'),
      ),
    )
    app.run('count', orders.pipe(aggregate(count(), { name: 'per-user' }), toTopic('out')))
  }

  test('is an operator by its name, or by its kind if there is one of the kind', async () => {
    const t = await testApp(joined, { topics: { users: 1, orders: 1, out: 1 } })
    expect(t.app.explain({ operator: 'per-user' }).kind).toBe('aggregate')
    expect(t.app.explain({ operator: 'streamTableJoin' }).tasks).toHaveLength(1)
    await t.stop()
  })

  test.each([
    [{ operator: 'nobody' }, 'per-user'],
    [{ operator: 'toTopic' }, 'name them'],
    [{ operator: 'per-user', window }, 'has no windows'],
  ])('%j: BAD_OPTION', async (request, message) => {
    const t = await testApp(joined, { topics: { users: 1, orders: 1, out: 1 } })
    expect(() => t.app.explain(request)).toThrow(
      expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining(message) }),
    )
    await t.stop()
  })

  test('of an app that does not run: nothing is known, but names are checked', async () => {
    const app = createApp({ id: 'x', broker: embedded(), store: memory() })
    joined(app)
    expect(app.explain({ operator: 'per-user' })).toMatchObject({ tasks: [], elsewhere: [] })
    expect(() => app.explain({ operator: 'nobody' })).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }))
  })

  test('changes nothing, not even while an advance is running', async () => {
    const t = await testApp(spendOf({ maxOutOfOrderness: 0 }), { topics: { orders: 1, out: 1 }, slice: 1 })
    await send(t, 0, 1_000, 70_000, 130_000, 200_000)
    const before = t.app.explain({ operator: 'spend', window, key: 'ann' })
    await t.settle()
    expect(before.tasks[0]?.isOpen).toBe(true)
    expect(`${t.app.explain({ operator: 'spend' })}`).toBe(`${t.app.explain({ operator: 'spend' })}`)
    expect((await t.records('out')).map(({ window: of }) => of?.start)).toEqual([0, 60_000, 120_000])
    await t.stop()
  })
})

test('the example of docs/event-time.md', async () => {
  const t = await testApp(spendOf({ maxOutOfOrderness: '5s' }), { topics, id: 'shop' })
  await send(t, 0, 1_000, 90_000)
  await send(t, 1, 9_000)
  await t.settle()
  const text = `${t.app.explain({ operator: 'spend', window, key: 'ann' })}`
  await t.stop()
  expect(readFileSync('docs/event-time.md', 'utf8')).toContain(`\`\`\`\n${text}\n\`\`\``)
})

import { describe, expect, test } from '@jest/globals'
import {
  type App,
  aggregate,
  count,
  json,
  keyBy,
  type StreamRecord,
  sum,
  toTable,
  toTopic,
  tumblingWindow,
} from 'tidemark'
import { type TestApp, testApp } from 'tidemark/testing'

interface Order {
  readonly user: string
  readonly amount: number
}

function spend(app: App) {
  const orders = app.stream<Order>('orders', { value: json() })
  const totals = orders.pipe(
    keyBy((order) => order.value.user),
    aggregate(
      sum((order) => order.value.amount),
      { name: 'totals' },
    ),
  )
  app.run('totals', totals.pipe(toTopic('totals')))
  return toTable('totals', totals)
}

const TOPICS = { topics: { orders: 3, totals: 2 } }
const order = (user: string, amount: number, timestamp: number, partition: number) => ({
  value: { user, amount },
  timestamp,
  partition,
})
const show = ({ key, value, timestamp }: StreamRecord<any, any>) => `${key} ${value} @${timestamp}`

test('sends, settles through an exchange, and reads topics, states and tables', async () => {
  const t = await testApp(spend, TOPICS)
  await t.send('orders', [order('alice', 5, 10, 0), order('bob', 1, 20, 1), order('alice', 2, 30, 2)])
  await t.settle()
  expect((await t.records('totals')).map(show).sort()).toEqual(['alice 5 @10', 'alice 7 @30', 'bob 1 @20'])
  expect(t.result.get('alice')).toBe(7)
  const state = await t.state('totals')
  expect(new Map(state.map(({ key, value }) => [key, value]))).toEqual(
    new Map([
      ['alice', 7],
      ['bob', 1],
    ]),
  )
  expect(t.errors).toEqual([])
  await t.stop()
})

test('a crash forgets what no checkpoint has seen, and a restart does it again, once', async () => {
  const t = await testApp(spend, TOPICS)
  await t.send('orders', order('alice', 5, 10, 0))
  await t.settle()
  await t.send('orders', order('alice', 2, 20, 0))
  await t.settle({ checkpoint: false })
  expect((await t.records('totals')).map(show)).toEqual(['alice 5 @10'])
  await t.crash()
  await t.restart()
  expect((await t.records('totals')).map(show)).toEqual(['alice 5 @10', 'alice 7 @20'])
  expect(t.result.get('alice')).toBe(7)
  expect(t.errors).toEqual([])
  await t.stop()
})

test('members come and go, by stop or crash, and tasks move with their state', async () => {
  const t = await testApp(spend, TOPICS)
  const users = ['alice', 'bob', 'carol', 'dave']
  const round = async () => {
    await t.send(
      'orders',
      users.map((user, n) => order(user, 1, 10, n % 3)),
    )
    await t.settle()
  }
  await round()
  await t.addMember()
  expect(t.app.stats().tasks.length).toBeLessThan(5)
  await round()
  await t.removeMember()
  await round()
  await t.addMember()
  await round()
  await t.removeMember({ crash: true })
  expect(t.app.stats().tasks).toHaveLength(6)
  await round()
  expect((await t.records('totals')).map(show).sort()).toEqual(
    users.flatMap((user) => [1, 2, 3, 4, 5].map((total) => `${user} ${total} @10`)).sort(),
  )
  expect(t.errors).toEqual([])
  await t.stop()
})

test('wall-clock time closes windows of a stream gone idle', async () => {
  const t = await testApp(
    (app) => {
      const clicks = app.stream<null>('clicks', {
        value: json(),
        watermark: { maxOutOfOrderness: 0, idleTimeout: '10s' },
      })
      app.run('n', clicks.pipe(tumblingWindow('1m'), aggregate(count(), { emit: 'close' }), toTopic('n')))
    },
    { topics: { clicks: 1, n: 1 } },
  )
  await t.send(
    'clicks',
    [1, 2].map((timestamp) => ({ key: 'a', value: 0, timestamp })),
  )
  await t.settle()
  await t.advance('59s')
  expect(await t.records('n')).toEqual([])
  await t.advance('2s')
  const [record] = await t.records('n')
  expect(record).toMatchObject({ key: 'a', value: 2, timestamp: 2, window: { start: 0, end: 60_000 }, final: true })
  await t.stop()
})

describe('an app that fails', () => {
  const broken = (app: App) => {
    const orders = app.stream<Order>('orders', {
      value: json(),
      timestamp: ({ value }) => {
        if (value.amount < 0) throw new RangeError('a negative amount')
        return 1
      },
    })
    app.run(
      'copy',
      orders.pipe(
        keyBy((order) => order.value.user, { name: 'users' }),
        toTopic('totals'),
      ),
    )
  }
  const bad = { code: 'DESERIALISE', message: expect.stringContaining('a negative amount') }
  const given = async () => {
    const t = await testApp(broken, TOPICS)
    await t.send('orders', order('alice', 1, 1, 0))
    await t.settle()
    await t.send('orders', order('alice', -1, 1, 0))
    return t
  }

  test.each<[string, (t: TestApp<void>) => Promise<unknown>]>([
    ['settle', (t) => t.settle()],
    ['settle without a checkpoint', (t) => t.settle({ checkpoint: false })],
    ['advance', (t) => t.advance('1s')],
    ['addMember', (t) => t.addMember()],
  ])('%s rejects with what it failed by, once', async (_name, run) => {
    const t = await given()
    await expect(run(t)).rejects.toMatchObject(bad)
    expect(t.errors[0]).toMatchObject(bad)
    // Who has been told can look at what is left.
    expect((await t.records('totals')).map(show)).toEqual(['alice [object Object] @1'])
    await t.stop()
  })

  test.each<[string, (t: TestApp<void>) => Promise<unknown>]>([
    ['send', (t) => t.send('orders', order('bob', 1, 1, 1))],
    ['records', (t) => t.records('totals')],
    ['state', (t) => t.state('totals')],
    ['settle', (t) => t.settle()],
    ['advance', (t) => t.advance(0)],
    ['addMember', (t) => t.addMember()],
    ['removeMember', (t) => t.removeMember()],
    ['crash', (t) => t.crash()],
    ['restart', (t) => t.restart()],
    ['stop', (t) => t.stop()],
  ])('%s rejects with what it has failed by unseen', async (_name, run) => {
    const t = await given()
    await t.clock.settle()
    expect(t.errors).toMatchObject([bad])
    await expect(run(t)).rejects.toMatchObject(bad)
    await t.stop()
  })

  test('stop rejects when all have let go, and the name is free', async () => {
    const options = { ...TOPICS, instance: 'one' }
    const t = await testApp(broken, options)
    await t.addMember()
    await t.send(
      'orders',
      [0, 1, 2].map((partition) => order('alice', -1, 1, partition)),
    )
    await t.clock.settle()
    expect(t.errors.length).toBeGreaterThan(1)
    await expect(t.stop()).rejects.toMatchObject(bad)
    await t.stop()
    const next = await testApp(broken, options)
    await next.send('orders', order('alice', 1, 1, 0))
    await next.settle()
    expect(await next.records('totals')).toHaveLength(1)
    await next.stop()
  })

  test('what it goes on after rejects nothing', async () => {
    const t = await testApp(broken, { ...TOPICS, onError: 'skip' })
    await t.send('orders', [order('alice', -1, 1, 0), order('alice', 1, 1, 0)])
    await t.settle()
    expect(t.errors).toMatchObject([bad])
    expect(await t.records('totals')).toHaveLength(1)
    await t.stop()
  })

  test('a member that was killed fails no test', async () => {
    const t = await testApp(broken, TOPICS)
    await t.send('orders', order('alice', 1, 1, 0))
    await t.settle({ checkpoint: false })
    await t.crash()
    await t.restart()
    expect(await t.records('totals')).toHaveLength(1)
    await t.stop()
  })

  test('a member that cannot start is told of once', async () => {
    let isBroken = false
    const t = await testApp((app) => {
      spend(app)
      if (isBroken) app.run('more', app.stream('missing', { value: json() }))
    }, TOPICS)
    isBroken = true
    await expect(t.addMember()).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC' })
    await t.settle()
    await t.stop()
  })
})

test('a plan that is refused rejects', async () => {
  await expect(
    testApp((app) => app.run('x', app.stream<unknown>('missing', { value: json() })), { topics: {} }),
  ).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC' })
})

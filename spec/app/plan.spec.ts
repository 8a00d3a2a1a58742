import { describe, expect, test } from '@jest/globals'
import { merge } from 'rxjs'
import {
  type App,
  aggregate,
  count,
  createApp,
  embedded,
  json,
  keyBy,
  memory,
  streamTableJoin,
  string,
  sum,
  toTable,
  toTopic,
  tumblingWindow,
} from 'tidemark'
import { rawTopics } from './raw.js'

type Order = { user: string; amount: number }

const make = (id = 'shop', broker = embedded()): App => createApp({ id, broker, store: memory() })

/** Runs it just long enough to see whether it starts. */
async function started(app: App): Promise<string> {
  try {
    await app.start()
    return 'running'
  } catch (error) {
    return (error as { code: string }).code
  } finally {
    await app.stop()
  }
}

function shop(app: App, users = app.table<{ tier: string }>('users', { value: json() })) {
  const orders = app.stream<Order>('orders', { value: json() })
  const spend = orders.pipe(
    keyBy((order) => order.value.user),
    streamTableJoin(users, (order, user) => ({ ...order, tier: user?.tier }), { kind: 'left' }),
    tumblingWindow('5m'),
    aggregate(
      sum((order) => order.value.amount),
      { name: 'spend' },
    ),
  )
  app.run('spend', spend.pipe(toTopic('spend')))
}

describe('the plan', () => {
  test('is cut at the exchange; each node comes after those that feed it', () => {
    const app = make()
    shop(app)
    const text = app.describe()
    expect(text.replace(/plan [0-9a-f]{8}/, 'plan')).toBe(`app shop (plan)
  sub-topology 0
    source orders
    keyBy shop-spend-repartition  <- source orders
  sub-topology 1
    source shop-spend-repartition
    source users
    table users  <- source users
    streamTableJoin  <- source shop-spend-repartition, table users
    aggregate spend  <- streamTableJoin
    sink spend  <- aggregate spend
    run spend  <- sink spend
    states: users, spend`)
  })

  test('is the same as Mermaid', () => {
    const app = make()
    shop(app)
    const lines = app.describe('mermaid').split('\n')
    expect(lines[0]).toBe('flowchart LR')
    const id = (label: string) =>
      lines.map((line) => /^\s+(n\d+)\["(.*)"\]$/.exec(line)).find((match) => match?.[2] === label)?.[1]
    expect(lines).toContain(`  ${id('source orders')} --> ${id('keyBy shop-spend-repartition')}`)
    expect(lines).toContain(`  ${id('keyBy shop-spend-repartition')} -.-> ${id('source shop-spend-repartition')}`)
    expect(lines).toContain(`  ${id('table users')} --> ${id('streamTableJoin')}`)
  })

  test('pipelines that share a stream are one sub-topology, others are not', () => {
    const app = make()
    const a = app.stream('a', { value: json() })
    const b = app.stream('b', { value: json() })
    app.run('one', a.pipe(toTopic('x')))
    app.run('two', a.pipe(toTopic('y')))
    app.run('three', b.pipe(toTopic('z')))
    expect(app.describe().match(/sub-topology/g)).toHaveLength(2)
  })

  test('a stream used twice is one node', () => {
    const app = make()
    const counts = app.stream('a', { value: json() }).pipe(aggregate(count(), { name: 'n' }))
    app.run('both', merge(counts.pipe(toTopic('x')), counts.pipe(toTopic('y'))))
    expect(app.describe().match(/^ {4}aggregate n/gm)).toHaveLength(1)
  })

  test('a table over an aggregate adds no state', () => {
    const app = make()
    const table = toTable('totals', app.stream('a', { value: json() }).pipe(aggregate(count(), { name: 'n' })))
    app.run('changes', table.changes())
    expect(app.describe()).toContain('states: n\n'.trim())
    expect(app.describe()).not.toContain('totals')
  })

  test('planning leaves nothing behind: the app starts after it has been described', async () => {
    const { broker } = await rawTopics({ orders: 2, users: 2, spend: 1 })
    const app = make('shop', broker)
    shop(app)
    app.describe()
    expect(await started(app)).toBe('running')
  })
})

describe('partitions', () => {
  test('an exchange gets as many as the table that it is joined with', async () => {
    const { broker } = await rawTopics({ orders: 2, users: 6, spend: 1 })
    const app = make('shop', broker)
    shop(app)
    expect(await started(app)).toBe('running')
    expect((await broker.topics()).get('shop-spend-repartition')).toBe(6)
  })

  test('otherwise as many as its writers, or what it asks for', async () => {
    const { broker } = await rawTopics({ orders: 3, out: 1 })
    const app = make('shop', broker)
    const orders = app.stream<Order>('orders', { value: json() })
    const byUser = (name: string, partitions?: number) =>
      orders.pipe(
        keyBy((order) => order.value.user, { name, ...(partitions && { partitions }) }),
        toTopic('out'),
      )
    app.run('a', byUser('a'))
    app.run('b', byUser('b', 5))
    expect(await started(app)).toBe('running')
    const topics = await broker.topics()
    expect([topics.get('shop-a-repartition'), topics.get('shop-b-repartition')]).toEqual([3, 5])
  })

  test('a join of topics with different counts is refused', async () => {
    const { broker } = await rawTopics({ orders: 2, users: 3, out: 1 })
    const app = make('shop', broker)
    const users = app.table<unknown>('users', { value: json() })
    app.run(
      'join',
      app.stream('orders', { value: json() }).pipe(
        streamTableJoin(users, () => 1),
        toTopic('out'),
      ),
    )
    expect(await started(app)).toBe('CO_PARTITION')
  })

  test('a join of different key serdes is refused', () => {
    const app = make()
    const users = app.table<unknown>('users', { key: string(), value: json() })
    const orders = app.stream<Order>('orders', { key: json<string>(), value: json() })
    app.run(
      'join',
      orders.pipe(
        streamTableJoin(users, () => 1),
        toTopic('out'),
      ),
    )
    expect(() => app.describe()).toThrow(/CO_PARTITION.*written as/)
  })
})

describe('names', () => {
  test('two states of one name', () => {
    const app = make()
    const orders = app.stream('orders', { value: json() })
    app.run('a', orders.pipe(aggregate(count(), { name: 'n' })))
    app.run('b', orders.pipe(aggregate(count(), { name: 'n' })))
    expect(() => app.describe()).toThrow(/NAME_TAKEN.*two states.*called n/)
  })

  test('two exchanges before one operator want names', () => {
    const app = make()
    const orders = app.stream<Order>('orders', { value: json() })
    const byUser = () => orders.pipe(keyBy((order) => order.value.user))
    app.run('n', merge(byUser(), byUser()).pipe(aggregate(count(), { name: 'n' })))
    expect(() => app.describe()).toThrow(/NAME_TAKEN.*keyBy\(…, \{ name:/)
  })

  test.each(['', 'a b', '../up', 'ä'])('an app called %j is refused', (id) => {
    expect(() => make(id)).toThrow(/BAD_OPTION.*id may hold/)
  })

  test('a state called a/b is refused', () => {
    const app = make()
    app.run('n', app.stream('orders', { value: json() }).pipe(aggregate(count(), { name: 'a/b' })))
    expect(() => app.describe()).toThrow(/BAD_OPTION.*a\/b/)
  })
})

test('a stream of another app is refused', () => {
  const app = make('one')
  const other = make('two')
  app.run('n', other.stream('orders', { value: json() }).pipe(toTopic('out')))
  expect(() => app.describe()).toThrow(/NOT_PLANNED.*another app/)
})

test('a pipeline that reads no topic is refused', async () => {
  expect(await started(make())).toBe('BAD_OPTION')
})

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from '@jest/globals'
import { concat, delay, filter, map, type Observable, retry, share, shareReplay, switchMap, take } from 'rxjs'
import {
  type App,
  type AppOptions,
  aggregate,
  count,
  createApp,
  embedded,
  json,
  keyBy,
  mapValues,
  memory,
  type StreamRecord,
  sideOutput,
  string,
  type TidemarkError,
  toTopic,
  tumblingWindow,
} from 'tidemark'
import { kafka } from 'tidemark/kafka'
import { level } from 'tidemark/level'
import { until } from '../until.js'
import { rawTopics } from './raw.js'

type Order = { amount: number; time: number }
type Orders = Observable<StreamRecord<string, Order>>

const apps: App[] = []

afterEach(async () => {
  for (const app of apps.splice(0)) await app.stop()
})

async function given(
  pipeline: (orders: Orders) => Observable<unknown>,
  options: Partial<AppOptions> & { time?: boolean } = {},
) {
  const { time, ...rest } = options
  const topics = await rawTopics({ orders: 2, out: 1 })
  const make = (id = 'bad') => {
    const app = createApp({ id, broker: topics.broker, store: memory(), ...rest })
    const errors: TidemarkError[] = []
    app.errors$.subscribe((error) => errors.push(error))
    const orders = app.stream<Order>('orders', {
      value: json(),
      ...(time && { timestamp: (order: StreamRecord<string, Order>) => order.value.time }),
    })
    app.run('test', pipeline(orders))
    apps.push(app)
    let state = ''
    app.state$.subscribe((now) => {
      state = now
    })
    return { app, errors, state: () => state }
  }
  return { ...topics, make, ...make() }
}

const good = JSON.stringify({ amount: 1, time: 1_000 })
const at1 = { topic: 'orders', partition: 1 }
const copy = (orders: Orders) => orders.pipe(toTopic('out'))

describe('a record that is not JSON', () => {
  test('ends the app with its place; nothing before it is lost, nothing after it is skipped', async () => {
    const { app, errors, state, send, read, make } = await given(copy)
    await app.start()
    await send(at1, 'a', good)
    await until('the first to be out', async () => (await read('out')).length === 1)
    await send(at1, 'b', '{"amount":')
    await send(at1, 'c', good)
    await until('the app to fail', () => state() === 'failed')
    expect(errors.at(-1)).toMatchObject({
      code: 'DESERIALISE',
      place: { app: 'bad', topic: 'orders', partition: 1, operator: 'source orders' },
    })
    expect(errors.at(-1)?.reason).toBe(
      'the value can\'t be read: not JSON: "{\\"amount\\":"; repair the writer; onError at stage deserialise: the app fails',
    )
    expect(errors.at(-1)?.place.offset).toBe(1)
    await app.stop()
    expect((await read('out')).map(({ key }) => key)).toEqual(['a'])
    // The offset stands: the next run meets the same record.
    const again = make()
    await again.app.start()
    await until('the next run to fail too', () => again.state() === 'failed')
    expect(again.errors.at(-1)?.place.offset).toBe(1)
  })

  test('is counted and reported with onError: skip', async () => {
    const { app, errors, send, read } = await given(copy, { onError: 'skip' })
    await app.start()
    await send(at1, 'a', good)
    await send(at1, 'b', 'nonsense')
    await send(at1, 'c', good)
    await until('both good ones', async () => (await read('out')).length === 2)
    expect((await read('out')).map(({ key }) => key)).toEqual(['a', 'c'])
    expect(errors).toHaveLength(1)
    expect(errors[0]).toMatchObject({ code: 'DESERIALISE', place: { topic: 'orders', partition: 1, offset: 1 } })
    expect(app.stats().tasks.flatMap((task) => task.dropped)).toEqual([
      { operator: 'source orders', reason: 'bad record', count: 1 },
    ])
  })
})

describe.each([
  ['NaN', JSON.stringify({ amount: 1, time: null }), (order: Order) => Number(order.time ?? Number.NaN)],
  ['negative', JSON.stringify({ amount: 1, time: -5 }), (order: Order) => order.time],
])('a timestamp that is %s', (_, value, timestamp) => {
  test('ends the app with its place', async () => {
    const topics = await rawTopics({ orders: 1, out: 1 })
    const app = createApp({ id: 'bad', broker: topics.broker, store: memory() })
    apps.push(app)
    const errors: TidemarkError[] = []
    app.errors$.subscribe((error) => errors.push(error))
    app.run(
      'test',
      app.stream<Order>('orders', { value: json(), timestamp: (order) => timestamp(order.value) }).pipe(toTopic('out')),
    )
    await app.start()
    await topics.send({ topic: 'orders', partition: 0 }, 'a', value)
    await until('the error', () => errors.length > 0)
    expect(errors[0]).toMatchObject({
      code: 'BAD_TIMESTAMP',
      place: { topic: 'orders', partition: 0, offset: 0, operator: 'source orders' },
    })
  })
})

test('a null key where one is needed is counted as dropped, with the reason', async () => {
  const { app, send, read } = await given((orders) => orders.pipe(aggregate(count(), { name: 'n' }), toTopic('out')))
  await app.start()
  await send(at1, null, good)
  await send(at1, 'a', good)
  await until('the other one', async () => (await read('out')).length === 1)
  expect(app.stats().tasks.flatMap((task) => task.dropped)).toEqual([{ operator: 'n', reason: 'null key', count: 1 }])
})

test('a wrong duration says which, what it got, and what it takes', () => {
  // @ts-expect-error: not a duration for the compiler either
  expect(() => tumblingWindow('5 minutes')).toThrow(
    /BAD_DURATION: tumblingWindow: size must be at least 1 ms.*'5m'.*got "5 minutes"/,
  )
  expect(() => tumblingWindow('1m', { grace: -1 })).toThrow(/tumblingWindow: grace.*got -1/)
})

describe('options of plain JavaScript', () => {
  const app = createApp({ id: 'plain', broker: embedded(), store: memory() })
  const serdes = 'must be a serde, such as json(); got'
  const called = 'a function: call it, as in json()'
  test.each([
    [
      'app.stream without options',
      () => app.stream('orders', undefined as never),
      `app.stream orders: value ${serdes} undefined`,
    ],
    [
      'app.stream without a serde',
      () => app.stream('orders', {} as never),
      `app.stream orders: value ${serdes} undefined`,
    ],
    [
      'app.stream',
      () => app.stream('orders', { value: json as never }),
      `app.stream orders: value ${serdes} ${called}`,
    ],
    [
      'app.stream, key',
      () => app.stream('orders', { key: string as never, value: json() }),
      `app.stream orders: key ${serdes} ${called}`,
    ],
    [
      'app.stream with half a serde',
      () => app.stream('orders', { value: { serialize() {} } as never }),
      `app.stream orders: value ${serdes} {}`,
    ],
    [
      'app.table without options',
      () => app.table('users', undefined as never),
      `app.table users: value ${serdes} undefined`,
    ],
    ['app.table', () => app.table('users', { value: json as never }), `app.table users: value ${serdes} ${called}`],
    [
      'app.globalTable without options',
      () => app.globalTable('prices', undefined as never),
      `app.globalTable prices: value ${serdes} undefined`,
    ],
    [
      'app.globalTable',
      () => app.globalTable('prices', { value: json as never }),
      `app.globalTable prices: value ${serdes} ${called}`,
    ],
    ['toTopic', () => toTopic('out', { value: json as never }), `toTopic out: value ${serdes} ${called}`],
    ['toTopic, key', () => toTopic('out', { key: 'json' as never }), `toTopic out: key ${serdes} "json"`],
    ['keyBy', () => keyBy(() => 'a', { value: json as never }), `keyBy: value ${serdes} ${called}`],
    ['keyBy, key', () => keyBy(() => 'a', { key: json as never }), `keyBy: key ${serdes} ${called}`],
  ])('a serde that is none: %s', (_name, make, text) => {
    expect(make).toThrow(new RegExp(`^BAD_OPTION: ${text.replace(/[.(){}]/g, '\\$&')}$`))
  })
})

test('a store on disk beside an embedded() without one: the second start says what to do', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-forgets-'))
  try {
    const start = async () => {
      const store = level(folder, { exclusive: true })
      const topics = await rawTopics({ orders: 1, out: 1 })
      const app = createApp({ id: 'forgets', broker: topics.broker, store })
      app.errors$.subscribe()
      app.run(
        'test',
        app.stream<Order>('orders', { value: json() }).pipe(aggregate(count(), { name: 'n' }), toTopic('out')),
      )
      return { app, ...topics }
    }
    const first = await start()
    await first.app.start()
    await first.send({ topic: 'orders', partition: 0 }, 'a', good)
    await until('the result', async () => (await first.read('out')).length === 1)
    await first.app.stop()
    const second = await start()
    await expect(second.app.start()).rejects.toMatchObject({
      code: 'OFFSET_OUT_OF_RANGE',
      message: expect.stringContaining('those of embedded() end with the process; embedded({ store }) keeps them'),
      place: { app: 'forgets', topic: 'orders', partition: 0, offset: 1 },
    })
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('an unknown topic is named', async () => {
  const { broker } = await rawTopics({ out: 1 })
  const app = createApp({ id: 'bad', broker, store: memory() })
  app.run('test', app.stream('orderz', { value: json() }).pipe(toTopic('out')))
  await expect(app.start()).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC', place: { topic: 'orderz', app: 'bad' } })
})

test('a broker that is not there is named within its time-out, and the app can be made again', async () => {
  const app = createApp({
    id: 'bad',
    broker: kafka({ brokers: ['127.0.0.1:1'], connectionTimeout: '300ms' }),
    store: memory(),
  })
  app.run('test', app.stream('orders', { value: json() }).pipe(toTopic('out')))
  await expect(app.start()).rejects.toMatchObject({ code: 'BROKER_UNAVAILABLE', place: { app: 'bad' } })
  await expect(app.start()).rejects.toThrow(/BAD_STATE.*failed/)
  const next = createApp({
    id: 'bad',
    broker: kafka({ brokers: ['127.0.0.1:1'], connectionTimeout: '300ms' }),
    store: memory(),
  })
  next.run('test', next.stream('orders', { value: json() }).pipe(toTopic('out')))
  await expect(next.start()).rejects.toThrow(/BROKER_UNAVAILABLE.*127\.0\.0\.1:1/)
})

test('two apps with one id in a process: the second is refused, the first goes on', async () => {
  const { app, make, send, read, state } = await given(copy)
  await app.start()
  await expect(make().app.start()).rejects.toMatchObject({ code: 'APP_ID_TAKEN' })
  await send(at1, 'a', good)
  await until('the first to go on', async () => (await read('out')).length === 1)
  expect(state()).toBe('running')
})

test('a group member with another plan is refused, the others go on', async () => {
  const { app, broker, send, read, state } = await given(copy)
  await app.start()
  const other = createApp({ id: 'bad', instance: 'b', broker, store: memory() })
  apps.push(other)
  const errors: TidemarkError[] = []
  other.errors$.subscribe((error) => errors.push(error))
  other.run(
    'test',
    other.stream<Order>('orders', { value: json() }).pipe(
      mapValues((order) => order.amount),
      toTopic('out'),
    ),
  )
  await other.start().catch(() => {})
  await until('the refusal', () => errors.length > 0)
  expect(errors[0]?.code).toBe('PLAN_MISMATCH')
  await send(at1, 'a', good)
  await send({ topic: 'orders', partition: 0 }, 'b', good)
  await until('all partitions to go on', async () => (await read('out')).length === 2)
  expect(state()).toBe('running')
})

describe('operators of RxJS that would lose records', () => {
  test('delay between ours: ASYNC_GAP with the place, naming mapAsync; the offset stands', async () => {
    const { app, errors, send, read } = await given((orders) => orders.pipe(delay(1), toTopic('out')))
    await app.start()
    await send(at1, 'a', good)
    await until('the error', () => errors.length > 0)
    expect(errors[0]).toMatchObject({
      code: 'ASYNC_GAP',
      place: { operator: 'toTopic', topic: 'orders', partition: 1, offset: 0 },
    })
    expect(errors[0]?.message).toContain('mapAsync')
    expect(await read('out')).toEqual([])
  })

  test.each([
    ['share', share()],
    ['shareReplay', shareReplay(1)],
  ])('%s between ours: FOREIGN_TASK before anything runs, naming shared()', async (_, operator) => {
    const { app } = await given((orders) =>
      orders.pipe(
        mapValues((order) => order.amount),
        operator as never,
        toTopic('out'),
      ),
    )
    await expect(app.start()).rejects.toMatchObject({ code: 'FOREIGN_TASK' })
  })

  test('retry between ours: an error, not a silent second subscription', async () => {
    let calls = 0
    const { app, errors, send } = await given((orders) =>
      orders.pipe(
        map((order) => {
          if (++calls === 1) throw new Error('only once')
          return order
        }),
        retry(),
        toTopic('out'),
      ),
    )
    await app.start()
    await send(at1, 'a', good)
    await until('the error', () => errors.length > 0)
    expect(['DETACHED', 'NOT_PLANNED', 'PIPELINE_ERROR']).toContain(errors[0]?.code)
    expect(errors[0]?.place).toMatchObject({ topic: 'orders', partition: 1, offset: 0 })
  })

  test('take: the app says that its pipeline has ended', async () => {
    const { app, errors, send } = await given((orders) => orders.pipe(take(1), toTopic('out')))
    await app.start()
    await send(at1, 'a', good)
    await until('the error', () => errors.length > 0)
    expect(errors[0]).toMatchObject({ code: 'DETACHED', place: { topic: 'orders', partition: 1, offset: 0 } })
  })

  test('concat: its second stream is in no plan', async () => {
    const topics = await rawTopics({ orders: 1, more: 1, out: 1 })
    const app = createApp({ id: 'bad', broker: topics.broker, store: memory() })
    app.run(
      'test',
      concat(app.stream<Order>('orders', { value: json() }), app.stream<Order>('more', { value: json() })).pipe(
        toTopic('out'),
      ),
    )
    await expect(app.start()).rejects.toMatchObject({ code: 'NOT_PLANNED', place: { topic: 'more' } })
  })

  test('switchMap to a stream of the app', async () => {
    const topics = await rawTopics({ orders: 1, more: 1, out: 1 })
    const app = createApp({ id: 'bad', broker: topics.broker, store: memory() })
    const more = app.stream<Order>('more', { value: json() })
    app.run(
      'test',
      app
        .stream<Order>('orders', { value: json() })
        .pipe(switchMap(() => more))
        .pipe(toTopic('out')),
    )
    await expect(app.start()).rejects.toMatchObject({ code: 'NOT_PLANNED', place: { topic: 'more' } })
  })
})

test('a throw in a plain operator names the record behind it', async () => {
  const { app, errors, send, state } = await given((orders) =>
    orders.pipe(
      filter((order) => order.value.amount.toFixed() !== ''),
      toTopic('out'),
    ),
  )
  await app.start()
  await send(at1, 'a', '{}')
  await until('the error', () => errors.length > 0)
  expect(state()).toBe('failed')
  expect(errors[0]).toMatchObject({
    code: 'PIPELINE_ERROR',
    place: { operator: 'toTopic', topic: 'orders', partition: 1, offset: 0 },
  })
})

test('a throw in a handler names operator and record', async () => {
  const { app, errors, send } = await given((orders) =>
    orders.pipe(
      mapValues((order) => order.amount.toFixed()),
      toTopic('out'),
    ),
  )
  await app.start()
  await send(at1, 'a', '{}')
  await until('the error', () => errors.length > 0)
  expect(errors[0]).toMatchObject({
    code: 'OPERATOR_FAILED',
    place: { operator: 'mapValues', topic: 'orders', partition: 1, offset: 0, key: 'a' },
  })
})

test('what a serde cannot write ends the app at that record', async () => {
  const { app, errors, send } = await given((orders) =>
    orders.pipe(
      mapValues(() => new Date(0)),
      toTopic('out'),
    ),
  )
  await app.start()
  await send(at1, 'a', good)
  await until('the error', () => errors.length > 0)
  expect(errors[0]).toMatchObject({
    code: 'NOT_SERIALISABLE',
    place: { operator: 'toTopic', topic: 'orders', partition: 1, offset: 0 },
  })
})

describe('planning', () => {
  const refused = async (pipeline: (orders: Orders) => Observable<unknown>, options: Partial<AppOptions> = {}) => {
    const { app } = await given(pipeline, options)
    return app.start().then(
      () => undefined,
      (error: TidemarkError) => error,
    )
  }

  test('unnamed state in a durable store is refused, with a name proposed', async () => {
    const durable = { ...memory(), durable: true, open: async () => {}, close: async () => {} }
    const error = await refused((orders) => orders.pipe(aggregate(count()), toTopic('out')), {
      store: durable as never,
    })
    expect(error).toMatchObject({ code: 'UNNAMED_STATE' })
    expect(error?.message).toContain("name: 'orders-aggregate'")
  })

  test('a keyBy after a window', async () => {
    expect(
      await refused((orders) =>
        orders.pipe(
          tumblingWindow('1m'),
          keyBy((order) => order.key),
          aggregate(count()),
        ),
      ),
    ).toMatchObject({ code: 'LOST_WINDOW' })
  })

  test('a window over a window', async () => {
    expect(
      await refused((orders) => orders.pipe(tumblingWindow('1m'), tumblingWindow('2m'), aggregate(count()))),
    ).toMatchObject({ code: 'TWO_WINDOWS' })
  })

  test('a side output that nobody writes', async () => {
    expect(await refused(() => sideOutput<unknown>('nobody'))).toMatchObject({
      code: 'NOT_PLANNED',
      place: { operator: 'nobody' },
    })
  })
})

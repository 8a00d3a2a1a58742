import type { AddressInfo } from 'node:net'
import { jest } from '@jest/globals'
import { WebSocket, WebSocketServer } from 'ws'
import type { Bridge, BridgeOptions } from '../../lib/brokers/bridge.js'
import { embedded } from '../../lib/brokers/embedded.js'
import { remote } from '../../lib/brokers/remote.js'
import {
  type App,
  aggregate,
  count,
  createApp,
  globalTableJoin,
  json,
  memory,
  partitionOf,
  streamTableJoin,
  toTopic,
  tumblingWindow,
} from '../../lib/index.js'
import type { Broker, Consumer, ConsumerListener } from '../../lib/ports/broker.js'
import type { TidemarkError } from '../../lib/record/errors.js'
import { utf8 } from '../../lib/record/serde.js'
import { out, Tape, texts } from '../../lib/testing/brokerConformance/setting.js'
import { type TcpProxy, tcpProxy } from '../tcpProxy.js'
import { until } from '../until.js'
import { connectTo, openBridge, TRANSPORTS, type Transport } from './bridged.js'

const ORDERS = { topic: 'orders', partition: 0 }

let behind: Broker
let server: Bridge
let proxy: TcpProxy
let brokers: Broker[]
let members: Consumer[]
let apps: App[]

beforeEach(async () => {
  brokers = []
  members = []
  apps = []
  behind = embedded()
  await behind.createTopics([{ topic: 'orders', partitions: 2 }])
})
afterEach(async () => {
  for (const app of apps) await app.stop()
  for (const member of members) await member.close()
  for (const broker of brokers) await broker.close()
  await proxy.close()
  await server.close()
})

async function serve(options: Partial<BridgeOptions> = {}): Promise<void> {
  const opened = await openBridge({ broker: behind, topics: ['orders'], ...options })
  server = opened.server
  proxy = await tcpProxy(Number(new URL(opened.url).port))
}

async function connect(transport: Transport, options: Partial<Parameters<typeof connectTo>[2]> = {}): Promise<Broker> {
  const broker = connectTo(`http://127.0.0.1:${proxy.port}/`, transport, { local: embedded(), ...options })
  await broker.connect()
  brokers.push(broker)
  return broker
}

async function join(broker: Broker, hooks: Partial<ConsumerListener> = {}) {
  const tape = new Tape(hooks as never)
  const consumer = await broker.consumer({ group: 'g', topics: ['orders'], slots: 16, plan: '', listener: tape })
  tape.isJoined = true
  members.push(consumer)
  return { consumer, tape }
}

async function write(values: readonly string[], partition = 0): Promise<void> {
  const producer = await behind.producer()
  await producer.send(values.map((value) => out('orders', partition, value)))
}

describe.each(TRANSPORTS)('a broker over %s', (transport) => {
  test('topics of the bridge can be read and not be written; others are local', async () => {
    await serve()
    const broker = await connect(transport)
    await broker.createTopics([
      { topic: 'orders', partitions: 7 },
      { topic: 'mine', partitions: 3 },
    ])
    expect(new Map(await broker.topics())).toEqual(
      new Map([
        ['mine', 3],
        ['orders', 2],
      ]),
    )
    const readOnly = expect.objectContaining({ code: 'READ_ONLY', place: { topic: 'orders' } })
    const producer = await broker.producer()
    const transaction = await (await broker.transactionalProducer('t')).begin()
    const both = [out('mine', 0, 'v'), out('orders', 0, 'v')]
    await expect(producer.send(both)).rejects.toEqual(readOnly)
    await expect(transaction.send(both)).rejects.toEqual(readOnly)
    await expect(broker.deleteTopics(['mine', 'orders'])).rejects.toEqual(readOnly)
    await transaction.send([out('mine', 2, 'v')])
    await transaction.commit()
    expect((await broker.ranges('mine')).map(({ end }) => end)).toEqual([0, 0, 2])
    expect(await behind.topics()).toEqual(new Map([['orders', 2]]))
    await join(broker)
    expect([...(await broker.topics()).keys()].sort()).toEqual(['mine', 'orders'])
  })

  test('an app that writes to a topic of the bridge fails with READ_ONLY', async () => {
    await serve()
    const store = memory()
    const broker = await connect(transport, { local: embedded({ store }) })
    const app = createApp({ id: 'app', broker, store })
    const errors: string[] = []
    app.errors$.subscribe(({ code }) => errors.push(code))
    app.run('echo', app.stream('orders', { value: json() }).pipe(toTopic('orders')))
    apps.push(app)
    await app.start()
    await write(['1'])
    await until('the error', () => errors.length > 0)
    expect(errors).toEqual(['READ_ONLY'])
  })

  test('nobody there is BROKER_UNAVAILABLE, and it can be tried again', async () => {
    await serve()
    proxy.refuse(true)
    const broker = connectTo(`http://127.0.0.1:${proxy.port}/`, transport, {
      local: embedded(),
      connectionTimeout: 400,
    })
    await expect(broker.connect()).rejects.toMatchObject({
      code: 'BROKER_UNAVAILABLE',
      reason: expect.stringContaining(`bridge http://127.0.0.1:${proxy.port}/`),
    })
    await expect(broker.topics()).rejects.toMatchObject({ code: 'BAD_STATE' })
    proxy.refuse(false)
    await broker.connect()
    brokers.push(broker)
    expect(await broker.topics()).toEqual(new Map([['orders', 2]]))
  })

  test('who may not read a topic hears it', async () => {
    await serve({ authorise: ({ token }) => token === 'right' })
    const broker = await connect(transport, { token: () => 'wrong' })
    await expect(broker.topics(['orders'])).rejects.toMatchObject({
      code: 'NOT_AUTHORISED',
      place: { topic: 'orders' },
    })
    expect(await broker.topics()).toEqual(new Map())
  })

  test('the token is asked for again at each connection, until one is given', async () => {
    const tokens: unknown[] = []
    await serve({
      authorise({ token }) {
        tokens.push(token)
        return true
      },
    })
    let calls = 0
    const token = async () => {
      calls++
      if (calls === 2) throw new Error('no session')
      return `token ${calls}`
    }
    const broker = await connect(transport, { token })
    const { tape } = await join(broker)
    await write(['a'])
    await until('the first', () => tape.values().length === 1)
    proxy.cut()
    await write(['b'])
    await until('the second', () => tape.values().length === 2)
    expect(tokens).toEqual(['token 1', 'token 3'])
  })

  test('a token that doesn’t come is asked for again; when it comes after all, it is of no use', async () => {
    const tokens: unknown[] = []
    await serve({
      authorise({ token }) {
        tokens.push(token)
        return true
      },
    })
    let calls = 0
    let comeAfterAll: (token: string) => void = () => {}
    const token = () => {
      calls++
      if (calls !== 2) return `token ${calls}`
      return new Promise<string>((resolve) => {
        comeAfterAll = resolve
      })
    }
    const broker = await connect(transport, { token, connectionTimeout: '1s' })
    const { tape } = await join(broker)
    await write(['a'])
    await until('the first', () => tape.values().length === 1)
    proxy.cut()
    await write(['b'])
    await until('the second', () => tape.values().length === 2, 20_000)
    comeAfterAll('token 2')
    for (let n = 0; n < 10; n++) await broker.ranges('orders')
    await write(['c'])
    await until('the third', () => tape.values().length === 3)
    expect(tape.values()).toEqual(['a', 'b', 'c'])
    const [first, ...others] = tokens
    expect(first).toBe('token 1')
    expect(others).toEqual([`token ${calls}`])
  })

  test('what the bridge has refused for good, a new connect can mend', async () => {
    await serve({ maxMessageBytes: 1_024 })
    let isLarge = false
    const local = embedded({ store: memory() })
    const broker = await connect(transport, { local, token: () => (isLarge ? 'x'.repeat(5_000) : 'x') })
    await broker.createTopics([{ topic: 'mine', partitions: 1 }])
    isLarge = true
    proxy.cut()
    await until('the refusal', () =>
      broker.topics().then(
        () => false,
        ({ code }) => code === 'BAD_MESSAGE',
      ),
    )
    await expect(broker.connect()).rejects.toMatchObject({ code: 'BAD_MESSAGE' })
    expect(await broker.ranges('mine')).toEqual([{ start: 0, end: 0 }])
    isLarge = false
    await Promise.all([broker.connect(), broker.connect()])
    expect(server.stats().clients).toBe(1)
    const { tape } = await join(broker)
    await write(['v'])
    await until('the record', () => tape.values().length === 1)
    for (let user = 1; user <= 3; user++) {
      expect((await broker.topics()).get('orders')).toBe(2)
      await broker.close()
    }
    await expect(local.topics()).rejects.toMatchObject({ code: 'BAD_STATE' })
  })

  test('a paused consumer takes no more than its window, and then the rest', async () => {
    await serve()
    const broker = await connect(transport)
    const { consumer, tape } = await join(broker)
    const values = Array.from({ length: 100 }, (_, n) => `${n} ${'x'.repeat(40_000)}`)
    await write(['first'])
    await until('the first', () => tape.values().length === 1)
    consumer.pause([ORDERS])
    const before = proxy.received
    await write(values)
    for (let n = 1; n <= 5; n++) {
      await write([`${n}`], 1)
      await until('the other partition', () => tape.values({ topic: 'orders', partition: 1 }).length === n)
    }
    await until('what goes into the window', () => proxy.received - before > 500_000)
    // What waits here counts against the window of another connection, too.
    for (let n = 6; n <= 8; n++) {
      proxy.cut()
      await write([`${n}`], 1)
      await until('the other partition', () => tape.values({ topic: 'orders', partition: 1 }).length === n)
    }
    // 512 KiB and one batch, as base64.
    expect(proxy.received - before).toBeLessThan(1_000_000)
    expect(tape.values(ORDERS)).toEqual(['first'])
    consumer.resume([ORDERS])
    await until('all', () => tape.records(ORDERS).length === 101)
    expect(tape.values(ORDERS)).toEqual(['first', ...values])
    tape.assertClean()
  })

  test('a topic that is made anew is OFFSET_OUT_OF_RANGE, and is read from its start', async () => {
    await serve()
    const broker = await connect(transport)
    const { tape } = await join(broker)
    await write(texts('v', 10))
    await until('all', () => tape.values().length === 10)
    await behind.deleteTopics(['orders'])
    await behind.createTopics([{ topic: 'orders', partitions: 2 }])
    tape.expectFrom({ ...ORDERS, offset: 0 })
    await write(texts('w', 3))
    await until('the new ones', () => tape.values().length === 13)
    expect(tape.values().slice(10)).toEqual(texts('w', 3))
    const heard = tape.errors.filter(({ error }) => error.code === 'OFFSET_OUT_OF_RANGE')
    expect(heard.map(({ error, fatal }) => [error.place, fatal])).toEqual([[{ ...ORDERS, offset: 10 }, false]])
    expect(tape.errors.every(({ fatal }) => !fatal)).toBe(true)
  })

  test('gaps of a compacted topic are stepped over, wherever one begins', async () => {
    behind = embedded({ compactAfter: 10 })
    await behind.createTopics([{ topic: 'orders', partitions: 2, compacted: true }])
    await serve()
    const broker = await connect(transport)
    const producer = await behind.producer()
    for (let n = 0; n < 100; n++) await producer.send([out('orders', 0, `v${n}`, { key: utf8.encode(`k${n % 3}`) })])
    const offsets = async (read: Broker, from: number) => {
      const found: number[] = []
      let next = from
      await read.read(ORDERS, from, 100, (batch) => {
        found.push(...batch.records.map(({ offset }) => offset))
        next = batch.nextOffset
      })
      return { found, next }
    }
    const all = await offsets(behind, 0)
    expect(all.found.length).toBeLessThan(50)
    for (const from of [0, 1, 50, 99]) expect(await offsets(broker, from)).toEqual(await offsets(behind, from))
  })

  test('tables and global tables over topics of the bridge', async () => {
    await behind.createTopics([
      { topic: 'users', partitions: 2 },
      { topic: 'prices', partitions: 1, compacted: true },
    ])
    const record = (topic: string, key: string, value: unknown) =>
      out(topic, topic === 'prices' ? 0 : partitionOf(utf8.encode(key), 2), JSON.stringify(value), {
        key: utf8.encode(key),
      })
    const producer = await behind.producer()
    await producer.send([record('users', 'ann', 'Ann'), record('users', 'bob', 'Bob'), record('prices', 'tea', 3)])
    await serve({ topics: ['orders', 'users', 'prices'] })
    const store = memory()
    const broker = await connect(transport, { local: embedded({ store }) })
    await broker.createTopics([{ topic: 'out', partitions: 2 }])
    const app = createApp({ id: 'app', broker, store })
    const prices = app.globalTable<number>('prices', { value: json() })
    const orders = app.stream<string>('orders', { value: json() })
    const named = orders.pipe(
      streamTableJoin(app.table<string>('users', { value: json() }), (product, user) => ({ product, user })),
      globalTableJoin(
        prices,
        ({ value }) => value.product,
        ({ product, user }, price) => `${user} ${product} ${price}`,
      ),
    )
    app.run('out', named.pipe(toTopic('out')))
    apps.push(app)
    await app.start()
    expect([...prices.entries()]).toEqual([['tea', 3]])
    await until('the users', () => app.stats().tasks.reduce((sum, { records }) => sum + records, 0) === 2)
    proxy.cut()
    await producer.send([record('prices', 'rum', 9)])
    await until('the new price', () => prices.get('rum') === 9)
    await producer.send([record('orders', 'ann', 'tea'), record('orders', 'bob', 'rum')])
    const written = async () => {
      const found: unknown[] = []
      for (const [partition, { start, end }] of (await broker.ranges('out')).entries())
        await broker.read({ topic: 'out', partition }, start, end, ({ records }) => {
          for (const { value } of records) found.push(JSON.parse(utf8.decode(value as Uint8Array)))
        })
      return found.sort()
    }
    await until('both orders', async () => (await written()).length === 2)
    expect(await written()).toEqual(['Ann tea 3', 'Bob rum 9'])
  })

  test('a bridge that is gone for a while is told once each time, and nothing is lost', async () => {
    await serve()
    const broker = await connect(transport)
    const { tape } = await join(broker)
    await write(['before'])
    await until('the first', () => tape.values().length === 1)
    for (const time of [1, 2]) {
      proxy.refuse(true)
      proxy.cut()
      await write([`meanwhile${time}`])
      await until('the error', () => tape.errors.length === time)
      const range = broker.ranges('orders')
      proxy.refuse(false)
      await write([`after${time}`])
      await until('the rest', () => tape.values().length === 1 + 2 * time, 15_000)
      expect((await range)[0]).toEqual({ start: 0, end: 1 + 2 * time })
    }
    expect(tape.values()).toEqual(['before', 'meanwhile1', 'after1', 'meanwhile2', 'after2'])
    const away = ['BROKER_UNAVAILABLE', false]
    expect(tape.errors.map(({ error, fatal }) => [error.code, fatal])).toEqual([away, away])
  })

  test('while the bridge is away no partition is idle: no window closes before it is back', async () => {
    await serve({ heartbeat: '30s' })
    const store = memory()
    const broker = await connect(transport, { local: embedded({ store }) })
    await broker.createTopics([{ topic: 'windows', partitions: 2 }])
    const app = createApp({ id: 'app', broker, store, commitInterval: 10 })
    const orders = app.stream<{ time: number }>('orders', {
      value: json(),
      timestamp: ({ value }) => value.time,
      watermark: { maxOutOfOrderness: 0, idleTimeout: '2s' },
    })
    const errors: TidemarkError[] = []
    app.errors$.subscribe((error) => errors.push(error))
    const windows = orders.pipe(tumblingWindow('1s'), aggregate(count(), { name: 'windows', emit: 'close' }))
    app.run('windows', windows.pipe(toTopic('windows')))
    apps.push(app)
    await app.start()
    const written = async () => (await broker.ranges('windows')).reduce((sum, { end }) => sum + end, 0)
    await (await behind.producer()).send([out('orders', 0, '{"time":1}', { key: utf8.encode('k') })])
    await until('the record', () => app.stats().tasks.some(({ records }) => records === 1))
    proxy.refuse(true)
    proxy.cut()
    await until('3 s of silence', () => errors.length > 0)
    expect(errors[0]?.code).toBe('BROKER_UNAVAILABLE')
    expect(await written()).toBe(0)
    proxy.refuse(false)
    await until('the window', async () => (await written()) > 0, 20_000)
    expect(errors.map(({ code }) => code)).toEqual(['BROKER_UNAVAILABLE'])
  })

  test('what it was asked before it is closed is over then', async () => {
    await serve()
    const broker = await connect(transport)
    await join(broker)
    proxy.refuse(true)
    proxy.cut()
    const asked = broker.ranges('orders')
    brokers.pop()
    await broker.close()
    await expect(asked).rejects.toMatchObject({ code: 'BAD_STATE' })
    await expect(broker.ranges('orders')).rejects.toMatchObject({ code: 'BAD_STATE' })
  })
})

describe('a page whose origin the bridge does not know', () => {
  test('hears it at once over WebSocket', async () => {
    await serve({ origins: ['https://shop.example'] })
    class Page extends WebSocket {
      constructor(url: string) {
        super(url, { origin: 'https://other.example' })
      }
    }
    const broker = connectTo(`http://127.0.0.1:${proxy.port}/`, 'websocket', { local: embedded(), WebSocket: Page })
    await expect(broker.connect()).rejects.toMatchObject({
      code: 'NOT_AUTHORISED',
      reason: 'pages of https://other.example may not use the bridge; add it to origins',
    })
  })
})

describe('a server that is no bridge', () => {
  test.each([
    ['a text that is no JSON', 'hello there', false],
    ['a frame that is none', '\u0001', true],
    ['JSON that is no message', 'null', false],
  ])('and sends %s is BROKER_UNAVAILABLE', async (_what, text, binary) => {
    await serve()
    const other = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    other.on('connection', (socket) => socket.send(text, { binary }))
    await until('it to listen', () => other.address())
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}/`
    const broker = connectTo(url, 'websocket', { local: embedded(), connectionTimeout: 300 })
    await expect(broker.connect()).rejects.toMatchObject({
      code: 'BROKER_UNAVAILABLE',
      reason: expect.stringContaining('what it sent makes no sense'),
    })
    other.close()
  })
})

describe('options', () => {
  beforeEach(() => serve())

  test.each(['nowhere', 'ftp://host/', ''])('the url %j is BAD_OPTION', (url) => {
    expect(() => remote({ url, local: embedded() })).toThrow('BAD_OPTION')
  })

  test('a token in the url is in no message', () => {
    expect(remote({ url: 'wss://user:word@host/bridge?key=word', local: embedded(), WebSocket }).name).toBe(
      'bridge wss://host/bridge',
    )
  })

  test('without a WebSocket it takes the event stream, and says so if it may not', async () => {
    const saved = globalThis.WebSocket
    try {
      delete (globalThis as { WebSocket?: unknown }).WebSocket
      const url = `http://127.0.0.1:${proxy.port}/`
      expect(() => remote({ url, transport: 'websocket', local: embedded() })).toThrow('there is no WebSocket here')
      const broker = remote({ url, local: embedded() })
      await broker.connect()
      brokers.push(broker)
      expect(await broker.topics()).toEqual(new Map([['orders', 2]]))
    } finally {
      if (saved) globalThis.WebSocket = saved
    }
  })
})

jest.setTimeout(40_000)

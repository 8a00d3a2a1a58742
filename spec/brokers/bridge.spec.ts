import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { jest } from '@jest/globals'
import { type Bridge, type BridgeOptions, bridge } from '../../lib/brokers/bridge.js'
import { embedded } from '../../lib/brokers/embedded.js'
import { PROTOCOL } from '../../lib/brokers/rules/bridgeMessages.js'
import type { Broker } from '../../lib/ports/broker.js'
import { TidemarkError } from '../../lib/record/errors.js'
import { NO_HEADERS } from '../../lib/record/record.js'
import { utf8 } from '../../lib/record/serde.js'
import { texts } from '../../lib/testing/brokerConformance/setting.js'
import { until } from '../until.js'
import { openBridge, TRANSPORTS, type Transport } from './bridged.js'
import { type RawClient, type RawSocket, rawClient } from './rawClient.js'

const HELLO = { type: 'hello', protocol: PROTOCOL }
const open = (id: number, rest: object = {}) => ({
  type: 'open',
  id,
  topic: 'orders',
  partition: 0,
  from: null,
  credit: 1_000_000,
  ...rest,
})

let behind: Broker
let server: Bridge
let url: string
let clients: RawClient[]
let errors: TidemarkError[]

beforeEach(async () => {
  clients = []
  errors = []
  behind = embedded()
  await behind.createTopics([
    { topic: 'orders', partitions: 2 },
    { topic: 'secret', partitions: 1 },
  ])
})
afterEach(async () => {
  for (const client of clients) client.close()
  await server.close()
})

async function serve(options: Partial<BridgeOptions> = {}): Promise<void> {
  const all = { broker: behind, topics: ['orders'], onError: (error: TidemarkError) => errors.push(error), ...options }
  const opened = await openBridge(all)
  server = opened.server
  url = opened.url
}

async function client(transport: Transport, origin?: string): Promise<RawClient> {
  const one = await rawClient(url, transport, origin)
  clients.push(one)
  return one
}

async function write(values: readonly string[], partition = 0): Promise<void> {
  const producer = await behind.producer()
  const record = { topic: 'orders', partition, key: null, timestamp: 1, headers: NO_HEADERS }
  await producer.send(values.map((value) => ({ ...record, value: utf8.encode(value) })))
}

/** The broker, with every call of one of its methods going through a function first. */
function watched(hooks: { [M in 'read' | 'ranges' | 'topics']?: (...args: Parameters<Broker[M]>) => void }): Broker {
  return new Proxy(behind, {
    get(target, property: keyof Broker) {
      const found = target[property]
      const hook = hooks[property as 'read'] as ((...args: unknown[]) => void) | undefined
      if (typeof found !== 'function') return found
      return async (...args: unknown[]) => {
        hook?.(...args)
        return (found as (...all: unknown[]) => unknown).apply(target, args)
      }
    },
  })
}

describe.each(TRANSPORTS)('a bridge over %s', (transport) => {
  test('a client reads from an offset on, and goes on with what is written later', async () => {
    await serve()
    await write(texts('v', 10))
    const one = await (await client(transport)).hello()
    one.say(open(1, { from: 7 }))
    await until('three records', () => one.values(1).length === 3)
    await write(['later'])
    await until('the fourth', () => one.values(1).length === 4)
    expect(one.values(1)).toEqual(['v7', 'v8', 'v9', 'later'])
    const batches = one.heard.filter((message) => message.type === 'batch')
    expect(batches).toEqual([
      { type: 'batch', id: 1, from: 7, end: 10 },
      { type: 'batch', id: 1, from: 10, end: 11 },
    ])
  })

  test.each([
    ['no JSON', '{"type":'],
    ['no object', '7'],
    ['null', 'null'],
    ['an unknown message', '{"type":"write"}'],
    ['a name of Object.prototype', '{"type":"constructor"}'],
    ['a negative offset', JSON.stringify(open(1, { from: -1 }))],
    ['half an offset', JSON.stringify(open(1, { from: 0.5 }))],
    ['a partition that is text', JSON.stringify(open(1, { partition: '0' }))],
    ['no topic', JSON.stringify(open(1, { topic: undefined }))],
    ['a topic that is no text', JSON.stringify(open(1, { topic: ['orders'] }))],
    ['credit beyond numbers', JSON.stringify(open(1)).replace('1000000', '1e400')],
    ['negative credit', '{"type":"credit","id":1,"bytes":-5}'],
    ['names that are none', '{"type":"topics","id":1,"names":[1]}'],
    ['a second hello', JSON.stringify(HELLO)],
  ])('%s ends the connection with BAD_MESSAGE, and others go on', async (_what, text) => {
    await serve()
    await write(['v'])
    const [bad, good] = [await (await client(transport)).hello(), await (await client(transport)).hello()]
    bad.sayText(text)
    expect((await bad.hears('refused')).error.code).toBe('BAD_MESSAGE')
    await until('the end', () => bad.ended)
    good.say(open(1))
    await until('the record', () => good.values(1).length === 1)
  })

  test('another version of the protocol is BAD_MESSAGE, and so is what comes before hello', async () => {
    await serve()
    const [later, rude] = [await client(transport), await client(transport)]
    later.say({ type: 'hello', protocol: PROTOCOL + 1 })
    expect((await later.hears('refused')).error).toMatchObject({
      code: 'BAD_MESSAGE',
      reason: expect.stringContaining(`version ${PROTOCOL + 1}`),
    })
    rude.say(open(1))
    expect((await rude.hears('refused')).error.code).toBe('BAD_MESSAGE')
    await until('the end of both', () => later.ended && rude.ended)
  })

  test('a message that is too large ends the connection', async () => {
    await serve({ maxMessageBytes: 2_000 })
    const one = await (await client(transport)).hello()
    one.say({ type: 'topics', id: 1, names: ['x'.repeat(3_000)] })
    await until('the end', () => one.ended)
    expect(one.ended).toBe(transport === 'sse' ? 400 : 1009)
  })

  test('a topic that is not served is told of as if it was not there', async () => {
    await serve()
    const one = await (await client(transport)).hello()
    const asked = ['secret', 'nowhere']
    asked.forEach((topic, index) => {
      one.say(open(index, { topic }))
      one.say({ type: 'ranges', id: index + 10, topic })
    })
    for (const id of [0, 1, 10, 11]) {
      const { error } = await one.hears('refused', id)
      expect(error).toMatchObject({ code: 'UNKNOWN_TOPIC' })
      expect(error.reason).toBe(`the bridge serves no topic "${asked[id % 10]}"`)
    }
    one.say({ type: 'topics', id: 20 })
    one.say({ type: 'topics', id: 21, names: [...asked, 'orders'] })
    expect((await one.hears('topics', 20)).topics).toEqual([['orders', 2]])
    expect((await one.hears('topics', 21)).topics).toEqual([['orders', 2]])
    one.say(open(2, { partition: 2 }))
    expect((await one.hears('refused', 2)).error).toMatchObject({ code: 'UNKNOWN_TOPIC', place: { partition: 2 } })
    expect(server.stats()).toMatchObject({ clients: 1, subscriptions: 0 })
  })

  test('a topic that is added to the list is served from then on', async () => {
    const topics = ['orders']
    await serve({ topics })
    const one = await (await client(transport)).hello()
    topics.push('secret')
    one.say({ type: 'topics', id: 1 })
    expect((await one.hears('topics', 1)).topics).toEqual([
      ['orders', 2],
      ['secret', 1],
    ])
  })

  test('authorise is asked once for each topic of a connection', async () => {
    const asked: unknown[] = []
    await serve({
      topics: ['orders', 'secret'],
      authorise({ token, topic, request }) {
        asked.push([token, topic, request.socket.remoteAddress])
        return token === 'let me in' && topic === 'orders'
      },
    })
    const [one, other] = [await client(transport), await client(transport)]
    await one.hello({ token: 'let me in' })
    await other.hello()
    one.say(open(1))
    one.say(open(2, { topic: 'secret' }))
    expect((await one.hears('refused', 2)).error).toMatchObject({ code: 'NOT_AUTHORISED', place: { topic: 'secret' } })
    one.say({ type: 'ranges', id: 3, topic: 'orders' })
    one.say({ type: 'topics', id: 4 })
    expect((await one.hears('ranges', 3)).ranges).toHaveLength(2)
    expect((await one.hears('topics', 4)).topics).toEqual([['orders', 2]])
    expect(asked.sort()).toEqual([
      ['let me in', 'orders', '127.0.0.1'],
      ['let me in', 'secret', '127.0.0.1'],
    ])
    other.say({ type: 'ranges', id: 1, topic: 'orders' })
    other.say({ type: 'topics', id: 2, names: ['orders'] })
    for (const id of [1, 2]) expect((await other.hears('refused', id)).error.code).toBe('NOT_AUTHORISED')
  })

  test('an authorise that throws lets nobody in, says nothing of itself, and is asked again', async () => {
    let fails = true
    await serve({
      async authorise() {
        if (fails) throw new Error('db7.internal is down')
        return true
      },
    })
    const one = await (await client(transport)).hello()
    one.say(open(1))
    expect((await one.hears('refused', 1)).error.code).toBe('BROKER_UNAVAILABLE')
    expect(JSON.stringify(one.heard)).not.toContain('internal')
    expect(errors.map(({ message }) => message)).toContain('BAD_STATE: db7.internal is down')
    fails = false
    await write(['v'])
    one.say(open(2))
    await until('the record', () => one.values(2).length === 1)
  })

  test('an authorise that never answers lets nobody in, and is asked again', async () => {
    let hangs = true
    await serve({
      heartbeat: 100,
      authorise: () => (hangs ? new Promise<boolean>(() => {}) : true),
    })
    const one = await (await client(transport)).hello()
    one.say(open(1))
    expect((await one.hears('refused', 1)).error.code).toBe('BROKER_UNAVAILABLE')
    expect(errors.map(({ message }) => message)).toEqual(['BAD_STATE: authorise has not answered within 300 ms'])
    hangs = false
    await write(['v'])
    one.say(open(2))
    await until('the record', () => one.values(2).length === 1)
  })

  test('offsets that the log does not hold are refused, with what it holds', async () => {
    await serve()
    await write(texts('v', 3))
    const one = await (await client(transport)).hello()
    one.say(open(1, { from: 4 }))
    one.say(open(2, { from: 0, to: 9 }))
    for (const [id, offset] of [
      [1, 4],
      [2, 9],
    ] as const) {
      const { error, range } = await one.hears('refused', id)
      expect(range).toEqual({ start: 0, end: 3 })
      expect(error).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', place: { topic: 'orders', partition: 0, offset } })
    }
    one.say(open(3, { from: 1, to: 2 }))
    await one.hears('end', 3)
    expect(one.values(3)).toEqual(['v1'])
    one.say(open(4, { from: 3 }))
    await write(['v3'])
    await until('what was written then', () => one.values(4).length === 1)
  })

  test('a stretch ends where it was to end, also where more is kept of what others have read', async () => {
    await serve()
    await write(texts('v', 100))
    const one = await (await client(transport)).hello()
    one.say(open(0))
    await until('all', () => one.values(0).length === 100)
    const kept: number[] = []
    for (const id of [1, 2, 3]) {
      one.say(open(id, { from: 0, to: 40 - 10 * id }))
      await one.hears('end', id)
      expect(one.values(id)).toEqual(texts('v', 40 - 10 * id))
      kept.push(server.stats().keptBytes)
    }
    // What is kept of the same place takes its place.
    expect(kept).toEqual([...kept].sort((a, b) => b - a))
    expect(new Set(kept).size).toBe(3)
  })

  test('without credit nothing is sent, nor read', async () => {
    const reads: number[] = []
    await serve({ broker: watched({ read: ({ partition }) => reads.push(partition) }) })
    const values = texts('a long value for a piece that is not small ', 4_000)
    await write(values)
    await write(values, 1)
    const one = await (await client(transport)).hello()
    one.say(open(1, { credit: 0 }))
    one.say(open(2, { partition: 1, credit: 1 }))
    one.say(open(3, { partition: 1, from: 3_990 }))
    await until('what there is credit for', () => one.values(2).length > 0 && one.values(3).length === 10)
    const first = one.values(2).length
    expect([one.count('batch', 1), one.count('batch', 2)]).toEqual([0, 1])
    expect(first).toBeLessThan(values.length)
    expect(reads).toEqual([1, 1])
    // The batch went beyond: that has to be granted, too, before there is any more.
    one.say({ type: 'credit', id: 2, bytes: 10 })
    one.say({ type: 'ranges', id: 4, topic: 'orders' })
    await one.hears('ranges', 4)
    expect(one.count('batch', 2)).toBe(1)
    one.say({ type: 'credit', id: 2, bytes: 10_000_000 })
    one.say({ type: 'credit', id: 1, bytes: 10_000_000 })
    await until('all', () => one.values(1).length === values.length && one.values(2).length === values.length)
    expect([one.values(1), one.values(2)]).toEqual([values, values])
  })

  test('clients at the same place share a read', async () => {
    let reads = 0
    await serve({
      broker: watched({
        read: () => {
          reads++
        },
      }),
    })
    const all = await Promise.all(Array.from({ length: 10 }, async () => (await client(transport)).hello()))
    for (const one of all) one.say(open(1))
    await until('all to be there', () => server.stats().subscriptions === 10)
    for (let n = 1; n <= 5; n++) {
      await write([`v${n}`])
      await until('all to have it', () => all.every((one) => one.values(1).length === n))
    }
    expect(reads).toBe(5)
    expect(server.stats().keptBytes).toBeGreaterThan(0)
    for (const one of all) one.close()
    await until('all to have gone', () => server.stats().clients === 0)
    expect(server.stats()).toEqual({ clients: 0, subscriptions: 0, keptBytes: 0, cutOff: 0 })
  })

  test('there are as many clients and partitions as the limits say', async () => {
    await serve({ maxClients: 2, maxSubscriptions: 2 })
    const [one, two, three] = [await client(transport), await client(transport), await client(transport)]
    await one.hello()
    await two.hello()
    three.say(HELLO)
    expect((await three.hears('refused')).error.code).toBe('LIMIT_REACHED')
    await until('the end', () => three.ended)
    one.say(open(1))
    one.say(open(2))
    one.say(open(3))
    expect((await one.hears('refused', 3)).error.code).toBe('LIMIT_REACHED')
    one.say({ type: 'close', id: 1 })
    await until('room for another', () => server.stats().subscriptions === 1)
    one.say(open(4))
    await until('that one', () => server.stats().subscriptions === 2)
    await write(['v'])
    await until('both', () => one.values(2).length === 1 && one.values(4).length === 1)
    expect(one.values(1)).toEqual([])
    two.close()
    await until('room', () => server.stats().clients === 1)
    await (await client(transport)).hello()
  })

  test('a client that answers no ping is cut off, one that does stays', async () => {
    await serve({ heartbeat: '100ms' })
    const [silent, lively] = [await (await client(transport)).hello(), await (await client(transport)).hello()]
    silent.answersPings = false
    await until('the end of the silent one', () => server.stats().clients === 1)
    lively.say({ type: 'topics', id: 1 })
    await lively.hears('topics', 1)
  })

  test('trouble with the broker is told without its words, and passes', async () => {
    let fails = { ranges: false, read: false }
    const fail = (what: 'ranges' | 'read') => () => {
      if (fails[what]) throw new TidemarkError('BROKER_UNAVAILABLE', `kafka db7.internal:9092 fails to ${what}`)
    }
    await serve({ broker: watched({ ranges: fail('ranges'), read: fail('read') }) })
    const one = await (await client(transport)).hello()
    one.say(open(1))
    await until('it to be open', () => server.stats().subscriptions === 1)
    for (const what of ['ranges', 'read'] as const) {
      const before = one.count('trouble', 1)
      fails = { ranges: what === 'ranges', read: what === 'read' }
      await write([what])
      await until('the trouble', () => one.count('trouble', 1) > before)
      await until('another try', () => errors.filter(({ message }) => message.includes(`fails to ${what}`)).length > 1)
      expect(one.count('trouble', 1)).toBe(before + 1)
      if (what === 'ranges') {
        one.say({ type: 'ranges', id: 2, topic: 'orders' })
        expect((await one.hears('refused', 2)).error.code).toBe('BROKER_UNAVAILABLE')
      }
      fails = { ranges: false, read: false }
      await until('the record', () => one.values(1).includes(what))
    }
    expect(one.values(1)).toEqual(['ranges', 'read'])
    expect(JSON.stringify(one.heard)).not.toContain('internal')
    expect((one.heard.find(({ type }) => type === 'trouble') as any).error).toEqual({
      code: 'BROKER_UNAVAILABLE',
      reason: 'the bridge has trouble of its own; its log says which',
      place: { topic: 'orders', partition: 0 },
    })
  })

  test('pages of other origins are refused', async () => {
    await serve({ origins: ['https://shop.example'] })
    const stranger = await client(transport, 'https://evil.example')
    stranger.say(HELLO)
    expect((await stranger.hears('refused')).error.code).toBe('NOT_AUTHORISED')
    await until('the end', () => stranger.ended)
    await (await client(transport, 'https://shop.example')).hello()
  })

  test('it works beside what else an HTTP server does', async () => {
    server = bridge({ broker: behind, topics: ['orders'], authorise: () => true, origins: [], pollInterval: 5 })
    await server.connect()
    const http = createServer((request, response) => {
      if (request.url === '/bridge') server.handle(request, response)
      else response.end('the page')
    })
    http.on('upgrade', (request, socket, head) => {
      if (request.url === '/bridge') server.upgrade(request, socket, head)
      else socket.destroy()
    })
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    const base = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
    url = `${base}/bridge`
    const one = await (await client(transport)).hello()
    await write(['v'])
    one.say(open(1))
    await until('the record', () => one.values(1).length === 1)
    expect(await (await fetch(`${base}/`)).text()).toBe('the page')
    await server.close()
    await until('the end', () => one.ended)
    const late = await client(transport)
    if (transport === 'sse') late.say(HELLO)
    await until('the end of one who comes later', () => late.ended)
    if (transport === 'sse') expect(late.ended).toBe(503)
    expect(server.stats().clients).toBe(0)
    await server.connect()
    await (await client(transport)).hello()
    await server.close()
    http.closeAllConnections()
    await new Promise((resolve) => http.close(resolve))
  })
})

test('what the broker says when it is asked for topics goes to onError', async () => {
  const topics = () => {
    throw new TidemarkError('BROKER_UNAVAILABLE', 'kafka db7.internal:9092 fails')
  }
  await serve({ broker: watched({ topics }) })
  const one = await (await client('websocket')).hello()
  one.say({ type: 'topics', id: 1 })
  expect((await one.hears('refused', 1)).error.code).toBe('BROKER_UNAVAILABLE')
  expect(errors.map(({ message }) => message)).toEqual(['BROKER_UNAVAILABLE: kafka db7.internal:9092 fails'])
})

test.each(['ranges', 'read'] as const)(
  'an onError that throws when the broker fails to give %s is uncaught, and no topic is lost by it',
  async (what) => {
    const uncaught: unknown[] = []
    const queue = globalThis.queueMicrotask
    const spy = jest.spyOn(globalThis, 'queueMicrotask').mockImplementation((callback) =>
      queue(() => {
        try {
          callback()
        } catch (error) {
          uncaught.push(error)
        }
      }),
    )
    let fails = false
    const fail = () => {
      if (fails) throw new Error('db7.internal is down')
    }
    const onError = () => {
      throw new Error('the log is full')
    }
    await serve({ broker: watched({ [what]: fail }), onError })
    const one = await (await client('websocket')).hello()
    one.say(open(1))
    await until('it to be open', () => server.stats().subscriptions === 1)
    fails = true
    await write(['v'])
    await until('two failures', () => uncaught.length > 1)
    fails = false
    await until('the record', () => one.values(1).length === 1)
    expect(new Set(uncaught.map(String))).toEqual(new Set(['Error: the log is full']))
    spy.mockRestore()
  },
)

test('of a client that does not take what is sent, little waits in the server, and all comes once it does', async () => {
  let read = 0
  const value = 'x'.repeat(100_000)
  const values = Array.from({ length: 600 }, (_, n) => `${n} ${value}`)
  await serve({
    broker: watched({
      read: () => {
        read++
      },
    }),
  })
  for (let at = 0; at < values.length; at += 20) await write(values.slice(at, at + 20))
  const one = (await client('websocket')) as RawSocket
  await one.hello()
  one.socket.pause()
  one.say(open(1, { credit: 1e12 }))
  // It reads until the network takes no more: as long as something moves, that isn't so yet.
  let last = -1
  let still = 0
  await until('it to stand still', () => {
    still = read === last && read > 0 ? still + 1 : 0
    last = read
    return still > 50
  })
  expect(server.stats().keptBytes).toBeLessThan(3 << 20)
  // A read is at most 2 MB here; all of it would take thirty.
  expect(read).toBeLessThan(15)
  one.socket.resume()
  await until('all', () => one.records.length === values.length, 20_000)
  expect(one.values(1)).toEqual(values)
})

test.each([
  ['where topics begin and end', (id: number) => ({ type: 'ranges', id, topic: 'orders' })],
  ['what is refused', (id: number) => open(id, { topic: 'x'.repeat(1_000) })],
])('a client that asks %s, on and on, and takes no answer is cut off; others go on', async (_what, question) => {
  await behind.deleteTopics(['orders'])
  await behind.createTopics([{ topic: 'orders', partitions: 100 }])
  await serve()
  const [one, other] = [(await client('websocket')) as RawSocket, await (await client('websocket')).hello()]
  await one.hello()
  one.socket.pause()
  let id = 0
  // The network takes some megabytes before anything waits.
  await until(
    'it to be cut off',
    () => {
      for (let n = 0; n < 200; n++) one.say(question(id++))
      return server.stats().cutOff === 1
    },
    30_000,
  )
  expect(server.stats().clients).toBe(1)
  expect(errors.map(({ code }) => code)).toEqual(['LIMIT_REACHED'])
  other.say({ type: 'topics', id: 1 })
  await other.hears('topics', 1)
})

test('one that is slow, and asks as it should, is not', async () => {
  await serve()
  await write(Array.from({ length: 40 }, () => 'x'.repeat(100_000)))
  const one = (await client('websocket')) as RawSocket
  await one.hello()
  one.socket.pause()
  one.say(open(1, { credit: 1e9 }))
  for (let id = 2; id < 300; id++) one.say({ type: 'ranges', id, topic: 'orders' })
  await until('all to be read', () => server.stats().subscriptions === 1)
  one.socket.resume()
  await until('all', () => one.records.length === 40)
  await one.hears('ranges', 299)
  expect(server.stats()).toMatchObject({ clients: 1, cutOff: 0 })
})

describe('over HTTP', () => {
  const post = (body: string, headers: Record<string, string> = {}) =>
    fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } })

  test('what is no list of messages as JSON is BAD_MESSAGE', async () => {
    await serve()
    const answers = [
      await post('{"type":"hello"}'),
      await post('hello'),
      await post('[]', { 'content-type': 'text/plain' }),
      await fetch(url),
    ]
    for (const answer of answers) {
      expect(answer.status).toBe(400)
      expect(await answer.json()).toMatchObject({ code: 'BAD_MESSAGE' })
    }
  })

  test.each([
    ['parsed', (text: string): unknown => JSON.parse(text)],
    ['as text', (text: string): unknown => text],
    ['as bytes', (text: string): unknown => Buffer.from(text)],
    ['nowhere', () => undefined],
  ])('a body that another has read before is taken from request.body, where it is %s', async (where, parse) => {
    server = bridge({ broker: behind, topics: ['orders'], authorise: () => true, origins: [], pollInterval: 5 })
    await server.connect()
    const http = createServer(async (request, response) => {
      let text = ''
      for await (const part of request) text += part
      server.handle(Object.assign(request, { body: parse(text) }), response)
    })
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/`
    const one = await client('sse')
    one.say(HELLO)
    if (where === 'nowhere') {
      const { error } = await one.hears('refused')
      expect(error).toMatchObject({ code: 'BAD_MESSAGE', reason: expect.stringContaining('request.body') })
    } else {
      await one.hears('welcome')
      await write(['v'])
      one.say(open(1))
      await until('the record', () => one.values(1).length === 1)
      expect((await post('{"type":"hello"}')).status).toBe(400)
    }
    await server.close()
    http.closeAllConnections()
    await new Promise((resolve) => http.close(resolve))
  })

  test('a stream that is refused, and whose client takes nothing, counts until it is cut', async () => {
    await serve({ maxClients: 1 })
    await write(Array.from({ length: 100 }, () => 'x'.repeat(100_000)))
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    const body = JSON.stringify([HELLO, open(1, { credit: 1e9 })])
    const head = `host: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`
    socket.write(`POST / HTTP/1.1\r\n${head}\r\n\r\n${body}`)
    let heard = ''
    const session = await new Promise<string>((resolve) => {
      socket.on('data', function hear(part) {
        heard += part
        const found = /"session":"([^"]+)/.exec(heard)?.[1]
        if (found === undefined) return
        socket.off('data', hear).pause()
        resolve(found)
      })
    })
    const ended = new Promise((resolve) => socket.on('error', resolve).on('close', resolve))
    await until('it to read', () => server.stats().subscriptions === 1 && server.stats().keptBytes > 0)
    await post('[{"type":"nonsense"}]', { 'tidemark-session': session })
    expect(server.stats()).toMatchObject({ clients: 1, subscriptions: 0 })
    expect((await post('[{"type":"pong"}]', { 'tidemark-session': session })).status).toBe(404)
    const other = await client('sse')
    other.say(HELLO)
    expect((await other.hears('refused')).error.code).toBe('LIMIT_REACHED')
    await until('it to be cut', () => server.stats().clients === 0, 20_000)
    socket.resume()
    await ended
    await (await client('sse')).hello()
  }, 30_000)

  test('a session that is over, or never was, is 404', async () => {
    await serve()
    const answer = await post('[{"type":"pong"}]', { 'tidemark-session': 'nobody' })
    expect([answer.status, (await answer.json()).code]).toEqual([404, 'BAD_STATE'])
  })

  test('a page of another origin on the list is let in by the browser, with its cookies; others are not', async () => {
    await serve({ origins: ['https://shop.example'] })
    const preflight = (origin: string) => fetch(url, { method: 'OPTIONS', headers: { origin } })
    const granted = await preflight('https://shop.example')
    expect(granted.status).toBe(204)
    expect(Object.fromEntries(granted.headers)).toMatchObject({
      'access-control-allow-origin': 'https://shop.example',
      'access-control-allow-credentials': 'true',
      'access-control-allow-headers': 'content-type, tidemark-session',
      vary: 'origin',
    })
    const refused = await preflight('https://evil.example')
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([403, null])
  })
})

test.each([
  [{ maxClients: 0 }, 'BAD_OPTION'],
  [{ maxMessageBytes: 10 }, 'BAD_OPTION'],
  [{ heartbeat: 'soon' as never }, 'BAD_DURATION'],
])('options %j are %s', async (options, code) => {
  await serve()
  expect(() => bridge({ broker: behind, topics: [], authorise: () => true, origins: [], ...options })).toThrow(code)
})

test('a port that is taken is an error of listen, and lets go of the broker', async () => {
  await serve()
  const other = bridge({ broker: behind, topics: [], authorise: () => true, origins: [] })
  await expect(other.listen(Number(new URL(url).port))).rejects.toThrow('EADDRINUSE')
})

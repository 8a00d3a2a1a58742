import { embedded } from '../../lib/brokers/embedded.js'
import type { Broker } from '../../lib/ports/broker.js'
import type { StoreAdapter, StoreChanges } from '../../lib/ports/store.js'
import { NO_HEADERS } from '../../lib/record/record.js'
import { utf8 } from '../../lib/record/serde.js'
import { memory } from '../../lib/stores/memory.js'
import { brokerConformance } from '../../lib/testing/brokerConformance.js'

type Data = Map<string, Map<string, Uint8Array>>

/** A store over data that outlives it; what `onCommit` does to a commit happens before any of it is written. */
function storeOver(
  data: Data,
  onCommit: (changes: readonly StoreChanges[]) => Promise<void> = async () => {},
): StoreAdapter {
  let order: Promise<void> = Promise.resolve()
  return {
    name: 'test',
    durable: true,
    shared: false,
    open: async () => {},
    load: async (scope, each) => each(new Map(data.get(scope))),
    commit: (changes) => {
      const done = order.then(async () => {
        await onCommit(changes)
        for (const { scope, entries, reset } of changes) {
          const held = (!reset && data.get(scope)) || new Map<string, Uint8Array>()
          data.set(scope, held)
          for (const [key, value] of entries) value === null ? held.delete(key) : held.set(key, value)
        }
      })
      order = done.catch(() => {})
      return done
    },
    clear: async (scope) => void data.delete(scope),
    scopes: async () => [...data.keys()],
    close: async () => {},
  }
}

async function over(data: Data, onCommit?: (changes: readonly StoreChanges[]) => Promise<void>, compactAfter = 1_000) {
  const broker = embedded({ store: storeOver(data, onCommit), compactAfter })
  await broker.connect()
  return broker
}

const out = (topic: string, value: string, key: string | null = null) => ({
  topic,
  partition: 0,
  key: key === null ? null : utf8.encode(key),
  value: utf8.encode(value),
  timestamp: 5,
  headers: NO_HEADERS,
})

async function valuesOf(broker: Broker, topic: string): Promise<string[]> {
  const values: string[] = []
  const end = (await broker.ranges(topic))[0]?.end ?? 0
  await broker.read({ topic, partition: 0 }, 0, end, ({ records }) => {
    for (const { value } of records) values.push(utf8.decode(value as Uint8Array))
  })
  return values
}

describe('the contract of a broker, with a store', () => {
  const shared = embedded({ store: memory() })
  for (const { name, run } of brokerConformance(() => shared)) test(name, run)
})

test('topics, records and offsets are there again in the next process', async () => {
  const data: Data = new Map()
  const first = await over(data)
  await first.createTopics([
    { topic: 't', partitions: 2 },
    { topic: 'gone', partitions: 1 },
  ])
  const producer = await first.producer()
  const record = {
    topic: 't',
    partition: 1,
    key: Uint8Array.of(0, 255),
    value: null,
    timestamp: 1_700_000_000_000,
    headers: [
      ['h', null],
      ['h', Uint8Array.of(1)],
      ['ü', new Uint8Array()],
    ] as const,
  }
  await producer.send([out('t', 'a'), record, out('t', 'b'), out('gone', 'x')])
  const transaction = await (await first.transactionalProducer('id')).begin()
  await transaction.send([out('t', 'c')])
  await transaction.sendOffsets('group', [
    { topic: 't', partition: 0, offset: 2 },
    { topic: 'gone', partition: 0, offset: 1 },
  ])
  await transaction.commit()
  await first.deleteTopics(['gone'])

  const second = await over(data)
  expect([...(await second.topics())]).toEqual([['t', 2]])
  expect(await second.ranges('t')).toEqual([
    { start: 0, end: 4 },
    { start: 0, end: 1 },
  ])
  expect(await valuesOf(second, 't')).toEqual(['a', 'b', 'c'])
  expect(await second.committed('group', ['t', 'gone'])).toEqual([{ topic: 't', partition: 0, offset: 2 }])
  await second.read({ topic: 't', partition: 1 }, 0, 1, ({ records: [found] }) => {
    expect([...(found?.key ?? [])]).toEqual([0, 255])
    expect([found?.value, found?.timestamp, found?.offset]).toEqual([null, 1_700_000_000_000, 0])
    expect(found?.headers.map(([name, value]) => [name, value && [...value]])).toEqual([
      ['h', null],
      ['h', [1]],
      ['ü', []],
    ])
  })
  await (await second.producer()).send([out('t', 'd')])
  expect(await valuesOf(await over(data), 't')).toEqual(['a', 'b', 'c', 'd'])
})

test('a topic that begins further on does so in the next process too', async () => {
  const data: Data = new Map()
  const broker = await over(data)
  await broker.createTopics([{ topic: 't', partitions: 2, starts: [7] }])
  const producer = await broker.producer()
  for (const value of ['a', 'b']) await producer.send([out('t', value)])
  expect(await broker.ranges('t')).toEqual([
    { start: 7, end: 9 },
    { start: 0, end: 0 },
  ])
  await expect(broker.read({ topic: 't', partition: 0 }, 6, 9, () => {})).rejects.toMatchObject({
    code: 'OFFSET_OUT_OF_RANGE',
  })
  const next = await over(data)
  expect(await next.ranges('t')).toEqual(await broker.ranges('t'))
  const read: [number, string][] = []
  await next.read({ topic: 't', partition: 0 }, 7, 9, ({ records }) => {
    for (const { offset, value } of records) read.push([offset, utf8.decode(value as Uint8Array)])
  })
  expect(read).toEqual([
    [7, 'a'],
    [8, 'b'],
  ])
})

test('compaction reaches the store, and nothing that matters is lost by it', async () => {
  const data: Data = new Map()
  const first = await over(data, undefined, 20)
  await first.createTopics([{ topic: 'table', partitions: 1, compacted: true }])
  const producer = await first.producer()
  for (let i = 0; i < 300; i++) await producer.send([out('table', `v${i}`, `k${i % 3}`)])
  await first.close()
  expect(data.get('broker/topic/table/0')?.size).toBeLessThan(30)
  const second = await over(data, undefined, 20)
  expect((await valuesOf(second, 'table')).slice(-3)).toEqual(['v297', 'v298', 'v299'])
  expect(await second.ranges('table')).toEqual([{ start: 0, end: 300 }])
})

test('send resolves when its records are stored, and nobody sees them before', async () => {
  let store = () => {}
  let isSlow = false
  const broker = await over(new Map(), async () => {
    if (isSlow) await new Promise<void>((resolve) => (store = resolve))
  })
  await broker.createTopics([{ topic: 't', partitions: 1 }])
  isSlow = true
  let isSent = false
  const sending = (await broker.producer()).send([out('t', 'a')]).then(() => (isSent = true))
  await new Promise((resolve) => setImmediate(resolve))
  expect([isSent, await valuesOf(broker, 't')]).toEqual([false, []])
  store()
  await sending
  expect(await valuesOf(broker, 't')).toEqual(['a'])
})

test('a store that can’t be read is let go of, and read when it can', async () => {
  const inner = memory()
  let isFailing = true
  const store: StoreAdapter = {
    ...inner,
    load: (scope, each) => (isFailing ? Promise.reject(new Error('unreadable')) : inner.load(scope, each)),
  }
  const broker = embedded({ store })
  for (let attempt = 0; attempt < 2; attempt++) await expect(broker.connect()).rejects.toThrow('unreadable')
  isFailing = false
  await broker.connect()
  expect(await broker.topics()).toEqual(new Map())
  await broker.close()
})

test('a store that fails fails the send, leaves nothing of it, and later sends work', async () => {
  const data: Data = new Map()
  let failing = false
  const broker = await over(data, async () => {
    if (failing) throw new Error('disk full')
  })
  await broker.createTopics([{ topic: 't', partitions: 1 }])
  const producer = await broker.producer()
  const transactional = await broker.transactionalProducer('id')
  failing = true
  await expect(producer.send([out('t', 'lost')])).rejects.toThrow('disk full')
  const transaction = await transactional.begin()
  await transaction.send([out('t', 'lost')])
  await transaction.sendOffsets('group', [{ topic: 't', partition: 0, offset: 1 }])
  await expect(transaction.commit([{ scope: 'task', entries: [['k', Uint8Array.of(1)]] }])).rejects.toThrow('disk full')
  failing = false
  await producer.send([out('t', 'kept')])
  for (const each of [broker, await over(data)]) {
    expect(await valuesOf(each, 't')).toEqual(['kept'])
    expect(await each.ranges('t')).toEqual([{ start: 0, end: 1 }])
    expect(await each.committed('group', ['t'])).toEqual([])
  }
  expect(data.has('task')).toBe(false)
})

test('a fenced transaction stores nothing, also when its commit is already waiting', async () => {
  const data: Data = new Map()
  const broker = await over(data)
  await broker.createTopics([{ topic: 't', partitions: 1 }])
  const older = await (await broker.transactionalProducer('id')).begin()
  await older.send([out('t', 'old')])
  const successor = await broker.transactionalProducer('id')
  const committing = older.commit([{ scope: 'task', entries: [['k', Uint8Array.of(1)]] }])
  const beginning = successor.begin()
  await expect(committing).rejects.toMatchObject({ code: 'FENCED' })
  await (await beginning).commit()
  expect(await valuesOf(broker, 't')).toEqual([])
  expect(data.has('task')).toBe(false)
})

test('after a crash at any commit, records, offsets and what went along tell the same', async () => {
  for (let crashAt = 1; crashAt <= 14; crashAt++) {
    const data: Data = new Map()
    let commits = 0
    const crashed = new Promise<void>((resolve) => {
      const run = async () => {
        const broker = await over(data, async () => {
          if (++commits < crashAt) return
          resolve()
          await new Promise(() => {})
        })
        await broker.createTopics([
          { topic: 'in', partitions: 1 },
          { topic: 'out', partitions: 1 },
        ])
        await (await broker.producer()).send(Array.from({ length: 10 }, (_, i) => out('in', `${i}`)))
        const producer = await broker.transactionalProducer('id')
        for (let n = 1; n <= 10; n++) {
          const transaction = await producer.begin()
          await transaction.send([out('out', `${n}`)])
          await transaction.sendOffsets('group', [{ topic: 'in', partition: 0, offset: n }])
          await transaction.commit([{ scope: 'task', entries: [['count', utf8.encode(`${n}`)]] }])
        }
        resolve()
      }
      void run()
    })
    await crashed

    const broker = await over(data)
    const topics = await broker.topics()
    const written = topics.has('out') ? await valuesOf(broker, 'out') : []
    const [committed] = await broker.committed('group', ['in'])
    const along = data.get('task')?.get('count')
    expect([committed?.offset ?? 0, along ? Number(utf8.decode(along)) : 0]).toEqual([written.length, written.length])
    // Transactional ids start with a barrier, which stores nothing.
    expect(written).toEqual(Array.from({ length: Math.max(0, Math.min(10, crashAt - 3)) }, (_, i) => `${i + 1}`))
  }
})

test('a store that processes share is refused', () => {
  expect(() => embedded({ store: { ...storeOver(new Map()), shared: true } })).toThrow(
    'BAD_OPTION: embedded: test is shared by processes, and each would write the same topics',
  )
})

test('without connect there is nothing to read from the store, and it says so', async () => {
  const broker = embedded({ store: memory() })
  await expect(broker.topics()).rejects.toMatchObject({ code: 'BAD_STATE' })
})

test('the store is let go with the last app, and the next finds everything', async () => {
  const store = memory()
  const broker = embedded({ store })
  await broker.connect()
  await broker.connect()
  await broker.createTopics([{ topic: 't', partitions: 1 }])
  await (await broker.producer()).send([out('t', 'a')])
  await broker.close()
  expect(await valuesOf(broker, 't')).toEqual(['a'])
  await broker.close()
  await store.open('embedded')
  await store.close()
  await broker.connect()
  expect(await valuesOf(broker, 't')).toEqual(['a'])
  await broker.close()
})

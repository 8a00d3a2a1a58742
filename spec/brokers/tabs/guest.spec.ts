import { embedded } from '../../../lib/brokers/embedded.js'
import { Done } from '../../../lib/brokers/tabs/done.js'
import { Guest } from '../../../lib/brokers/tabs/guest.js'
import type { Calls, Reply, Request } from '../../../lib/brokers/tabs/wire.js'
import type { Broker } from '../../../lib/ports/broker.js'
import { loadAll } from '../../../lib/ports/loadAll.js'
import { NO_HEADERS } from '../../../lib/record/record.js'
import { memory } from '../../../lib/stores/memory.js'
import { connectTo, openBridge } from '../bridged.js'

const store = memory()
let broker: Broker
let done: Done
let guest: Guest
let replies: Reply[]

/** Another host over the same store: it knows what was committed. */
async function nextHost(over: (own: Broker) => Broker = (own) => own): Promise<void> {
  await broker?.close()
  broker = over(embedded({ store }))
  await broker.connect()
  done = new Done(broker, store)
  await done.load()
  replies = []
  guest = new Guest('tab', broker, done, (reply) => replies.push(reply))
}

const ask = (id: number, call: keyof Calls, args: readonly unknown[], open = id) =>
  guest.answer({ from: 'tab', id, open, call, with: args } satisfies Request)
const out = (value: number) => ({
  topic: 'clicks',
  partition: 0,
  key: null,
  value: Uint8Array.of(value),
  timestamp: 0,
  headers: NO_HEADERS,
})
async function values(): Promise<number[]> {
  const found: number[] = []
  const [range] = await broker.ranges('clicks')
  await broker.read({ topic: 'clicks', partition: 0 }, 0, range?.end as number, ({ records }) => {
    for (const { value } of records) found.push(value?.[0] as number)
  })
  return found
}
/** What the store has of requests. */
const remembered = async () => (await loadAll(store, 'broker/tabs')).map(([key]) => key).sort()

beforeEach(async () => {
  await nextHost()
  await broker.createTopics([{ topic: 'clicks', partitions: 1 }])
})
afterEach(async () => {
  await broker.deleteTopics(['clicks'])
  await done.forget('tab')
})

test('what was stored, and of which no answer came, the next host doesn’t store again', async () => {
  await ask(1, 'send', [[out(1)]])
  await nextHost()
  await ask(1, 'send', [[out(1)]], 1)
  await ask(2, 'send', [[out(2)]], 1)
  expect(replies).toEqual([
    { id: 1, value: undefined },
    { id: 2, value: undefined },
  ])
  expect(await values()).toEqual([1, 2])
})

test('what was stored beside the topics of a bridge isn’t stored again, either', async () => {
  const behind = embedded()
  await behind.createTopics([{ topic: 'orders', partitions: 1 }])
  const { server, url } = await openBridge({ broker: behind, topics: ['orders'] })
  const overBridge = (local: Broker) => connectTo(url, 'sse', { local })
  await nextHost(overBridge)
  await ask(1, 'send', [[out(1)]])
  await nextHost(overBridge)
  await ask(1, 'send', [[out(1)]])
  expect(replies).toEqual([{ id: 1, value: undefined }])
  expect(await values()).toEqual([1])
  await nextHost()
  await server.close()
})

test('what a tab sends along is stored with it', async () => {
  const entries = (value: number) => [['place', Uint8Array.of(value)]]
  await ask(1, 'send', [[out(1)], [{ scope: 'of the tab', entries: entries(7) }]])
  expect(await loadAll(store, 'of the tab')).toEqual(entries(7))
})

test('what has been refused is tried again, though what came after it is stored', async () => {
  await Promise.all([
    ask(1, 'send', [[{ ...out(1), topic: 'later' }]]),
    ask(2, 'send', [[out(2)]], 1),
    ask(3, 'send', [[out(3)]], 1),
  ])
  expect(replies).toContainEqual({ id: 1, error: expect.objectContaining({ code: 'UNKNOWN_TOPIC' }) })
  await nextHost()
  for (const id of [1, 2, 3]) await ask(id, 'send', [[out(id)]], 1)
  expect(await values()).toEqual([2, 3, 1])
})

test('one that comes twice at the same time is done once', async () => {
  await Promise.all([ask(1, 'send', [[out(1)]]), ask(1, 'send', [[out(1)]])])
  expect(await values()).toEqual([1])
  expect(replies).toEqual([{ id: 1, value: undefined }])
})

test('a commit of which no answer came is known to the next host; a transaction that was open is not', async () => {
  for (const [at, id] of [
    [1, 'first'],
    [10, 'second'],
  ] as const) {
    await ask(at, 'begin', [at, id, at])
    await ask(at + 1, 'sendIn', [at, [out(at)]])
  }
  await ask(3, 'commit', [1, undefined])
  await nextHost()
  await ask(3, 'commit', [1, undefined])
  await ask(12, 'commit', [10, undefined])
  expect(replies).toEqual([
    { id: 3, value: [] },
    { id: 12, error: expect.objectContaining({ code: 'FENCED' }) },
  ])
  expect(await values()).toEqual([1])
})

test('what a tab has heard of is forgotten with what it asks next, and all of it when it ends', async () => {
  for (const id of [1, 2, 3]) await ask(id, 'send', [[out(id)]], 1)
  expect(await remembered()).toEqual(['tab 1', 'tab 2', 'tab 3'])
  await ask(4, 'send', [[out(4)]], 3)
  expect(await remembered()).toEqual(['tab 3', 'tab 4'])
  await done.forget('tab')
  expect(await remembered()).toEqual([])
})

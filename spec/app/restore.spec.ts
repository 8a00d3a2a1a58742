import { expect, test } from '@jest/globals'
import { type App, aggregate, type Broker, collect, embedded, json, memory, type StoreAdapter, toTopic } from 'tidemark'
import { type TestClock, testApp, testClock } from 'tidemark/testing'

/** A store as a disk is: what it holds is there in the next life. */
const disk = (): StoreAdapter =>
  new Proxy(memory(), { get: (to, name) => (name === 'durable' ? true : Reflect.get(to, name)) })

const pipeline = (app: App) =>
  app.run(
    'lists',
    app.stream<number>('numbers', { value: json() }).pipe(
      aggregate(
        collect((record: { value: number }) => record.value),
        { name: 'lists' },
      ),
      toTopic('out'),
    ),
  )

const CHANGELOG = 'app-lists-changelog'

/** A broker that tells which stretches of the changelog are read. */
function listening(broker: Broker) {
  const stretches: [from: number, to: number][] = []
  const told: Broker = new Proxy(broker, {
    get(to, name) {
      if (name !== 'read') {
        const member = Reflect.get(to, name)
        return typeof member === 'function' ? member.bind(to) : member
      }
      return (...args: Parameters<Broker['read']>) => {
        if (args[0].topic === CHANGELOG) stretches.push([args[1], args[2]])
        return to.read(...args)
      }
    },
  })
  return { broker: told, stretches }
}

/** One life of the app; gives what it wrote. */
async function life(broker: Broker, store: StoreAdapter, numbers: readonly number[], clock: TestClock = testClock()) {
  const t = await testApp(pipeline, {
    topics: { numbers: 1, out: 1 },
    broker,
    store,
    changelog: true,
    id: 'app',
    instance: 'one',
    clock,
  })
  const before = (await t.records('out')).length
  for (const value of numbers)
    await t.send('numbers', { key: value % 2 === 0 ? 'even' : 'odd', value, timestamp: value })
  await t.settle()
  const written = (await t.records('out')).slice(before).map(({ value }) => value)
  const { errors } = t
  await t.stop()
  expect(errors).toEqual([])
  return written
}

const endOf = async (broker: Broker) => (await broker.ranges(CHANGELOG))[0]?.end

test('a local checkpoint that is up to date is all that is needed', async () => {
  const store = disk()
  const { broker, stretches } = listening(embedded())
  await life(broker, store, [1, 2, 3])
  expect(await life(broker, store, [5])).toEqual([[1, 3, 5]])
  expect(stretches).toEqual([])
})

test('of the changelog only what the local checkpoint lacks is read', async () => {
  const store = disk()
  const { broker, stretches } = listening(embedded())
  await life(broker, store, [1, 2, 3])
  const first = await endOf(broker)
  await life(broker, memory(), [4, 5])
  const second = await endOf(broker)
  expect(await life(broker, store, [7, 8])).toEqual([
    [1, 3, 5, 7],
    [2, 4, 8],
  ])
  const read = [
    [0, first],
    [first, second],
  ]
  expect(stretches).toEqual(read)
  // And it has taken what it lacked into the local store.
  expect(await life(broker, store, [9])).toEqual([[1, 3, 5, 7, 9]])
  expect(stretches).toEqual(read)
})

test('a local checkpoint so old that the changelog may have forgotten deletes is thrown away', async () => {
  const store = disk()
  const { broker, stretches } = listening(embedded())
  const clock = testClock()
  await life(broker, store, [1, 2, 3], clock)
  const end = await endOf(broker)
  await clock.advance('21h')
  expect(await life(broker, store, [5], clock)).toEqual([[1, 3, 5]])
  expect(stretches.at(-1)).toEqual([0, end])
})

test('a local checkpoint of a changelog that was deleted is thrown away: state and offsets begin anew', async () => {
  const store = disk()
  const broker = embedded()
  await life(broker, store, [1, 2, 3])
  await broker.deleteTopics([CHANGELOG])
  expect(await life(broker, store, [])).toEqual([[1], [2], [1, 3]])
  expect(await life(broker, store, [5])).toEqual([[1, 3, 5]])
})

test('a local checkpoint of another life of the changelog is thrown away, though its offset is there', async () => {
  const store = disk()
  const broker = embedded()
  await life(broker, store, [1])
  await broker.deleteTopics([CHANGELOG])
  await life(broker, memory(), [2, 3])
  await life(broker, memory(), [4, 6, 8])
  expect(await life(broker, store, [5])).toEqual([[1, 3, 5]])
})

test('a state that can be trusted only in part is restored whole: a crash while the local store is brought up', async () => {
  const store = disk()
  const broker = embedded()
  await life(broker, store, [1, 2, 3])
  await store.open('app.one')
  const [scope = ''] = await store.scopes()
  // As it is between two pieces: entries without a word of how far they are.
  await store.commit([{ scope, entries: [['changelog', null]] }])
  await store.close()
  expect(await life(broker, store, [5])).toEqual([[1, 3, 5]])
})

test('how far it is', async () => {
  const inner = embedded()
  await life(
    inner,
    memory(),
    Array.from({ length: 20 }, (_, n) => n),
  )
  let proceed: () => void = () => {}
  const gate = new Promise<void>((resolve) => {
    proceed = resolve
  })
  const broker: Broker = new Proxy(inner, {
    get(to, name) {
      const member = Reflect.get(to, name)
      if (name !== 'read') return typeof member === 'function' ? member.bind(to) : member
      return async (...args: Parameters<Broker['read']>) => {
        await gate
        return to.read(...args)
      }
    },
  })
  const t = await testApp(pipeline, {
    topics: { numbers: 1, out: 1 },
    broker,
    store: memory(),
    changelog: true,
    id: 'app',
    instance: 'one',
  })
  await t.clock.settle()
  expect(t.app.stats().tasks).toMatchObject([
    { task: '0_0', waitsFor: 'it is being restored', restore: { records: 0, remaining: await endOf(inner) } },
  ])
  expect(t.app.health()).toEqual({
    live: true,
    ready: false,
    reasons: ['the app is rebalancing', 'task 0_0 is being restored'],
  })
  proceed()
  await t.settle()
  expect(t.app.stats().tasks).toMatchObject([{ task: '0_0', restore: undefined }])
  expect(t.app.health().ready).toBe(true)
  await t.stop()
})

test('a state whose changelog is gone while others of its task are there is not quietly empty', async () => {
  const broker = embedded()
  const both = (app: App) => {
    pipeline(app)
    const numbers = app.stream<number>('numbers', { value: json() })
    app.run(
      'counts',
      numbers.pipe(
        aggregate(
          collect(({ value }) => value),
          { name: 'more' },
        ),
        toTopic('out'),
      ),
    )
  }
  const start = () =>
    testApp(both, {
      topics: { numbers: 1, out: 1 },
      broker,
      store: memory(),
      changelog: true,
      id: 'app',
      instance: 'one',
    })
  const t = await start()
  await t.send('numbers', { key: 'odd', value: 1, timestamp: 1 })
  await t.settle()
  await t.stop()
  await broker.deleteTopics([CHANGELOG])
  await expect(start()).rejects.toMatchObject({ code: 'PLAN_MISMATCH', reason: expect.stringContaining('lists') })
})

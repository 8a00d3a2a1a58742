import { afterEach, expect, test } from '@jest/globals'
import { type App, aggregate, type Broker, collect, count, createApp, embedded, json, memory, toTopic } from 'tidemark'
import { MARK, type Mark } from '../../lib/app/changelog.js'
import type { PartitionRange } from '../../lib/ports/broker.js'
import { loadAll } from '../../lib/ports/loadAll.js'
import { but } from '../but.js'
import { until } from '../until.js'
import { rawTopics } from './raw.js'

const apps: App[] = []
afterEach(async () => {
  for (const app of apps.splice(0)) await app.stop()
})

const CHANGELOG = 'app-lists-changelog'

async function start(broker: Broker, instance: string, store = memory()) {
  const app = createApp({
    id: 'app',
    instance,
    broker,
    store,
    changelog: true,
    standbys: 1,
    commitInterval: 5,
  })
  const lists = app.stream<number>('numbers', { value: json() }).pipe(
    aggregate(
      collect((record: { value: number }) => record.value),
      { name: 'lists' },
    ),
  )
  app.run('lists', lists.pipe(toTopic('out')))
  apps.push(app)
  await app.start()
  return app
}

const running = (app: App) =>
  app
    .stats()
    .tasks.filter(({ restore }) => restore === undefined)
    .map(({ task }) => task)
    .sort()

/** How far the copies in an app's store are, by partition. */
async function copied(app: App, store: ReturnType<typeof memory>) {
  const found: [partition: number, offset: number | undefined][] = []
  for (const { task } of app.stats().standbys) {
    const partition = task.slice(task.indexOf('_') + 1)
    const scope = (await store.scopes()).find((one) => one.endsWith(`/${partition}`)) ?? ''
    const [, bytes] = (await loadAll(store, scope)).find(([key]) => key === MARK) ?? []
    const mark = bytes && (JSON.parse(new TextDecoder().decode(bytes)) as Mark)
    found.push([Number(partition), mark?.offsets.lists])
  }
  return found
}

test('each member keeps copies of what the other runs, and takes it over from there', async () => {
  const stretches: number[] = []
  const inner = embedded()
  const broker: Broker = new Proxy(inner, {
    get(to, name) {
      const member = Reflect.get(to, name)
      if (name !== 'read') return typeof member === 'function' ? member.bind(to) : member
      return (...args: Parameters<Broker['read']>) => {
        if (args[0].topic === CHANGELOG) stretches.push(args[1])
        return to.read(...args)
      }
    },
  })
  const topics = await rawTopics({ numbers: 4, out: 1 }, broker)
  const stores = { first: memory(), second: memory() }
  const first = await start(broker, 'first', stores.first)
  await until('all tasks', () => running(first).length === 4)
  const second = await start(broker, 'second', stores.second)
  await until('two each', () => running(first).length === 2 && running(second).length === 2)
  await until('the copies', () => first.stats().standbys.length === 2 && second.stats().standbys.length === 2)
  expect(
    first
      .stats()
      .standbys.map(({ task }) => task)
      .sort(),
  ).toEqual(running(second))

  const results = async () => (await topics.read('out')).length
  let ends: readonly number[] = []
  // The first half is copied as a whole, the second follows.
  for (const half of [20, 40]) {
    for (let n = half - 20; n < half; n++)
      await topics.send({ topic: 'numbers', partition: n % 4 }, `k${n % 4}`, String(n))
    await until('all results', async () => (await results()) === half)
    await until('the copies to be up to date', async () => {
      ends = (await broker.ranges(CHANGELOG)).map(({ end }) => end)
      const all = [...(await copied(first, stores.first)), ...(await copied(second, stores.second))]
      return all.length === 4 && all.every(([partition, offset]) => offset === ends[partition])
    })
  }

  stretches.length = 0
  await second.stop()
  await until('the takeover', () => running(first).length === 4)
  // From where the copies were, and not from the start.
  expect(stretches.filter((from) => from === 0)).toEqual([])
  expect(stretches.every((from) => ends.includes(from))).toBe(true)
  for (let n = 40; n < 44; n++) await topics.send({ topic: 'numbers', partition: n % 4 }, `k${n % 4}`, String(n))
  await until('the last results', async () => (await results()) === 44)
  const last = (await topics.read('out')).slice(-4).map(({ value }) => (JSON.parse(value as string) as number[]).length)
  expect(last).toEqual([11, 11, 11, 11])
  expect(first.stats().standbys).toEqual([])
}, 60_000)

test('a copy begins with one checkpoint of all states, though a commit is seen in one changelog before it is in another', async () => {
  const inner = embedded()
  const topics = await rawTopics({ numbers: 2, out: 1 }, inner)
  /** Up to where the second state of partition 0 can be seen. */
  let seen: PartitionRange | undefined
  let asked = 0
  const broker = but(inner, {
    async ranges(topic) {
      const ranges = await inner.ranges(topic)
      if (topic !== 'app-counts-changelog' || seen === undefined) return ranges
      asked++
      return [seen, ...ranges.slice(1)]
    },
  })
  const errors: string[] = []
  const startTwo = async (instance: string, of: Broker, store = memory()) => {
    const app = createApp({ id: 'app', instance, broker: of, store, changelog: true, standbys: 1, commitInterval: 5 })
    app.errors$.subscribe(({ message }) => errors.push(message))
    const numbers = app.stream<number>('numbers', { value: json() })
    app.run('lists', numbers.pipe(aggregate(collect(), { name: 'lists' })))
    app.run('counts', numbers.pipe(aggregate(count(), { name: 'counts' }), toTopic('out')))
    apps.push(app)
    await app.start()
    return app
  }
  const first = await startTwo('first', inner)
  const send = async (results: number) => {
    for (const partition of [0, 1]) await topics.send({ topic: 'numbers', partition }, `k${partition}`, '1')
    await until('the results', async () => (await topics.read('out')).length === results)
  }
  await send(2)
  seen = (await inner.ranges('app-counts-changelog'))[0]
  await send(4)
  const second = await startTwo('second', broker)
  await until('one each', () => running(first).length === 1 && running(second).length === 1)
  expect(second.stats().standbys).toMatchObject([{ task: '0_0' }])
  await until('a look at what can be seen', () => asked > 0)
  seen = undefined
  await first.stop()
  await until('the takeover', () => running(second).length === 2)
  await send(6)
  expect((await topics.read('out')).slice(-2).map(({ value }) => value)).toEqual(['3', '3'])
  expect(errors).toEqual([])
}, 60_000)

test('a copy that is being written is not read before that has ended: the task begins with all of it', async () => {
  const broker = embedded()
  const topics = await rawTopics({ numbers: 2, out: 1 }, broker)
  const inner = memory()
  let held: { readonly scope: string; readonly goOn: () => void } | undefined
  let holds = false
  const loaded: string[] = []
  const store: typeof inner = Object.assign(Object.create(inner) as typeof inner, {
    async commit(...given: Parameters<typeof inner.commit>) {
      const [{ scope = '' } = {}] = given[0]
      if (holds && held === undefined && scope.endsWith('/1'))
        await new Promise<void>((goOn) => {
          held = { scope, goOn }
        })
      return inner.commit(...given)
    },
    load(...given: Parameters<typeof inner.load>) {
      loaded.push(given[0])
      return inner.load(...given)
    },
  })
  const first = await start(broker, 'first', store)
  const second = await start(broker, 'second')
  await until('one each', () => running(first).length === 1 && running(second).length === 1)
  await until('the copies', () => first.stats().standbys.length === 1 && second.stats().standbys.length === 1)
  const [copied] = first.stats().standbys.map(({ task }) => Number(task.split('_')[1]))
  expect(copied).toBe(1)
  holds = true
  await topics.send({ topic: 'numbers', partition: 1 }, 'k', '7')
  const write = await until('the copy to be written', () => held)
  loaded.length = 0
  const stopping = second.stop()
  await until('the takeover', () => first.stats().tasks.length === 2)
  await stopping
  await topics.send({ topic: 'numbers', partition: 1 }, 'k', '8')
  expect(running(first)).toHaveLength(1)
  expect(loaded).not.toContain(write.scope)
  write.goOn()
  await until('both results', async () => (await topics.read('out')).length === 2)
  expect((await topics.read('out')).map(({ value }) => value)).toEqual(['[7]', '[7,8]'])
  expect(loaded).toContain(write.scope)
}, 60_000)

test('copies need changelogs', () => {
  expect(() => createApp({ id: 'app', broker: embedded(), store: memory(), standbys: 1 })).toThrow(
    /copies need changelogs/,
  )
})

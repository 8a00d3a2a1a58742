import { expect, test } from '@jest/globals'
import { merge } from 'rxjs'
import { type App, aggregate, type Broker, collect, embedded, json, memory, type StoreAdapter } from 'tidemark'
import { testApp } from 'tidemark/testing'
import { runtimeOf } from '../../lib/app/app.js'
import type { SubTopology } from '../../lib/app/plan.js'
import { ReadThrough } from '../../lib/app/readThrough.js'
import { Restore } from '../../lib/app/restore.js'
import { Standbys } from '../../lib/app/standbys.js'
import { loadAll } from '../../lib/ports/loadAll.js'
import { systemClock } from '../../lib/ports/systemClock.js'
import { until } from '../until.js'

/** A durable store that tells of its commits. */
function telling() {
  const inner = memory()
  const commits: Parameters<StoreAdapter['commit']>[0][] = []
  const loaded: string[] = []
  const store = new Proxy(inner, {
    get(to, name) {
      if (name === 'durable') return true
      if (name === 'commit')
        return (changes: Parameters<StoreAdapter['commit']>[0]) => {
          commits.push(changes)
          return to.commit(changes)
        }
      if (name === 'load')
        return (...given: Parameters<StoreAdapter['load']>) => {
          loaded.push(given[0])
          return to.load(...given)
        }
      const member = Reflect.get(to, name)
      return typeof member === 'function' ? member.bind(to) : member
    },
  })
  return { store, commits, loaded }
}

const twoStates = (app: App) => {
  const input = app.stream<number>('in', { value: json() })
  const lists = (name: string) =>
    aggregate(
      collect((record: { readonly value: number }) => record.value),
      { name },
    )
  app.run('both', merge(input.pipe(lists('a')), input.pipe(lists('b'))))
}

const options = { topics: { in: 1 }, changelog: true, instance: 'one', maxStateBytes: 1 } as const

/** Of 10 MB: more than goes to the store at once. */
const LARGE = Array.from({ length: 500 }, (_, n) => ({ key: `k${n}`, value: `${n}`.padEnd(20_000, 'x'), timestamp: n }))

const subOf = (app: App) => runtimeOf(app).plan.subTopologies[0] as SubTopology

test('a copy that follows writes what it reads piece by piece, and loads nothing of it', async () => {
  const broker = embedded()
  const t = await testApp(twoStates, { ...options, broker, store: telling().store })
  await t.send('in', { key: 'k', value: 1, timestamp: 0 })
  await t.settle()
  const { store, commits, loaded } = telling()
  await store.open('test.two')
  const errors: unknown[] = []
  const standbys = new Standbys({
    app: 'test',
    broker,
    store,
    clock: systemClock,
    readThrough: new ReadThrough(store as never, 1),
    report: (error) => errors.push(error),
  })
  standbys.set([{ id: '0_0', sub: subOf(t.app), partition: 0 }])
  const marks = () =>
    commits.map(([changes]) => changes?.entries.findLast(([key]) => key === 'changelog')?.[1] !== null)
  await until('the copy', () => marks().length === 1)
  expect(loaded).toEqual([])
  await t.send('in', LARGE)
  await t.settle()
  const stored = async () => {
    const [scope] = await store.scopes()
    return scope === undefined ? 0 : (await loadAll(store, scope)).filter(([key]) => key.startsWith('s/')).length
  }
  await until('all of it', async () => marks().at(-1) && (await stored()) === 2 * (LARGE.length + 1))
  await standbys.close()
  const followed = marks().slice(1)
  // It says how far it is when all of it is there.
  expect(followed.length).toBeGreaterThan(1)
  expect(followed.indexOf(true)).toBe(followed.length - 1)
  expect(errors).toEqual([])
  await store.close()
  await t.stop()
})

test('where one changelog cannot be read, what is left of the others is not written either', async () => {
  const broker = embedded()
  const before = await testApp(twoStates, { ...options, broker, store: telling().store })
  await before.send('in', LARGE)
  await before.settle()
  const sub = subOf(before.app)
  await before.stop()

  let readOn = () => {}
  const held = new Promise<void>((resolve) => {
    readOn = resolve
  })
  let hasFailed = false
  let other: Promise<unknown> | undefined
  const failing = new Proxy(broker, {
    get(to, name) {
      const member = Reflect.get(to, name)
      if (name !== 'read') return typeof member === 'function' ? member.bind(to) : member
      return (...given: Parameters<Broker['read']>) => {
        if (given[0].topic === 'test-a-changelog') {
          hasFailed = true
          return Promise.reject(new Error('the leader of it is away'))
        }
        if (given[0].topic !== 'test-b-changelog') return to.read(...given)
        other = held.then(() => to.read(...given))
        return other
      }
    },
  })
  const { store, commits } = telling()
  await broker.connect()
  await store.open('test.one')
  const restore = new Restore({
    app: 'test',
    task: '0_0',
    sub,
    partition: 0,
    broker: failing,
    store,
    clock: systemClock,
    hasChangelogs: true,
    readThrough: new ReadThrough(store as never, 1),
  })
  const restored = restore.run().catch((error) => error)
  await until('the failure', () => hasFailed && other !== undefined)
  readOn()
  expect(await restored).toMatchObject({ message: 'the leader of it is away' })
  await other?.catch(() => {})
  expect(commits.length).toBe(0)
})

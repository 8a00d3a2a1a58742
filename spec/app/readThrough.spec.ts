import { describe, expect, test } from '@jest/globals'
import { merge } from 'rxjs'
import {
  type App,
  aggregate,
  type Broker,
  collect,
  createApp,
  embedded,
  json,
  keyBy,
  memory,
  process,
  type StoreAdapter,
  shadow,
  type Table,
  TidemarkError,
  toTable,
  toTopic,
  tracer,
} from 'tidemark'
import { idb } from 'tidemark/idb'
import { level } from 'tidemark/level'
import { matchers, testApp } from 'tidemark/testing'
import { runtimeOf } from '../../lib/app/app.js'
import { Snapshot } from '../../lib/app/checkpoint.js'
import { loadAll } from '../../lib/ports/loadAll.js'
import { encode } from '../../lib/task/storedValue.js'
import { until } from '../until.js'

expect.extend(matchers)

/** A store that counts its synchronous reads, is what it is said to be, and fails when it is told to. */
function counting(durable = false) {
  const inner = memory()
  const seen = { reads: 0, fails: false, commits: [] as Parameters<StoreAdapter['commit']>[0][] }
  const store = new Proxy(inner, {
    get(to, name) {
      if (name === 'durable') return durable
      if (name === 'getSync')
        return (scope: string, key: string) => {
          if (key.startsWith('s/')) seen.reads++
          if (seen.fails && key.startsWith('s/')) throw new TidemarkError('STORE_FAILED', 'the disk is gone')
          return to.getSync?.(scope, key)
        }
      if (name === 'commit')
        return (changes: Parameters<StoreAdapter['commit']>[0]) => {
          seen.commits.push(changes)
          return to.commit(changes)
        }
      const member = Reflect.get(to, name)
      return typeof member === 'function' ? member.bind(to) : member
    },
  })
  return { store, seen }
}

const lists = (app: App) => {
  const kept = toTable(
    'lists',
    app.stream<number>('in', { value: json() }).pipe(
      aggregate(
        collect((record: { readonly value: number }) => record.value),
        { name: 'lists' },
      ),
    ),
  )
  app.run('lists', kept.changes())
  return kept as Table<string, number[]>
}

const one = (n: number, key = `k${n % 5}`) => ({ key, value: n, timestamp: n })

describe('refused are', () => {
  const options = { id: 'a', broker: embedded() }
  test.each([0, -1, 1.5, Number.NaN])('maxStateBytes: %p', (maxStateBytes) => {
    expect(() => createApp({ ...options, store: memory(), maxStateBytes })).toThrow(
      'BAD_OPTION: createApp: maxStateBytes must be a whole number of at least 1',
    )
  })

  test('a store that is not read synchronously', () => {
    expect(() => createApp({ ...options, store: idb('x'), maxStateBytes: 1 })).toThrow(
      "BAD_OPTION: createApp: maxStateBytes: what memory has no room for is read from the store in the midst of a record, and idb x can't do that; take level(), or leave it out",
    )
  })

  test('a store to which nothing is written, as changelogs keep the state', () => {
    const given = { ...options, store: memory(), changelog: true, maxStateBytes: 1 }
    expect(() => createApp(given)).toThrow(
      "memory can't do that where changelogs keep the state; take level(), or leave it out",
    )
    createApp({ ...given, store: level('./never-opened') })
  })

  test('a shadow, which would keep all of it in memory', async () => {
    const t = await testApp(lists, { topics: { in: 1 }, maxStateBytes: 1 })
    await t.app.savepoint('one')
    await expect(shadow(t.app, { from: 'one', build: () => {} })).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining('maxStateBytes'),
    })
    await t.stop()
  })
})

test('what is read in memory is not read from the store; what is not, once, and again when it has left', async () => {
  const { store, seen } = counting()
  const t = await testApp(lists, { topics: { in: 1 }, store, maxStateBytes: 1 })
  await t.send('in', [one(1), one(2), one(6)])
  await t.settle()
  expect(seen.reads).toBe(0)
  await t.send('in', [one(11), one(16)])
  await t.settle({ checkpoint: false })
  expect(seen.reads).toBe(1)
  await t.settle()
  expect(t.result.get('k1')).toEqual([1, 6, 11, 16])
  expect(t.result.get('k1')).toEqual([1, 6, 11, 16])
  expect(seen.reads).toBe(2)
  await t.settle()
  expect([...t.result.range()]).toEqual([
    ['k1', [1, 6, 11, 16]],
    ['k2', [2]],
  ])
  expect(seen.reads).toBe(4)
  await t.stop()
})

test('of a range, each row is read in its turn, as it is by then, and no other', async () => {
  const { store, seen } = counting()
  const t = await testApp(lists, { topics: { in: 1 }, store, maxStateBytes: 1 })
  await t.send(
    'in',
    [3, 1, 4, 0, 2].map((n) => one(n)),
  )
  await t.settle()
  await t.settle()
  expect([...t.result.range('k1', 'k3')]).toEqual([
    ['k1', [1]],
    ['k2', [2]],
  ])
  expect(seen.reads).toBe(2)
  const range = t.result.range()
  expect(range.next().value).toEqual(['k0', [0]])
  expect(seen.reads).toBe(3)
  await t.send('in', [one(6), { key: 'k2', value: 7, timestamp: 7 }])
  await t.settle()
  const { reads } = seen
  expect([...range]).toEqual([
    ['k1', [1, 6]],
    ['k2', [2, 7]],
    ['k3', [3]],
    ['k4', [4]],
  ])
  expect(seen.reads).toBe(reads + 4)
  // None of them has come back.
  expect(runtimeOf(t.app).values?.budget.bytes).toBeLessThanOrEqual(1)
  expect([...t.result.range('k3')]).toHaveLength(2)
  expect(seen.reads).toBe(reads + 6)
  await t.stop()
})

test('a row that is deleted in the midst of a range is left out, and one that has come in its place is there', async () => {
  const rows = (app: App) => {
    const kept = toTable('rows', app.stream<number | null>('in', { value: json() }))
    app.run('rows', kept.changes())
    return kept as Table<string, number>
  }
  const t = await testApp(rows, { topics: { in: 1 }, maxStateBytes: 1 })
  await t.send(
    'in',
    [1, 2, 3, 4].map((n) => one(n)),
  )
  await t.settle()
  const range = t.result.range()
  expect(range.next().value).toEqual(['k1', 1])
  const put = (key: string, value: number | null, timestamp: number) => t.send('in', { key, value, timestamp })
  await put('k2', null, 5)
  await put('k3', null, 6)
  await put('k3', 30, 7)
  await t.settle()
  expect([...range]).toEqual([
    ['k3', 30],
    ['k4', 4],
  ])
  await t.stop()
})

test('with room for all of it, nothing is read from the store before a restart', async () => {
  const { store, seen } = counting()
  const t = await testApp(lists, { topics: { in: 1 }, store, maxStateBytes: 1_000_000 })
  for (let n = 0; n < 20; n++) await t.send('in', one(n)).then(() => t.settle())
  expect(seen.reads).toBe(0)
  await t.crash()
  await t.restart()
  expect(seen.reads).toBe(0)
  await t.send('in', [one(20), one(25)])
  await t.settle()
  expect(t.result.get('k0')).toEqual([0, 5, 10, 15, 20, 25])
  expect(seen.reads).toBe(1)
  await t.stop()
})

test('a traced restart tells of all values without keeping them', async () => {
  const options = { topics: { in: 1 }, store: memory(), broker: embedded(), instance: 'one', maxStateBytes: 1_000_000 }
  const before = await testApp(lists, options)
  await before.send('in', [one(1), one(2), one(6)])
  await before.settle()
  await before.stop()
  const told: unknown[] = []
  const trace = tracer((event) => {
    if (event.type === 'state') told.push([event.key, event.value])
  })
  const t = await testApp(lists, { ...options, trace })
  expect(told).toEqual([
    ['k1', [1, 6]],
    ['k2', [2]],
  ])
  expect(runtimeOf(t.app).values?.budget.bytes).toBe(0)
  await t.stop()
})

test('a store that fails in the midst of a record fails the app, whatever is to become of bad records, and nothing is lost', async () => {
  const { store, seen } = counting()
  const broker = embedded()
  /** Whose own code takes the error for one of the record's. */
  const forgiving = (app: App) =>
    app.run(
      'forgiving',
      app.stream<number>('in', { value: json() }).pipe(
        process<any, any>(
          ({ value, emit }) => {
            const list = value<number[]>()
            return {
              record(record) {
                try {
                  list.put([...(list.get() ?? []), record.value])
                  emit({ ...record, value: list.get() })
                } catch {
                  emit({ ...record, value: 'none' })
                }
              },
            }
          },
          { name: 'lists' },
        ),
        toTopic('out'),
      ),
    )
  const options = { topics: { in: 1, out: 1 }, store, broker, maxStateBytes: 1, onError: 'skip' } as const
  const t = await testApp(forgiving, options)
  await t.send('in', [one(1), one(6)])
  await t.settle()
  seen.fails = true
  await t.send('in', one(11))
  await expect(t.settle()).rejects.toMatchObject({ code: 'STORE_FAILED', place: { topic: 'in', offset: 2 } })
  expect(t.errors).toHaveLength(1)
  seen.fails = false
  await t.crash()
  await t.restart()
  await t.settle()
  expect((await t.records('out')).map(({ value }) => value)).toEqual([[1], [1, 6], [1, 6, 11]])
  await t.stop()
})

test('what has changed and waits for a checkpoint is bounded: one that is early comes first', async () => {
  const texts = (app: App) =>
    app.run(
      'texts',
      app.stream<number>('in', { value: json() }).pipe(
        process<any, never>(
          ({ keyed }) => {
            const all = keyed<string, string>()
            return { record: ({ key, value }) => all.put(key, `${value}`.padEnd(1 << 20, 'x')) }
          },
          { name: 'texts' },
        ),
      ),
    )
  const { store, seen } = counting()
  const t = await testApp(texts, { topics: { in: 1 }, store, maxStateBytes: 1 })
  await t.send('in', one(0, 'first'))
  await t.settle()
  for (let n = 1; n <= 60; n++) await t.send('in', one(n, `t${n}`))
  await t.settle({ checkpoint: false })
  await t.send('in', one(61, 'last'))
  await t.settle({ checkpoint: false })
  const written = seen.commits.map((changes) =>
    changes.flatMap(({ entries }) => entries.filter(([key]) => key.startsWith('s/texts/'))),
  )
  // One was asked for; what came since would all be in the next.
  expect(written.filter((entries) => entries.length > 0).length).toBeGreaterThan(1)
  await t.settle()
  expect(await t.state('texts')).toHaveLength(62)
  await t.stop()
})

describe('changelogs', () => {
  const CHANGELOG = 'test-lists-changelog'
  const options = { topics: { in: 1 }, changelog: true, instance: 'one', maxStateBytes: 1 } as const

  /** Large enough to make several pieces of a tail, of as many records as are read at a time. */
  const MANY = 1_500
  const large = (n: number) => ({ key: `k${n}`, value: `${n}`.padEnd(20_000, 'x'), timestamp: n })
  async function many(broker: Broker) {
    const before = await testApp(lists, { ...options, broker, store: counting(true).store })
    await before.send(
      'in',
      Array.from({ length: MANY }, (_, n) => large(n)),
    )
    await before.settle()
    await before.stop()
    expect(before.errors).toEqual([])
  }

  test('a restore from them alone goes through the local store, piece by piece', async () => {
    const broker = embedded()
    await many(broker)
    const { store, seen } = counting(true)
    const t = await testApp(lists, { ...options, broker, store })
    await until('the restore', () => t.app.health().ready)
    const [first, ...pieces] = seen.commits.map(([changes]) => changes)
    expect(first?.reset).toBe(true)
    expect(pieces.length).toBeGreaterThan(1)
    // It says how far it is when all of it is there.
    const marks = [first, ...pieces].map((piece) => piece?.entries.find(([key]) => key === 'changelog')?.[1])
    expect(marks.slice(0, -1).every((mark) => mark === null)).toBe(true)
    expect(marks.at(-1)).toBeInstanceOf(Uint8Array)
    for (const piece of [first, ...pieces]) expect(piece?.entries.length).toBeLessThan(MANY / 2)
    expect(seen.reads).toBe(0)
    for (const n of [0, 7, MANY - 1]) expect(t.result.get(`k${n}`)).toEqual([large(n).value])
    await t.send('in', one(7, 'k7'))
    await t.settle()
    expect(t.result.get('k7')).toEqual([large(7).value, 7])
    await t.stop()
  })

  test('one that ends half-way is made as a whole the next time', async () => {
    const broker = embedded()
    await many(broker)
    const { store, seen } = counting(true)
    const commit = store.commit.bind(store)
    let left = 1
    const failing = new Proxy(store, {
      get: (to, name) =>
        name === 'commit'
          ? (changes: Parameters<StoreAdapter['commit']>[0]) =>
              left-- > 0 ? commit(changes) : Promise.reject(new TidemarkError('STORE_FAILED', 'no room'))
          : Reflect.get(to, name),
    })
    await expect(testApp(lists, { ...options, broker, store: failing })).rejects.toMatchObject({ code: 'STORE_FAILED' })
    expect(seen.commits).toHaveLength(1)
    seen.commits.length = 0
    const t = await testApp(lists, { ...options, broker, store })
    await until('the restore', () => t.app.health().ready)
    expect(seen.commits[0]?.[0]?.reset).toBe(true)
    expect(t.result.get('k7')).toEqual([large(7).value])
    await t.stop()
  })

  test('a savepoint copies what the local store has, where the app runs or does not', async () => {
    const broker = embedded()
    const { store, seen } = counting(true)
    const t = await testApp(lists, { ...options, broker, store })
    await t.send('in', [one(1), one(2), one(6)])
    await t.settle()
    expect(await t.app.savepoint('running')).toMatchObject({ tasks: 1, states: ['lists'] })
    await t.stop()
    const ended = createApp({ id: 'test', broker, store, changelog: true, instance: 'one', maxStateBytes: 1 })
    lists(ended)
    expect(await ended.savepoint('ended')).toMatchObject({ tasks: 1, states: ['lists'] })
    expect(seen.reads).toBe(0)
    await store.open('test.one')
    const states = async (scope: string) =>
      (await loadAll(store, scope)).filter(([key]) => key.startsWith('s/')).map(([key, bytes]) => [key, `${bytes}`])
    const kept = await states('task/test/in/0')
    expect(kept).toHaveLength(2)
    for (const name of ['running', 'ended']) expect(await states(`savepoint/test/${name}/task/test/in/0`)).toEqual(kept)
    await store.close()
    expect((await broker.topics()).has(CHANGELOG)).toBe(true)
  })
})

describe('an upgrade', () => {
  const versioned =
    (number: number) =>
    (app: App): void => {
      const migrate = (value: unknown) => ({ all: value, text: 'x'.repeat(100) })
      app.run(
        'lists',
        app.stream<number>('in', { value: json() }).pipe(
          process<any, any>(
            ({ value }) => {
              const list = value<any>()
              return {
                record(record) {
                  const all = list.get()?.all ?? list.get() ?? []
                  list.put(number === 1 ? [...all, record.value] : { all: [...all, record.value] })
                },
              }
            },
            { name: 'lists', version: number, ...(number > 1 && { migrate }) },
          ),
        ),
      )
    }

  test('that migrates what fits goes on; what does not is refused before anything is changed', async () => {
    const { store } = counting()
    const broker = embedded()
    const options = { topics: { in: 1 }, store, broker, instance: 'one' }
    const before = await testApp(versioned(1), { ...options, maxStateBytes: 1 })
    await before.send(
      'in',
      [1, 2, 3, 4, 6].map((n) => one(n)),
    )
    await before.settle()
    await before.stop()
    await expect(testApp(versioned(2), { ...options, maxStateBytes: 300 })).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining('more than 300 bytes (maxStateBytes) of new values'),
    })
    const after = await testApp(versioned(2), { ...options, maxStateBytes: 1_000 })
    await after.send('in', one(11))
    await after.settle()
    expect((await after.state('lists')).map(({ key, value }) => [key, (value as any).all])).toEqual(
      expect.arrayContaining([
        ['k1', [1, 6, 11]],
        ['k2', [2]],
        ['k3', [3]],
        ['k4', [4]],
      ]),
    )
    await after.stop()
  })

  test('that migrates has values that are written by the next checkpoint, and leave memory after it', async () => {
    const { store, seen } = counting()
    const options = { topics: { in: 1 }, store, broker: embedded(), instance: 'one', maxStateBytes: 1_000 }
    const before = await testApp(versioned(1), options)
    await before.send(
      'in',
      [0, 1, 2, 3, 4].map((n) => one(n)),
    )
    await before.settle()
    await before.stop()
    const after = await testApp(versioned(2), options)
    const budget = runtimeOf(after.app).values?.budget
    expect(budget?.bytes).toBeGreaterThan(5 * 100)
    await after.send(
      'in',
      Array.from({ length: 60 }, (_, n) => one(n, `new${n}`)),
    )
    await after.settle()
    const lists = seen.commits.at(-1)?.flatMap(({ entries }) => entries.filter(([key]) => key.startsWith('s/lists/')))
    expect(lists).toHaveLength(65)
    expect(budget?.bytes).toBeLessThanOrEqual(1_000)
    // By the migration itself.
    expect(seen.reads).toBe(5)
    await after.send(
      'in',
      [5, 6, 7, 8, 9].map((n) => one(n)),
    )
    await after.settle()
    expect(seen.reads).toBeGreaterThan(5)
    expect((await after.state('lists')).slice(0, 5).map(({ key, value }) => [key, (value as any).all])).toEqual(
      [0, 1, 2, 3, 4].map((n) => [`k${n}`, [n, n + 5]]),
    )
    await after.stop()
  })

  test('is refused by what it makes of all states of a task together', () => {
    const stored = new Map(['a', 'b'].map((name) => [`s/${name}/1`, encode({ key: 1, value: '', timestamp: 0 }, name)]))
    const snapshot = new Snapshot('0_0', { maxBytes: 150, read: (key) => stored.get(key) as Uint8Array })
    snapshot.add(stored)
    const migrate = () => 'x'.repeat(100)
    snapshot.replace('a', migrate)
    expect(() => snapshot.replace('b', migrate)).toThrow('more than 150 bytes (maxStateBytes) of new values')
  })

  test('that files states anew does so with what fits, and refuses more', async () => {
    const { store } = counting()
    const broker = embedded()
    const topics = { in: 1, other: 1, out: 1 }
    /** A pipeline beside it that reads both topics makes them one sub-topology. */
    const together = (app: App) => {
      const both = (topic: string) => app.stream<number>(topic, { value: json() })
      app.run('both', merge(both('in'), both('other')).pipe(toTopic('out')))
      return lists(app)
    }
    const options = { topics, store, broker, instance: 'one' }
    const before = await testApp(together, { ...options, maxStateBytes: 1 })
    await before.send('in', one(1))
    await before.settle()
    await before.stop()
    await expect(testApp(lists, { ...options, maxStateBytes: 1 })).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining('partition 0 of in+other is to be filed anew'),
    })
    const after = await testApp(lists, { ...options, maxStateBytes: 10_000 })
    expect(after.result.get('k1')).toEqual([1])
    await after.stop()
  })
})

test('the budget is one over all tasks, and a task that goes gives its share back', async () => {
  const t = await testApp(
    (app) => {
      const kept = toTable(
        'lists',
        app.stream<number>('in', { value: json() }).pipe(
          keyBy((record) => `${record.value}`, { name: 'again' }),
          aggregate(
            collect((record: { readonly value: number }) => record.value),
            { name: 'lists' },
          ),
        ),
      )
      app.run('lists', kept.changes())
      return kept
    },
    { topics: { in: 4 }, maxStateBytes: 100 },
  )
  await t.send(
    'in',
    Array.from({ length: 100 }, (_, n) => one(n)),
  )
  await t.settle()
  const { values } = runtimeOf(t.app)
  expect(values?.budget.bytes).toBeLessThanOrEqual(100)
  expect(values?.budget.bytes).toBeGreaterThan(50)
  await t.stop()
  expect(values?.budget.bytes).toBe(0)
})

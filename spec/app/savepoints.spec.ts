import { expect, test } from '@jest/globals'
import {
  type App,
  aggregate,
  type Broker,
  count,
  createApp,
  embedded,
  type Guarantee,
  json,
  keyBy,
  last,
  mapValues,
  memory,
  TidemarkError,
  toTopic,
} from 'tidemark'
import { type TestAppOptions, testApp, testClock } from 'tidemark/testing'
import { loadAll } from '../../lib/ports/loadAll.js'
import { but } from '../but.js'
import { seenLater } from '../seenLater.js'
import { until } from '../until.js'
import { rawTopics } from './raw.js'

const ofKeys = (app: App) =>
  app.run('n', app.stream('in', { value: json() }).pipe(aggregate(count(), { name: 'n' }), toTopic('out')))

const counts = (app: App) =>
  app.run(
    'n',
    app.stream<number>('in', { value: json() }).pipe(
      keyBy((one) => `${one.value}`, { name: 'by' }),
      aggregate(count(), { name: 'n' }),
      toTopic('out'),
    ),
  )

async function given(options: Partial<TestAppOptions> = {}) {
  const t = await testApp(counts, { topics: { in: 2, out: 1 }, ...options })
  const feed = async (...values: number[]) => {
    await t.send(
      'in',
      values.map((value) => ({ value, partition: value % 2 })),
    )
    await t.settle()
  }
  /** Something that the app does on its own time. */
  const done = async <T>(promise: Promise<T>): Promise<T> => {
    await Promise.all([t.clock.settle(), promise])
    return promise
  }
  return { t, feed, done }
}

test('a savepoint has all tasks, can be listed, and deleted, while the app goes on', async () => {
  const { t, feed, done } = await given()
  await feed(1, 2, 2)
  await t.send('in', { value: 1, partition: 1 })
  await t.settle({ checkpoint: false })
  const first = await done(t.app.savepoint('first'))
  expect(first).toEqual({ name: 'first', at: 0, tasks: 4, states: ['n'] })
  await feed(1, 2)
  await t.advance('1s')
  await done(t.app.savepoint('second'))
  expect((await t.app.savepoints()).map(({ name, at }) => [name, at])).toEqual([
    ['first', 0],
    ['second', 1_000],
  ])
  expect((await t.records('out')).map(({ key, value }) => `${key} ${value}`).sort()).toEqual([
    '1 1',
    '1 2',
    '1 3',
    '2 1',
    '2 2',
    '2 3',
  ])
  await t.app.deleteSavepoint('first')
  expect((await t.app.savepoints()).map(({ name }) => name)).toEqual(['second'])
  expect((await t.store.scopes()).filter((scope) => scope.includes('first'))).toEqual([])
  await t.stop()
})

test('what a savepoint holds is the state of one checkpoint, whatever the app does later', async () => {
  const { t, feed, done } = await given()
  await feed(1, 1)
  await done(t.app.savepoint('s'))
  const held = async () => {
    const scopes = (await t.store.scopes()).filter((scope) => scope.startsWith('savepoint/test/s/task/'))
    return Promise.all(scopes.sort().map(async (scope) => [scope, (await loadAll(t.store, scope)).map(String).sort()]))
  }
  const before = await held()
  expect(before).toHaveLength(4)
  await feed(1, 2, 3, 4)
  expect(await held()).toEqual(before)
  await t.stop()
})

test('names are taken once, and are names', async () => {
  const { t, done } = await given()
  await done(t.app.savepoint('s'))
  await expect(done(t.app.savepoint('s'))).rejects.toMatchObject({ code: 'NAME_TAKEN' })
  await expect(done(t.app.savepoint('a/b'))).rejects.toMatchObject({ code: 'BAD_OPTION' })
  await expect(t.app.deleteSavepoint('other')).rejects.toMatchObject({
    code: 'BAD_OPTION',
    reason: 'there is no savepoint other in memory',
  })
  await t.stop()
  await expect(done(t.app.savepoint('late'))).rejects.toMatchObject({ code: 'BAD_STATE' })
})

test('of an app that does not run it has what is stored', async () => {
  const { t, feed } = await given()
  await feed(1, 2)
  await t.crash()
  const app = createApp({ id: 'test', instance: 'other', broker: t.broker, store: t.store })
  counts(app)
  expect(await app.savepoint('s')).toMatchObject({ name: 's', tasks: 4, states: ['n'] })
  expect(await app.savepoints()).toMatchObject([{ name: 's' }])
  await app.deleteSavepoint('s')
  expect(await app.savepoints()).toEqual([])
  await t.crash()
  await t.restart()
  await feed(1)
  expect((await t.records('out')).map(({ key, value }) => `${key} ${value}`).sort()).toEqual(['1 1', '1 2', '2 1'])
  await t.stop()
})

/** Whatever it is, it refuses the next call once it is told to. */
function trouble() {
  let error: TidemarkError | undefined
  return {
    next(one: TidemarkError) {
      error = one
    },
    strike() {
      const struck = error
      error = undefined
      if (struck !== undefined) throw struck
    },
  }
}

const guarantees: Guarantee[] = ['exactly-once', 'at-least-once']

test.each(guarantees)(
  '%s: where the checkpoint that a savepoint begins with fails, nothing is lost',
  async (guarantee) => {
    const inner = memory()
    const { next, strike } = trouble()
    const store = but(inner, {
      async commit(changes, along) {
        strike()
        await inner.commit(changes, along)
      },
    })
    const t = await testApp(ofKeys, { topics: { in: 1, out: 1 }, store, changelog: false, guarantee })
    await t.send('in', { key: 'a', value: 1 })
    await t.settle({ checkpoint: false })
    next(new TidemarkError('STORE_UNAVAILABLE', 'away for a moment'))
    const refused = expect(t.app.savepoint('first')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await t.advance('1s')
    await refused
    expect(t.errors.map(({ code }) => code)).toEqual(['STORE_UNAVAILABLE'])
    await t.send('in', { key: 'b', value: 1 })
    await t.settle()
    await t.crash()
    await t.restart()
    await t.send('in', { key: 'a', value: 1 })
    await t.settle()
    // At least once, what had left before is written again.
    const repeated = guarantee === 'exactly-once' ? [] : ['a 1']
    expect((await t.records('out')).map(({ key, value }) => `${key} ${value}`)).toEqual([
      ...repeated,
      'a 1',
      'b 1',
      'a 2',
    ])
    await t.stop()
  },
)

/** A store that can be left with little room. */
function narrow() {
  const inner = memory()
  let maxBytes = Number.POSITIVE_INFINITY
  const size = async () => {
    let bytes = 0
    for (const scope of await inner.scopes())
      for (const [key, value] of await loadAll(inner, scope)) bytes += key.length + value.length
    return bytes
  }
  const store = but(inner, {
    async commit(changes, along) {
      let bytes = await size()
      for (const { entries } of changes)
        for (const [key, value] of entries) bytes += value === null ? 0 : key.length + value.length
      if (bytes > maxBytes) throw new TidemarkError('STORE_FULL', 'no room')
      await inner.commit(changes, along)
    },
  })
  return {
    store,
    /** It takes so much of what it holds again. */
    async leave(share: number) {
      maxBytes = (await size()) * (1 + share)
    },
  }
}

test('a savepoint for which there is no room leaves nothing behind that the app needs room for', async () => {
  const { store, leave } = narrow()
  const t = await testApp(ofKeys, { topics: { in: 2, out: 1 }, broker: embedded(), store })
  const send = (prefix: string) =>
    t.send(
      'in',
      [...Array(40).keys()].map((n) => ({ key: `${prefix}${n}`, value: n })),
    )
  await send('k')
  await t.settle()
  const before = await store.scopes()
  await leave(0.9)
  await expect(t.app.savepoint('large')).rejects.toMatchObject({ code: 'STORE_FULL' })
  expect(await store.scopes()).toEqual(before)
  await send('l')
  await t.settle()
  expect(t.errors).toEqual([])
  await t.stop()
})

test('one that was taken half-way before the process died can be deleted', async () => {
  const { t, feed, done } = await given()
  await feed(1)
  await done(t.app.savepoint('s'))
  await t.store.clear('savepoint/test/s/about')
  expect(await t.app.savepoints()).toEqual([])
  await t.app.deleteSavepoint('s')
  expect((await t.store.scopes()).filter((scope) => scope.startsWith('savepoint/'))).toEqual([])
  await expect(t.app.deleteSavepoint('s')).rejects.toMatchObject({ code: 'BAD_OPTION' })
  await t.stop()
})

test('with changelogs the app joins again after a savepoint whose transaction fails', async () => {
  const inner = embedded()
  const { next, strike } = trouble()
  const broker: Broker = but(inner, {
    async transactionalProducer(id) {
      const producer = await inner.transactionalProducer(id)
      return but(producer, {
        async begin() {
          const transaction = await producer.begin()
          return but(transaction, {
            async commit(along) {
              strike()
              return transaction.commit(along)
            },
          })
        },
      })
    },
  })
  const { t, feed, done } = await given({ broker, changelog: true })
  await feed()
  await t.send('in', { value: 1, partition: 1 })
  await t.settle({ checkpoint: false })
  next(new TidemarkError('BROKER_UNAVAILABLE', 'away for a moment'))
  await expect(done(t.app.savepoint('first'))).rejects.toMatchObject({ code: 'BROKER_UNAVAILABLE' })
  await t.advance('1s')
  await feed(2)
  await t.crash()
  await t.restart()
  await feed(1)
  expect((await t.records('out')).map(({ key, value }) => `${key} ${value}`).sort()).toEqual(['1 1', '1 2', '2 1'])
  await t.stop()
})

test('with changelogs a savepoint has what has just been committed, wherever the broker has put it', async () => {
  const clock = testClock()
  const { broker } = seenLater(embedded({ clock }))
  const t = await testApp(ofKeys, { topics: { in: 1, out: 1 }, clock, broker, store: memory(), changelog: true })
  await t.send('in', { key: 'a', value: 1 })
  await t.settle({ checkpoint: false })
  expect(await t.app.savepoint('s')).toMatchObject({ tasks: 1, states: ['n'] })
  await t.stop()
})

test('a savepoint says so when tasks have been let go of meanwhile', async () => {
  const inner = embedded()
  let fence = () => {}
  let onRanges = () => {}
  const broker: Broker = but(inner, {
    consumer(options) {
      fence = () => options.listener.error(new TidemarkError('FENCED', 'another one has the slot'), true)
      return inner.consumer(options)
    },
    ranges(topic) {
      onRanges()
      return inner.ranges(topic)
    },
  })
  const { t, feed, done } = await given({ broker })
  await feed(1, 2)
  await t.send('in', { value: 1, partition: 1 })
  onRanges = () => {
    onRanges = () => {}
    fence()
  }
  await expect(done(t.app.savepoint('first'))).rejects.toMatchObject({ code: 'BAD_STATE' })
  await t.advance('1s')
  expect(await done(t.app.savepoint('first'))).toMatchObject({ name: 'first', tasks: 4 })
  await t.stop()
})

test('what was written is not waited for longer than a minute, and the app goes on', async () => {
  const { t, feed } = await given()
  await feed(1, 1, 2)
  await t.broker.deleteTopics(['out'])
  await t.broker.createTopics([{ topic: 'out', partitions: 1 }])
  const refused = expect(t.app.savepoint('first')).rejects.toMatchObject({ code: 'BAD_STATE', place: { topic: 'out' } })
  await t.advance('61s')
  await refused
  await feed(1)
  expect((await t.records('out')).map(({ key, value }) => `${key} ${value}`)).toEqual(['1 3'])
  await t.stop()
})

test('an app may be stopped while a savepoint waits for what was written', async () => {
  const { t, feed } = await given()
  await feed(1)
  await t.broker.deleteTopics(['out'])
  await t.broker.createTopics([{ topic: 'out', partitions: 1 }])
  const refused = expect(t.app.savepoint('first')).rejects.toMatchObject({ code: 'BAD_STATE' })
  await t.clock.settle()
  const stopping = t.app.stop()
  await t.clock.advance('10ms')
  await Promise.all([stopping, refused])
  expect(t.app.stats().state).toBe('stopped')
  await t.stop()
})

test('a task that has gone back just before a savepoint handles nothing until that is taken', async () => {
  const inner = memory()
  const gates: (() => void)[] = []
  let isGated = false
  const store = but(inner, {
    async commit(changes, along) {
      if (isGated) await new Promise<void>((open) => gates.push(open))
      await inner.commit(changes, along)
    },
  })
  const orBad = (app: App) =>
    app.run(
      'n',
      app.stream<number>('in', { value: json() }).pipe(
        aggregate(
          last((one) => one.value),
          { name: 'n' },
        ),
        mapValues((value: number) => {
          if (value === 0) throw new Error('bad')
          return value
        }),
        toTopic('out'),
      ),
    )
  const broker = embedded()
  const topics = await rawTopics({ in: 2, out: 1 }, broker)
  const app = createApp({ id: 'back', broker, store, onError: 'skip', commitInterval: 5 })
  orBad(app)
  await app.start()
  const send = async (partition: number, ...values: number[]) => {
    for (const value of values) await topics.send({ topic: 'in', partition }, 'k', `${value}`)
  }
  const records = (n: number) => app.stats().tasks.find(({ task }) => task === `0_${n}`)?.records
  const isRestored = () => app.stats().tasks.some(({ task, restore }) => task === '0_1' && restore === undefined)
  const gate = (n: number) => until(`commit ${n}`, () => gates.length === n)
  isGated = true
  await send(0, 1)
  await send(1, 1)
  await gate(2)
  await until('both', () => records(0) === 1 && records(1) === 1)
  // The one task goes back, and waits for that checkpoint; the other one has something for the next.
  await send(1, 0, 2)
  await send(0, 2)
  await until('the one to have gone back', () => records(0) === 2 && isRestored() === false)
  const taking = app.savepoint('s')
  for (const open of gates) open()
  await gate(3)
  await until('the task again', isRestored)
  await send(1, 3)
  await until('the record to be there', () => (app.stats().tasks.find(({ task }) => task === '0_1')?.lag ?? 0) >= 3)
  isGated = false
  gates[2]?.()
  await taking
  const about = new Map(await loadAll(inner, 'savepoint/back/s/about')).get('about')
  const place = (offset: number, partition: number) => ({ topic: 'in', partition, offset })
  expect(JSON.parse(new TextDecoder().decode(about)).positions).toEqual([place(2, 0), place(1, 1)])
  await until('the others', async () => (await topics.read('out')).length === 5)
  await app.stop()
})

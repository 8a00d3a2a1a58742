import { expect, test } from '@jest/globals'
import { type App, aggregate, count, createApp, json, keyBy, toTopic } from 'tidemark'
import { testApp } from 'tidemark/testing'
import { loadAll } from '../../lib/ports/loadAll.js'

const counts = (app: App) =>
  app.run(
    'n',
    app.stream<number>('in', { value: json() }).pipe(
      keyBy((one) => `${one.value}`, { name: 'by' }),
      aggregate(count(), { name: 'n' }),
      toTopic('out'),
    ),
  )

async function given() {
  const t = await testApp(counts, { topics: { in: 2, out: 1 } })
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
  await t.restart()
  await feed(1)
  expect((await t.records('out')).map(({ key, value }) => `${key} ${value}`).sort()).toEqual(['1 1', '1 2', '2 1'])
  await t.stop()
})

import { expect, test } from '@jest/globals'
import { merge } from 'rxjs'
import {
  type AggregateOptions,
  type App,
  aggregate,
  collect,
  count,
  createApp,
  json,
  memory,
  toTopic,
  tumblingWindow,
} from 'tidemark'
import { loadAll } from '../../lib/ports/loadAll.js'
import { inChangelogs, type Versions, versions } from './versions.js'

const TOPICS = { a: 2, b: 2, out: 1 }

const read = (app: App, topic: string) => app.stream<number>(topic, { value: json() })

const counts = (app: App, topic: string, name: string, options: AggregateOptions = {}) =>
  app.run(name, read(app, topic).pipe(aggregate(count(), { name, ...options }), toTopic('out')))

const start = (build: (app: App) => unknown) => versions(build, { topics: TOPICS, ...inChangelogs() })

async function feed({ t }: Versions, topic: string, ...keys: string[]) {
  for (const key of keys) await t.send(topic, { key, value: 1, timestamp: 1_000 })
  await t.settle()
}

const out = async ({ t }: Versions) =>
  (await t.records('out')).map(({ key, value }) => `${key} ${JSON.stringify(value)}`).sort()

const changelogs = async ({ t }: Versions) =>
  [...(await t.broker.topics()).keys()].filter((topic) => topic.endsWith('-changelog')).sort()

test('states are kept, moved and migrated, and a new one begins empty once that is allowed', async () => {
  const v = await start((app) => counts(app, 'a', 'n'))
  await feed(v, 'a', 'x', 'y')
  await feed(v, 'b', 'x')
  const next = (app: App) => {
    const both = merge(read(app, 'a'), read(app, 'b'))
    app.run(
      'n',
      both.pipe(aggregate(count(), { name: 'n', version: 2, migrate: (n: number) => n * 10 }), toTopic('out')),
    )
    app.run('all', both.pipe(aggregate(collect(), { name: 'all' }), toTopic('out')))
  }
  await expect(v.become(next)).rejects.toMatchObject({
    code: 'PLAN_MISMATCH',
    reason: expect.stringMatching(/all is new: it begins empty, though records of a, b have been handled/),
  })
  await v.become(next, { startEmpty: ['all'] })
  expect(await out(v)).toEqual(['x 1', 'x 11', 'x [1]', 'y 1'])
  expect((await v.t.app.compare()).states).toMatchObject([
    { state: 'all', change: 'new', isRefused: false },
    { state: 'n', change: 'kept', migratesFrom: 1 },
  ])
  await v.become(next)
  await feed(v, 'a', 'x')
  expect(await out(v)).toEqual(['x 1', 'x 11', 'x 12', 'x [1,1]', 'x [1]', 'y 1'])
  expect((await v.t.app.compare()).states).toMatchObject([
    { state: 'all', change: 'kept', text: '' },
    { state: 'n', change: 'kept', text: '' },
  ])
  await v.t.stop()
})

test('a topic that is left out goes on where it was when it comes back', async () => {
  const alone = (app: App) => counts(app, 'a', 'n')
  const together = (app: App) =>
    app.run('n', merge(read(app, 'a'), read(app, 'b')).pipe(aggregate(count(), { name: 'n' }), toTopic('out')))
  const v = await start(alone)
  await feed(v, 'a', 'x')
  await feed(v, 'b', 'x')
  await v.become(together)
  expect(await out(v)).toEqual(['x 1', 'x 2'])
  await v.become(alone)
  await feed(v, 'a', 'x')
  await feed(v, 'b', 'x')
  await v.become(alone)
  expect(await out(v)).toEqual(['x 1', 'x 2', 'x 3'])
  await v.become(together)
  expect(await out(v)).toEqual(['x 1', 'x 2', 'x 3', 'x 4'])
  await v.t.stop()
})

test('one that was left out comes back if nothing was handled since, and else is refused', async () => {
  const both = (app: App) => {
    counts(app, 'a', 'one')
    app.run('two', read(app, 'a').pipe(aggregate(collect(), { name: 'two' }), toTopic('out')))
  }
  const v = await start(both)
  await feed(v, 'a', 'x')
  await v.become((app) => counts(app, 'a', 'one'))
  await v.become(both)
  await feed(v, 'a', 'x')
  expect(await out(v)).toEqual(['x 1', 'x 2', 'x [1,1]', 'x [1]'])

  await v.become((app) => counts(app, 'a', 'one'))
  await feed(v, 'a', 'x')
  await expect(v.become(both)).rejects.toMatchObject({
    code: 'PLAN_MISMATCH',
    reason: expect.stringContaining('two is incompatible: it was left out of the plan while records were handled'),
  })
  await v.become(both, { startEmpty: ['two'] })
  await feed(v, 'a', 'x')
  expect(await out(v)).toEqual(['x 1', 'x 2', 'x 3', 'x 4', 'x [1,1]', 'x [1]', 'x [1]'])
  await v.become(both)
  await feed(v, 'a', 'x')
  expect((await out(v)).filter((line) => line.endsWith(']'))).toEqual(['x [1,1]', 'x [1,1]', 'x [1]', 'x [1]'])
  await v.t.stop()
})

test('an incompatible one is refused, or dropped, in its changelog too', async () => {
  const v = await start((app) => counts(app, 'a', 'n'))
  await feed(v, 'a', 'x', 'y')
  const windowed = (app: App) =>
    app.run(
      'n',
      read(app, 'a').pipe(tumblingWindow('10s'), aggregate(count(), { name: 'n', emit: 'close' }), toTopic('out')),
    )
  await expect(v.become(windowed)).rejects.toMatchObject({ reason: expect.stringContaining('its window is') })
  await v.become(windowed, { startEmpty: ['n'] })
  await v.become(windowed)
  await feed(v, 'a', 'x')
  await v.t.send(
    'a',
    [0, 1].map((partition) => ({ key: 'z', value: 1, timestamp: 90_000, partition })),
  )
  await v.t.settle()
  expect(await out(v)).toEqual(['x 1', 'x 1', 'y 1'])
  await v.t.stop()
})

test('compare reads changelogs before the start, those of states included that no operator has; drop deletes them', async () => {
  const v = await start((app) => {
    counts(app, 'a', 'n')
    counts(app, 'b', 'gone')
  })
  await feed(v, 'a', 'x')
  await feed(v, 'b', 'x')
  await v.t.crash()
  const app = createApp({
    id: 'test',
    instance: 'other',
    broker: v.t.broker,
    store: memory(),
    changelog: true,
  })
  counts(app, 'a', 'n')
  counts(app, 'a', 'late')
  expect(`${await app.compare()}`).toBe(
    [
      'app test: beside what is stored',
      '  orphaned      gone: it is kept aside',
      '  new           late: it begins empty, though records of a have been handled (refused)',
      '  kept          n',
      '  removed       topic b',
    ].join('\n'),
  )
  await v.become((next) => counts(next, 'a', 'n'))
  expect(await changelogs(v)).toEqual(['test-gone-changelog', 'test-n-changelog'])
  await v.become((next) => counts(next, 'a', 'n'), { drop: ['gone'] })
  expect(await changelogs(v)).toEqual(['test-n-changelog'])
  await feed(v, 'a', 'x')
  expect(await out(v)).toEqual(['x 1', 'x 1', 'x 2'])
  await v.t.stop()
})

test('a savepoint has what the changelogs hold', async () => {
  const v = await start((app) => counts(app, 'a', 'n'))
  await feed(v, 'a', 'x', 'y')
  const saving = v.t.app.savepoint('s')
  await Promise.all([saving, v.t.clock.settle()])
  expect(await saving).toMatchObject({ tasks: 1, states: ['n'] })
  const keys: string[] = []
  for (const scope of await v.t.store.scopes())
    for (const [key] of await loadAll(v.t.store, scope)) if (key.startsWith('s/n/')) keys.push(key)
  expect(keys.sort()).toEqual(['s/n/sx', 's/n/sy'])
  await v.t.stop()
})

test('copies in a store on disk are of the present plan, or none', async () => {
  const [v, store] = [await start((app) => counts(app, 'a', 'n')), memory()]
  await feed(v, 'a', 'x')
  await v.t.crash()
  const run = async (build: (app: App) => void) => {
    const app = createApp({
      id: 'test',
      instance: 'disk',
      broker: v.t.broker,
      store: { ...store, durable: true },
      changelog: true,
      commitInterval: 5,
      clock: v.t.clock,
    })
    build(app)
    const starting = app.start()
    await v.t.clock.settle()
    await starting
    await v.t.clock.advance('1s')
    const stopping = app.stop()
    await v.t.clock.settle()
    await stopping
    await store.open('test.disk')
    const scopes = [...(await store.scopes())].sort()
    await store.close()
    return scopes
  }
  expect(await run((app) => counts(app, 'a', 'n'))).toEqual(['task/test/a/0', 'task/test/a/1'])
  const together = (app: App) =>
    app.run('n', merge(read(app, 'a'), read(app, 'b')).pipe(aggregate(count(), { name: 'n' }), toTopic('out')))
  expect(await run(together)).toEqual(['task/test/a+b/0', 'task/test/a+b/1'])
})

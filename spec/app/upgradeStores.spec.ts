import 'fake-indexeddb/auto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from '@jest/globals'
import { merge } from 'rxjs'
import {
  type App,
  aggregate,
  count,
  createApp,
  embedded,
  json,
  mapValues,
  memory,
  type StoreAdapter,
  shadow,
  toTopic,
} from 'tidemark'
import { idb } from 'tidemark/idb'
import { level } from 'tidemark/level'
import { until } from '../until.js'
import { rawTopics } from './raw.js'

const folder = mkdtempSync(join(tmpdir(), 'tidemark-upgrade-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const first = (app: App) =>
  app.run('n', app.stream('a', { value: json() }).pipe(aggregate(count(), { name: 'n' }), toTopic('out')))

/** Another topic comes in, so that the state moves; its values change. */
const second = (app: App) => {
  const [a, b] = [app.stream('a', { value: json() }), app.stream('b', { value: json() })]
  app.run(
    'n',
    merge(a, b).pipe(
      aggregate({ n: count(), m: count() }, { name: 'n', version: 2, migrate: (n: number) => [n, null] }),
      mapValues(({ n }) => n),
      toTopic('out'),
    ),
  )
}

const kept = memory()

test.each<[string, () => StoreAdapter]>([
  ['memory', () => kept],
  ['level', () => level(folder, { exclusive: true })],
  ['idb', () => idb('upgrade')],
])('a state moves, migrates, is saved and tried in the shadow, in %s', async (_, reopen) => {
  const start = async (build: (app: App) => void) => {
    const store = reopen()
    const broker = embedded({ store })
    const topics = await rawTopics({ a: 2, b: 2, out: 1 }, broker)
    const app = createApp({ id: 'app', broker, store, commitInterval: 5 })
    build(app)
    await app.start()
    const out = async () => (await topics.read('out')).map(({ key, value }) => `${key} ${value}`)
    return {
      app,
      out,
      /** Writes one record of a key to a topic, and waits for so many results. */
      feed: async (topic: string, key: string, results: number) => {
        for (const partition of [0, 1]) await topics.send({ topic, partition }, `${key}${partition}`, '1')
        await until('results', async () => (await out()).length === results)
      },
      stop: async () => {
        await app.stop()
        await broker.close()
      },
    }
  }
  const v1 = await start(first)
  await v1.feed('a', 'x', 2)
  await v1.app.savepoint('s')
  await v1.feed('a', 'x', 4)
  const report = await shadow(v1.app, { from: 's', build: second })
  expect(report).toMatchObject({ same: 2, changed: 0, missing: 0, extra: 0 })
  expect(report.plan.states).toMatchObject([{ state: 'n', change: 'kept', migratesFrom: 1 }])
  await v1.stop()

  const v2 = await start(second)
  expect(await v2.app.savepoints()).toMatchObject([{ name: 's', tasks: 2, states: ['n'] }])
  await v2.feed('b', 'x', 6)
  expect((await v2.out()).sort()).toEqual(['x0 1', 'x0 2', 'x0 3', 'x1 1', 'x1 2', 'x1 3'])
  await v2.app.deleteSavepoint('s')
  await v2.stop()

  const again = await start(second)
  await again.feed('a', 'x', 8)
  expect((await again.app.compare()).states).toMatchObject([{ state: 'n', change: 'kept', text: '' }])
  expect(await again.app.savepoints()).toEqual([])
  await again.stop()
})

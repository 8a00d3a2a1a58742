import { expect, test } from '@jest/globals'
import {
  type App,
  aggregate,
  embedded,
  json,
  last,
  memory,
  type StoreChanges,
  type StreamRecord,
  toTopic,
} from 'tidemark'
import { testApp, testClock } from 'tidemark/testing'

const RECORDS = 100_000
const CHANGES = 100

const key = (n: number) => `key ${String(n).padStart(6, '0')}`
/** As long as any other. */
const record = (n: number, keys: number, value: number) => ({ key: key(n % keys), value, timestamp: 100_000 + n })

/** What the checkpoint behind a few changes hands to the store, where so many keys are kept. */
async function cost(keys: number, pipeline: (app: App) => unknown): Promise<{ entries: number; bytes: number }> {
  const clock = testClock()
  const store = memory()
  let commits: (readonly StoreChanges[])[] = []
  const watched = {
    ...store,
    commit: (changes: readonly StoreChanges[]) => {
      commits.push(changes)
      return store.commit(changes)
    },
  }
  const t = await testApp(pipeline, { topics: { in: 1, out: 1 }, clock, broker: embedded({ clock }), store: watched })
  await t.send(
    'in',
    Array.from({ length: RECORDS }, (_, n) => record(n, keys, 500_000)),
  )
  await t.settle()
  expect((await t.state('state')).length).toBe(keys)
  commits = []
  await t.send(
    'in',
    Array.from({ length: CHANGES }, (_, n) => record(n, CHANGES, 700_000)),
  )
  await t.settle()
  const all = commits.flat().flatMap(({ entries }) => entries)
  await t.stop()
  return {
    entries: all.length,
    bytes: all.reduce((sum, [name, value]) => sum + name.length + (value?.length ?? 0), 0),
  }
}

test('what a checkpoint writes is what has changed, however much there is', async () => {
  const pipeline = (app: App) => {
    const lasts = aggregate(
      last(({ value }: StreamRecord<string, number>) => value),
      { name: 'state' },
    )
    app.run('last', app.stream<number>('in', { value: json() }).pipe(lasts, toTopic('out')))
  }
  const small = await cost(CHANGES, pipeline)
  expect(await cost(RECORDS, pipeline)).toEqual(small)
  // The changes, and one entry that says how far it is.
  expect(small.entries).toBe(CHANGES + 1)
})

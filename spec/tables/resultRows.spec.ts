import { expect, test } from '@jest/globals'
import { map } from 'rxjs'
import {
  type App,
  aggregate,
  count,
  json,
  type Table,
  tableMapValues,
  tableTableJoin,
  toTable,
  tumblingWindow,
  type Window,
} from 'tidemark'
import { type TestApp, testApp } from 'tidemark/testing'

/** Counts in windows of 10 ms, tenfold, with a state of their own: `tens`. */
const app = (grace: number, isCounted = true) =>
  testApp(
    (a) => {
      const counts = a
        .stream<number>('in', { value: json() })
        .pipe(tumblingWindow(10, { grace }), aggregate(count(), { name: 'counts' }))
      // A stream made of the results is no table that keeps rows.
      const table = isCounted ? toTable('counts', counts) : toTable(undefined, counts.pipe(map((r) => ({ ...r }))))
      const tens = table.pipe(tableMapValues((v) => v * 10, { name: 'tens' }))
      a.run('tens', tens.changes())
    },
    { topics: { in: 1 } },
  )

async function send(t: TestApp<unknown>, ...records: readonly (readonly [key: string, time: number])[]) {
  for (const [key, timestamp] of records) await t.send('in', { key, value: 1, timestamp })
  await t.settle()
  expect(t.errors).toEqual([])
}

/** Rows that are kept, by key and the start of their window. */
const kept = async (t: TestApp<unknown>) =>
  (await t.state('tens')).map(({ key }) => (key as readonly unknown[]).slice(0, 2).join(' ')).sort()

test('the rows of a window stay as long as what they are made of does', async () => {
  const t = await app(0)
  await send(t, ['a', 1], ['b', 2], ['a', 3], ['a', 12])
  expect(await kept(t)).toEqual(['a 0', 'a 10', 'b 0'])
  // Now that window has closed.
  await send(t, ['a', 13])
  expect(await kept(t)).toEqual(['a 10'])
  await t.stop()
})

test('also after a restart', async () => {
  const t = await app(0)
  await send(t, ['a', 1], ['b', 2], ['a', 12])
  await t.crash()
  await t.restart()
  await send(t, ['a', 13])
  expect(await kept(t)).toEqual(['a 10'])
  await t.stop()
})

test('the window that ends first goes first, in whatever order they came', async () => {
  const t = await app(30)
  await send(t, ['a', 22], ['a', 12], ['a', 2])
  await send(t, ['b', 41], ['b', 42])
  expect(await kept(t)).toEqual(['a 10', 'a 20', 'b 40'])
  await t.stop()
})

test('no change frees more than four rows, so that none takes long', async () => {
  const t = await app(0)
  await send(t, ...['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'].map((key, i) => [key, i] as const), ['a', 12])
  expect(await kept(t)).toHaveLength(10)
  await send(t, ['a', 13])
  expect(await kept(t)).toHaveLength(6)
  await send(t, ['a', 14])
  expect(await kept(t)).toHaveLength(2)
  await send(t, ['a', 15])
  expect(await kept(t)).toEqual(['a 10'])
  await t.stop()
})

test('over a table that keeps none, rows stay, as nothing says when they have had their time', async () => {
  const t = await app(0, false)
  await send(t, ['a', 1], ['a', 12], ['a', 13], ['a', 25])
  expect(await kept(t)).toEqual(['a 0', 'a 10', 'a 20'])
  await t.stop()
})

test.each([
  ['inner', 'both sides have it', ['a', 'b'], []],
  ['inner', 'one has it', ['a', 'b'], ['a']],
  ['left', 'the left has it', ['a'], ['a']],
  ['left', 'the right has it', ['a', 'b'], ['b']],
  ['outer', 'either has it', ['b'], ['b']],
] as const)('a row of a %s join stays as long as %s', async (kind, _, sides, staying) => {
  const t = await testApp(
    (a: App) => {
      // The windows of a side that is to stay are kept for longer.
      const counts = (topic: 'a' | 'b') =>
        toTable(
          topic,
          a.stream<number>(topic, { value: json() }).pipe(
            tumblingWindow(10),
            aggregate(count(), {
              name: topic,
              retention: (staying as readonly string[]).includes(topic) ? 1_000 : 10,
            }),
          ),
        ) as Table<string, number, Window>
      const joined = counts('a').pipe(
        tableTableJoin(counts('b'), (x: unknown, y: unknown) => `${x} ${y}`, { kind: kind as 'outer', name: 'tens' }),
      )
      a.run('joined', joined.changes())
    },
    { topics: { a: 1, b: 1 } },
  )
  for (const topic of sides) await t.send(topic, { key: 'k', value: 1, timestamp: 1 })
  await t.settle()
  expect(await kept(t)).toEqual(['k 0'])
  for (const timestamp of [12, 13, 14]) {
    for (const topic of ['a', 'b']) await t.send(topic, { key: 'k', value: 1, timestamp })
    await t.settle()
  }
  const needed = { inner: ['a', 'b'], left: ['a'], outer: ['b'] }[kind]
  const isKept = needed.every((side) => (staying as readonly string[]).includes(side))
  expect(await kept(t)).toEqual(isKept ? ['k 0', 'k 10'] : ['k 10'])
  expect(t.errors).toEqual([])
  await t.stop()
})

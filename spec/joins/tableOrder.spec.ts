import { expect, test } from '@jest/globals'
import { from, ignoreElements, merge } from 'rxjs'
import { aggregate, collect, count, local, mapValues, record, shared, streamTableJoin, sum, toTable } from 'tidemark'

const input = [1, 2, 3, 4].map((value, index) => record('a', value, index))
const stream = () => from(input).pipe(shared())

async function values<T>(pipeline: ReturnType<typeof local<{ value: T }>>): Promise<T[]> {
  const found: T[] = []
  await pipeline.forEach(({ value }) => {
    found.push(value)
  })
  return found
}

test('a stream joined with its own sum finds itself in it, in whatever order the two were written', async () => {
  for (const tableFirst of [true, false]) {
    const source = stream()
    const table = toTable('t', source.pipe(aggregate(sum((r) => r.value))))
    const joined = source.pipe(streamTableJoin(table, (value, total) => `${value}:${total}`))
    const pipeline = tableFirst ? merge(table.changes().pipe(ignoreElements()), joined) : joined
    expect(await values(local(pipeline))).toEqual(['1:1', '2:3', '3:6', '4:10'])
  }
})

test('chained joins with tables of the same stream: each finds itself in all of them', async () => {
  const source = stream()
  const counts = toTable('c', source.pipe(aggregate(count())))
  const totals = toTable('t', source.pipe(aggregate(sum((r) => r.value))))
  const pipeline = source.pipe(
    streamTableJoin(counts, (value, n) => ({ value, n })),
    streamTableJoin(totals, (joined, total) => ({ ...joined, total })),
  )
  expect(await values(local(pipeline))).toEqual([
    { value: 1, n: 1, total: 1 },
    { value: 2, n: 2, total: 3 },
    { value: 3, n: 3, total: 6 },
    { value: 4, n: 4, total: 10 },
  ])
})

test('a table far down the same stream is there too', async () => {
  const source = stream()
  const seen = toTable(
    'seen',
    source.pipe(
      mapValues((value) => value * 10),
      mapValues((value) => value + 1),
      aggregate(collect()),
    ),
  )
  const pipeline = source.pipe(
    mapValues((value) => value),
    streamTableJoin(seen, (value, all) => [value, ...all]),
  )
  expect(await values(local(pipeline))).toEqual([
    [1, 11],
    [2, 11, 21],
    [3, 11, 21, 31],
    [4, 11, 21, 31, 41],
  ])
})

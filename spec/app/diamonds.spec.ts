import { expect, test } from '@jest/globals'
import { filter, from, merge, type Observable } from 'rxjs'
import {
  aggregate,
  count,
  json,
  keyBy,
  local,
  mapValues,
  memory,
  record,
  type StreamRecord,
  streamTableJoin,
  toTopic,
  tumblingWindow,
} from 'tidemark'
import { testApp } from 'tidemark/testing'

type Numbers = Observable<StreamRecord<string, number>>

/** Ways from the first to the last: 2^64. Each record takes one of them. */
const DIAMONDS = 64

const diamonds = (stream: Numbers): Numbers => {
  let last = stream
  for (let n = 0; n < DIAMONDS; n++) {
    const from = last.pipe(mapValues((value) => value))
    last = merge(from.pipe(filter(({ value }) => value % 2 === 0)), from.pipe(filter(({ value }) => value % 2 !== 0)))
  }
  return last.pipe(mapValues((value) => value))
}

test.each([
  ['stream time', undefined],
  ['a watermark', { maxOutOfOrderness: 0 }],
])('a graph of many ways is planned and run node by node, with %s', async (_, watermark) => {
  const t = await testApp(
    (app) => {
      const table = app.table<number>('table', { value: json() })
      const stream = app.stream<number>('in', { value: json(), ...(watermark && { watermark }) })
      app.run(
        'x',
        diamonds(
          diamonds(stream).pipe(
            keyBy((r) => r.key),
            streamTableJoin(table, (value) => value, { kind: 'left' }),
            tumblingWindow(10),
          ) as never,
        ).pipe(aggregate(count(), { name: 'n', emit: 'close' }) as never, toTopic('out')),
      )
    },
    { topics: { in: 1, table: 1, out: 1 } },
  )
  await t.send(
    'in',
    [1, 2, 3, 24].map((timestamp) => ({ key: 'k', value: timestamp, timestamp })),
  )
  await t.settle()
  expect((await t.records('out')).map(({ value, window }) => [window?.start, value])).toEqual([[0, 3]])
  expect(t.app.describe()).toContain('aggregate n')
  expect(t.app.explain({ operator: 'n' }).tasks[0]?.heldBy).toHaveLength(1)
  await t.stop()
})

test('and outside an app', () => {
  const windows: number[] = []
  const numbers = from([1, 2, 13].map((time) => record('k', time, time)))
  local(
    diamonds(numbers.pipe(tumblingWindow(10)) as Numbers).pipe(aggregate(count(), { emit: 'close' }) as never),
  ).subscribe((r) => windows.push((r as StreamRecord<string, number>).value))
  expect(windows).toEqual([2, 1])
})

test('a name is proposed, however many ways lead to the state', async () => {
  const start = testApp(
    (app) =>
      app.run('x', diamonds(app.stream<number>('in', { value: json() })).pipe(aggregate(count()), toTopic('out'))),
    { topics: { in: 1, out: 1 }, store: Object.assign(Object.create(memory()), { durable: true }) },
  )
  await expect(start).rejects.toMatchObject({ code: 'UNNAMED_STATE' })
})

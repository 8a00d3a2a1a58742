import { describe, expect, test } from '@jest/globals'
import { from, map, merge, Subject } from 'rxjs'
import {
  aggregate,
  type Change,
  count,
  json,
  local,
  record,
  type StreamRecord,
  streamTableJoin,
  tableFilter,
  tableMapValues,
  toTable,
  toTopic,
  tumblingWindow,
} from 'tidemark'
import { matchers, runMarbles, testApp } from 'tidemark/testing'

expect.extend(matchers)

const values = {
  a: ['ann', 1],
  b: ['bob', 5],
  c: ['ann', 2],
  d: ['ann', null],
  k: [null, 1],
  p: { key: 'ann', value: 1, previous: null },
  q: { key: 'bob', value: 5, previous: null },
  r: { key: 'ann', value: 2, previous: 1 },
  s: { key: 'ann', value: null, previous: 2 },
  n: { key: 'ann', value: null, previous: null },
} as const

describe('history', () => {
  test('the row as of a time, in an app with crashes; a late version is told apart, one that is too old is dropped', async () => {
    const t = await testApp(
      (app) => {
        const rows = app.table<number>('rows', { value: json(), history: '20ms' })
        const changes = rows.changes().pipe(map((c) => record(c.key, [c.value, c.previous, c.isLatest], c.timestamp)))
        app.run('changes', changes.pipe(toTopic('changes')))
        return rows
      },
      { topics: { rows: 2, changes: 2 } },
    )
    const send = async (value: number | null, timestamp: number) => {
      await t.send('rows', { key: 'k', value, timestamp })
      await t.settle()
    }
    await send(1, 10)
    await send(3, 30)
    await t.crash()
    await t.restart()
    await send(2, 20)
    expect([9, 10, 19, 20, 29, 30, 99].map((time) => t.result.getAsOf('k', time))).toEqual([
      undefined,
      1,
      1,
      2,
      2,
      3,
      3,
    ])
    await send(null, 45)
    await send(9, 24)
    expect([24, 25, 30, 44, 45].map((time) => t.result.getAsOf('k', time))).toEqual([undefined, 2, 3, 3, undefined])
    expect(t.result.get('k')).toBeUndefined()
    expect(await t.records('changes')).toEqualRecords([
      { value: [1, null, true], timestamp: 10 },
      { value: [3, 1, true], timestamp: 30 },
      { value: [2, 3, false], timestamp: 20 },
      { value: [null, 3, true], timestamp: 45 },
    ])
    expect(t.app.stats().tasks.flatMap(({ dropped }) => dropped)).toMatchObject([{ reason: 'late', count: 1 }])
    await t.stop()
  })

  test('a stream joins the row of its own time', async () => {
    await runMarbles({
      source: { table: 'a@10-c@30-', stream: '-----------x@10-x@29-x@30' },
      out: '                                -----------y@10-y@29-z@30',
      values: { ...values, x: ['ann', 0], y: ['ann', 1], z: ['ann', 2] },
      pipeline: ({ table, stream }) =>
        stream.pipe(streamTableJoin(toTable('t', table, { history: 50 }), (_, row) => row)),
    })
  })

  test('what is derived from it looks through to its versions; under a name it is a plain table', () => {
    const rows = new Subject<StreamRecord<string, number>>()
    const table = toTable('t', rows, { history: 50 })
    const tenfold = table.pipe(tableMapValues((v) => v * 10))
    const large = tenfold.pipe(tableFilter(({ value }) => value > 10))
    const named = tenfold.pipe(tableMapValues((v) => v, { name: 'named' }))
    const seen: unknown[] = []
    const tell = (name: string) => map(({ value, isLatest }: Change<string, number>) => [name, value, isLatest])
    const changes = merge(large.changes().pipe(tell('large')), named.changes().pipe(tell('named')))
    const subscription = local(changes).subscribe((change) => seen.push(change))
    for (const [value, time] of [
      [1, 10],
      [3, 30],
      [2, 20],
    ] as const)
      rows.next(record('a', value, time))
    expect(seen.slice(-2)).toEqual([
      ['large', 20, false],
      ['named', 20, true],
    ])
    expect([10, 20, 30].map((time) => tenfold.getAsOf('a', time))).toEqual([10, 20, 30])
    expect([10, 20, 30].map((time) => large.getAsOf('a', time))).toEqual([undefined, 20, 30])
    expect(large.get('a')).toBe(30)
    expect(named.get('a')).toBe(20)
    expect(() => named.getAsOf('a', 10)).toThrow(expect.objectContaining({ code: 'NO_HISTORY' }))
    subscription.unsubscribe()
  })

  test('over an aggregate: a table of its own, versioned by window', () => {
    const source = new Subject<StreamRecord<string, number>>()
    const sums = source.pipe(tumblingWindow(10), aggregate(count(), { name: 'sums' }))
    const table = toTable('versions', sums, { history: 100 })
    const subscription = local(table.changes()).subscribe()
    for (const time of [1, 3, 8, 12]) source.next(record('a', 0, time))
    const [first, second] = [
      { start: 0, end: 10 },
      { start: 10, end: 20 },
    ]
    expect([0, 1, 3, 7, 8, 50].map((time) => table.getAsOf('a', time, first))).toEqual([undefined, 1, 2, 2, 3, 3])
    expect(table.getAsOf('a', 50, second)).toBe(1)
    subscription.unsubscribe()
  })

  test.each([{ history: -1 }, { history: '5x' as never }, { ttl: 0 }])('a bad duration: %j', (options) => {
    const code = expect.objectContaining({ code: 'BAD_DURATION' })
    expect(() => toTable('t', from([record('a', 1, 1)]), options)).toThrow(code)
  })
})

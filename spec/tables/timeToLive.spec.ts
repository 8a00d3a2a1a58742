import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { json, toStream, toTable, toTopic } from 'tidemark'
import { matchers, runMarbles } from 'tidemark/testing'
import { ExpiringRows } from '../../lib/tables/expiringRows.js'
import { crashingTables } from './crashingTables.js'

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

describe('time to live', () => {
  const gone = (key: string, previous: number, timestamp: number) => ({ key, value: null, previous, timestamp })
  test.each([
    { name: 'a row that is updated stays', source: 'a---c----|', out: 'p---r----(x|)', x: gone('ann', 2, 9), y: {} },
    {
      name: 'a row that is deleted is gone',
      source: 'a-d------b|',
      out: 'p-m------q(y|)',
      x: {},
      y: gone('bob', 5, 14),
    },
    {
      name: 'several at once: by their time, then key',
      source: '(ba)---d@20-',
      out: '   (qp)---(xym)',
      x: gone('ann', 1, 5),
      y: gone('bob', 5, 5),
    },
    {
      name: 'a row is deleted before its next value, if that comes too late',
      source: 'a@1-c@6-',
      out: '   p---(xe)',
      x: gone('ann', 1, 6),
      y: {},
    },
    {
      name: 'a late value takes the place of a newer one, and goes earlier',
      source: 'a@9-c@6-b@11',
      out: '   p---r---(xq)',
      x: gone('ann', 2, 11),
      y: {},
    },
    { name: 'one that would be gone already is dropped', source: 'a@9-c@4-b@13', out: 'p-------q', x: {}, y: {} },
  ])('$name', async ({ source, out, x, y }) => {
    await runMarbles({
      source,
      out,
      values: {
        ...values,
        x,
        y,
        e: { key: 'ann', value: 2, previous: null },
        m: { key: 'ann', value: null },
      },
      pipeline: (s) => toTable('t', s, { ttl: 5 }).changes(),
    })
  })

  const given = fc.array(
    fc.record({ key: fc.constantFrom('a', 'b', 'c'), value: fc.option(fc.nat(9), { freq: 5 }), time: fc.nat(80) }),
    { maxLength: 25 },
  )

  test.each([{ ttl: 9 }, { ttl: 9, history: 30 }])('against recomputing, with crashes: %j', async (options) => {
    await fc.assert(
      fc.asyncProperty(given, fc.nat(25), async (records, crashAt) => {
        const { ttl, history = Number.POSITIVE_INFINITY } = options as { ttl: number; history?: number }
        const { out, read, state, dropped } = await crashingTables(
          ['rows'],
          (app) => {
            const table = app.table<number>('rows', { value: json(), ...options })
            app.run('out', table.pipe(toStream(), toTopic('out')))
            return table
          },
          records.map((one) => ({ ...one, topic: 'rows' })),
          crashAt,
          (table) => [...table.range()],
          { state: options.history === undefined ? 'rows' : undefined, partitions: 1 },
        )
        const rows = new Map<string, { value: number; at: number }>()
        let time = Number.NEGATIVE_INFINITY
        let late = 0
        const expected: object[] = []
        for (const { key, value, time: at } of records) {
          if (at + ttl <= time || at < time - history) {
            late++
            continue
          }
          time = Math.max(time, at)
          const over = [...rows].filter(([, row]) => row.at + ttl <= time)
          over.sort(([a, x], [b, y]) => x.at - y.at || (a < b ? -1 : 1))
          for (const [gone, row] of over) {
            rows.delete(gone)
            expected.push({ key: gone, value: null, timestamp: row.at + ttl })
          }
          expected.push({ key, value, timestamp: at })
          const known = rows.get(key)
          const isLatest = options.history === undefined || known === undefined || known.at <= at
          if (value === null && isLatest) rows.delete(key)
          else if (value !== null && isLatest) rows.set(key, { value, at })
        }
        expect(out).toEqualRecords(expected)
        if (crashAt >= records.length) expect(dropped).toBe(late)
        expect(read).toEqual([...rows].map(([key, { value }]) => [key, value]).sort())
        if (options.history === undefined) expect(state).toHaveLength(rows.size)
      }),
      { seed: 57, numRuns: 40 },
    )
  })
})

test('of rows that are updated all the time little is remembered besides the rows', () => {
  const timestamps = new Map<string, number>()
  const rows: ConstructorParameters<typeof ExpiringRows>[0] = {
    get size() {
      return timestamps.size
    },
    get(key) {
      const timestamp = timestamps.get(key as string)
      return timestamp === undefined ? undefined : { value: 0, timestamp }
    },
    *entries() {
      for (const [key, timestamp] of timestamps) yield { key, window: undefined, value: 0, timestamp }
    },
    times: () => timestamps.entries(),
  }
  const expired: unknown[] = []
  const expiring = new ExpiringRows(rows, 1_000_000, (row, due) => {
    timestamps.delete(row as string)
    expired.push([row, due])
  })
  let most = 0
  for (let time = 0; time < 50_000; time++) {
    timestamps.set(`k${time % 5}`, time)
    expiring.add(`k${time % 5}`, time)
    most = Math.max(most, (expiring as unknown as { heap: { size: number } }).heap.size)
  }
  expect(most).toBeLessThan(400)
  while (expiring.due() < Number.POSITIVE_INFINITY) expiring.fireNext()
  expect(expired).toEqual([0, 1, 2, 3, 4].map((n) => [`k${n}`, 1_049_995 + n]))
})

import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  type App,
  aggregate,
  collect,
  json,
  keyBy,
  type StreamRecord,
  streamTableJoin,
  toTable,
  toTopic,
} from 'tidemark'
import { matchers, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

expect.extend(matchers)

const together = (value: unknown, row: unknown) => `${value} ${row}`

const values = {
  X: ['ann', 'gold'],
  Y: ['ann', 'lead'],
  D: ['ann', null],
  a: ['ann', 1],
  b: ['bob', 2],
  c: ['ann', 3],
  n: ['ann', null],
  k: [null, 4],
  x: ['ann', '1 gold'],
  y: ['bob', '2 null'],
  z: ['ann', '3 lead'],
  o: ['ann', '1 null'],
  m: [null, '4 null'],
} as const

const run = (kind: 'inner' | 'left', table: string, stream: string, out: string) =>
  runMarbles({
    source: { table, stream },
    out,
    values,
    pipeline: ({ table, stream }) => stream.pipe(streamTableJoin(toTable('t', table), together, { kind })),
  })

describe('its diagram', () => {
  const table = 'X------Y-----|'
  const stream = '--a--b----c--|'
  test.each([
    ['inner', '--x-------z--|'],
    ['left', '--x--y----z--|'],
  ] as const)('%s', async (kind, out) => {
    expectDrawn('joins/streamTableJoin.ts', `table   ${table}`, `stream  ${stream}`, `${kind.padEnd(7)} ${out}`)
    await run(kind, table, stream, out)
  })
})

describe('edges', () => {
  test.each([
    { name: 'empty sources', kind: 'inner', table: '|', stream: '|', out: '|' },
    { name: 'completes when both have', kind: 'inner', table: 'X--|', stream: '-a|', out: '-x-|' },
    { name: "an error of the stream's side", kind: 'inner', table: 'X', stream: '-a#', out: '-x#' },
    { name: "an error of the table's side", kind: 'inner', table: 'X-#', stream: '-a', out: '-x#' },
    { name: 'a deleted row is none: inner', kind: 'inner', table: 'XD', stream: '--a', out: '-' },
    { name: 'a deleted row is none: left', kind: 'left', table: 'XD', stream: '--a', out: '--o' },
    { name: 'a null value is dropped', kind: 'left', table: 'X', stream: '-n', out: '-' },
    { name: 'a null key is dropped: inner', kind: 'inner', table: 'X', stream: '-k', out: '-' },
    { name: 'a null key meets null: left', kind: 'left', table: 'X', stream: '-k', out: '-m' },
    {
      name: "the stream's timestamp counts, and rows of its future too",
      kind: 'inner',
      table: 'X@99',
      stream: '-----a@3',
      out: '-----x@3',
    },
    { name: 'a table record gives nothing by itself', kind: 'left', table: 'XYXY', stream: '-', out: '-' },
  ] as const)('$name', async ({ kind, table, stream, out }) => run(kind, table, stream, out))

  test('a stream joined with its own count meets the count that includes it', async () => {
    await runMarbles({
      source: 'a--c--a|',
      out: '   x--y--z|',
      values: {
        a: ['ann', 1],
        c: ['ann', 3],
        x: ['ann', '1 1'],
        y: ['ann', '3 1,3'],
        z: ['ann', '1 1,3,1'],
      },
      pipeline: (s) => {
        // In an app sources are nodes; here the stream becomes one by a step of ours.
        const stream = s.pipe(keyBy((r: StreamRecord<string>) => r.key))
        return stream.pipe(streamTableJoin(toTable('lists', stream.pipe(aggregate(collect()))), together))
      },
    })
  })
})

describe('in an app', () => {
  const join = (kind: 'inner' | 'left') => (app: App) => {
    const stream = app.stream<number>('stream', { value: json() })
    const table = app.table<string>('table', { value: json() })
    app.run('out', stream.pipe(streamTableJoin(table, together, { kind }), toTopic('out')))
  }

  test('numbers of partitions that differ are CO_PARTITION, with both', async () => {
    const app = testApp(join('inner'), { topics: { stream: 2, table: 3, out: 1 } })
    await expect(app).rejects.toMatchObject({ code: 'CO_PARTITION', message: expect.stringMatching(/2.*3|3.*2/s) })
  })

  type Given = { side: 'stream' | 'table'; key: string; value: number | null; time: number }
  const given = fc.array(
    fc.record({
      side: fc.constantFrom<'stream' | 'table'>('stream', 'table'),
      key: fc.constantFrom('a', 'b', 'c'),
      value: fc.option(fc.nat(99), { freq: 5 }),
      time: fc.nat(30),
    }),
    { maxLength: 25 },
  )

  test.each(['inner', 'left'] as const)(
    'against recomputing, with crashes: each stream record meets the last row before it (%s)',
    async (kind) => {
      await fc.assert(
        fc.asyncProperty(given, fc.nat(25), async (records: readonly Given[], crashAt) => {
          const t = await testApp(join(kind), { topics: { stream: 2, table: 2, out: 2 } })
          for (const [i, { side, key, value, time }] of records.entries()) {
            await t.send(side, { key, value, timestamp: time })
            await t.settle({ checkpoint: i % 3 === 0 })
            if (i !== crashAt) continue
            await t.settle()
            await t.crash()
            await t.restart()
          }
          await t.settle()
          const expected = records.flatMap(({ side, key, value, time }, i) => {
            if (side === 'table' || value === null) return []
            const rows = records.slice(0, i).filter((other) => other.side === 'table' && other.key === key)
            const row = rows[rows.length - 1]?.value ?? null
            return row === null && kind === 'inner' ? [] : [{ key, value: `${value} ${row}`, timestamp: time }]
          })
          const out = await t.records('out')
          for (const key of ['a', 'b', 'c'])
            expect(out.filter((r) => r.key === key)).toEqualRecords(expected.filter((r) => r.key === key))
          expect(t.errors).toEqual([])
          await t.stop()
        }),
        { seed: 31, numRuns: 40 },
      )
    },
  )

  test('of records that wait on both sides the older comes first', async () => {
    const t = await testApp(join('left'), { topics: { stream: 1, table: 1, out: 1 } })
    await t.send(
      'stream',
      [10, 30].map((timestamp) => ({ key: 'a', value: timestamp, timestamp })),
    )
    await t.send(
      'table',
      [5, 20].map((timestamp) => ({ key: 'a', value: timestamp, timestamp })),
    )
    await t.settle()
    expect(await t.records('out')).toEqualRecords([{ value: '10 5' }, { value: '30 20' }])
    await t.stop()
  })
})

import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { from, NEVER, type Observable, Subject } from 'rxjs'
import {
  type App,
  aggregate,
  collect,
  createApp,
  type GlobalTable,
  globalTable,
  globalTableJoin,
  json,
  local,
  memory,
  partitionOf,
  record,
  type StreamRecord,
  toTopic,
  tumblingWindow,
} from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

expect.extend(matchers)

const values = {
  X: ['gold', 10],
  Y: ['gold', 20],
  D: ['gold', null],
  N: [null, 5],
  a: ['ann', 'gold'],
  b: ['bob', 'lead'],
  c: ['ann', 'gold'],
  k: [null, 'gold'],
  m: ['ann', ''],
  n: ['ann', null],
  x: ['ann', 'gold 10'],
  y: ['bob', 'lead null'],
  z: ['ann', 'gold 20'],
  v: ['ann', 'gold null'],
  w: [null, 'gold 10'],
  u: ['ann', ' null'],
} as const

const together = (value: unknown, row: unknown) => `${value} ${row}`
/** An empty value is the key of no row; null isn't to be asked for. */
const keyOf = ({ value }: { readonly value: string }) => (value.length === 0 ? null : value)

const run = (kind: 'inner' | 'left', table: string, stream: string, out: string) =>
  runMarbles({
    source: { table, stream },
    out,
    values,
    pipeline: ({ table, stream }) => stream.pipe(globalTableJoin(globalTable(table), keyOf, together, { kind })),
  })

describe('its diagram', () => {
  const table = 'X------Y-----|'
  const stream = '--a--b----c--|'
  test.each([
    ['inner', '--x-------z--|'],
    ['left', '--x--y----z--|'],
  ] as const)('%s', async (kind, out) => {
    expectDrawn('joins/globalTableJoin.ts', `table   ${table}`, `stream  ${stream}`, `${kind.padEnd(7)} ${out}`)
    await run(kind, table, stream, out)
  })
})

describe('laws', () => {
  const rows = () => globalTable(from([record('gold', 10, 0), record('lead', 20, 0)]))
  const input = ['gold', 'none', 'lead', 'gold'].map((value, i) => record(`k${i}`, value, i))
  const operator = () => (source: Observable<StreamRecord<string, string>>) =>
    source.pipe(globalTableJoin(rows(), keyOf, together, { kind: 'left' }))
  // A global table of a stream is none in an app: crashes are below.
  const laws = operatorLaws(operator, input).filter(({ name }) => !name.includes('crash'))
  expect(laws).toHaveLength(4)
  for (const law of laws) test(law.name, law.run)
})

describe('edges', () => {
  test.each([
    { name: 'empty sources', kind: 'inner', table: '|', stream: '|', out: '|' },
    { name: "an error of the stream's side", kind: 'inner', table: 'X', stream: '-a#', out: '-x#' },
    { name: "an error of the table's side", kind: 'inner', table: 'X-#', stream: '-a', out: '-x#' },
    { name: 'a deleted row is none: inner', kind: 'inner', table: 'XD', stream: '--a', out: '-' },
    { name: 'a deleted row is none: left', kind: 'left', table: 'XD', stream: '--a', out: '--v' },
    { name: 'a null value is dropped, and has no key', kind: 'left', table: 'X', stream: '-n', out: '-' },
    { name: 'a null key joins all the same', kind: 'inner', table: 'X', stream: '-k', out: '-w' },
    { name: 'no key of a row: inner', kind: 'inner', table: 'X', stream: '-m', out: '-' },
    { name: 'no key of a row: left', kind: 'left', table: 'X', stream: '-m', out: '-u' },
    { name: "the stream's timestamp counts", kind: 'inner', table: 'X@9', stream: '---a@3', out: '---x@3' },
    { name: 'a row without a key is none', kind: 'inner', table: 'NX', stream: '--a', out: '--x' },
  ] as const)('$name', async ({ kind, table, stream, out }) => run(kind, table, stream, out))

  test('a window declared before it is resolved after it', async () => {
    await runMarbles({
      source: { table: 'X|', stream: '-a-----|' },
      out: '                           -------(t|)',
      values: { ...values, t: { key: 'ann', value: ['gold 10'], window: { start: 0, end: 5 } } },
      pipeline: ({ table, stream }) =>
        stream.pipe(
          tumblingWindow(5),
          globalTableJoin(globalTable(table), keyOf, together),
          aggregate(collect(), { emit: 'close' }),
        ),
    })
  })

  test('the table of a stream can be read while it runs', () => {
    const rows = new Subject<StreamRecord<string, number | null>>()
    const table = globalTable(rows)
    const joined = (NEVER as Observable<StreamRecord<string, string>>).pipe(globalTableJoin(table, keyOf, together))
    const subscription = local(joined).subscribe()
    for (const row of [record('gold', 10, 0), record('lead', 20, 0), record('gold', null, 1)]) rows.next(row)
    expect([...table.entries()]).toEqual([['lead', 20]])
    expect([table.get('lead'), table.get('gold')]).toEqual([20, undefined])
    subscription.unsubscribe()
    expect([...table.entries()]).toEqual([])
  })
})

const joining =
  (kind: 'inner' | 'left' = 'left') =>
  (app: App) => {
    const table = app.globalTable<number>('table', { value: json() })
    const stream = app.stream<string>('stream', { value: json() })
    app.run('out', stream.pipe(globalTableJoin(table, keyOf, together, { kind }), toTopic('out')))
    return table
  }
const topics = { stream: 2, table: 3, out: 1 }

describe('in an app', () => {
  test('each member has the rows of all partitions; they are read again at each start', async () => {
    const names = Array.from({ length: 9 }, (_, i) => `row ${i}`)
    const partitions = new Set(names.map((name) => partitionOf(new TextEncoder().encode(name), 3)))
    expect(partitions.size).toBe(3)
    const tables: GlobalTable<string, number>[] = []
    const t = await testApp(
      (app) => {
        const table = joining()(app)
        tables.push(table)
        return table
      },
      { topics },
    )
    await t.send(
      'table',
      names.map((key, value) => ({ key, value })),
    )
    await t.settle()
    await t.addMember()
    const all = names.map((name, value) => [name, value])
    for (const table of tables) expect([...table.entries()].sort()).toEqual(all)
    await t.crash()
    for (const table of tables) expect([...table.entries()]).toEqual([])
    await t.send('table', { key: 'row 0', value: null })
    await t.restart()
    expect(tables).toHaveLength(4)
    for (const table of tables.slice(2)) expect([...table.entries()].sort()).toEqual(all.slice(1))
    await t.stop()
    expect([...t.result.entries()]).toEqual([])
    expect(t.errors).toEqual([])
  })

  test('what was in its topic when the app starts is there before the first record is joined', async () => {
    const t = await testApp(joining(), { topics })
    await t.crash()
    await t.send('stream', { key: 'ann', value: 'gold', timestamp: 1 })
    await t.send('table', { key: 'gold', value: 10, timestamp: 99 })
    await t.restart()
    expect(await t.records('out')).toEqualRecords([{ key: 'ann', value: 'gold 10', timestamp: 1 }])
    await t.stop()
  })

  const given = fc.array(
    fc.record({
      side: fc.constantFrom<'stream' | 'table'>('stream', 'table'),
      key: fc.constantFrom('a', 'b', 'c'),
      value: fc.option(fc.constantFrom('gold', 'lead', 'tin', ''), { freq: 6 }),
      amount: fc.option(fc.nat(99), { freq: 4 }),
    }),
    { maxLength: 20, size: 'max' },
  )

  test.each(['inner', 'left'] as const)(
    'against recomputing, with a crash anywhere: each record meets the last row before it (%s)',
    async (kind) => {
      await fc.assert(
        fc.asyncProperty(given, fc.nat(20), async (records, crashAt) => {
          const t = await testApp(joining(kind), { topics })
          for (const [i, { side, key, value, amount }] of records.entries()) {
            if (side === 'stream') await t.send('stream', { key, value, timestamp: i })
            else await t.send('table', { key: value ?? 'gold', value: amount, timestamp: i })
            await t.settle()
            if (i !== crashAt) continue
            await t.crash()
            await t.restart()
          }
          const rowAt = (name: string, step: number) =>
            records
              .slice(0, step)
              .filter((r) => r.side === 'table' && (r.value ?? 'gold') === name)
              .pop()?.amount ?? null
          const expected = records.flatMap(({ side, key, value }, i) => {
            if (side === 'table' || value === null || (value === '' && kind === 'inner')) return []
            const row = value === '' ? null : rowAt(value, i)
            return row === null && kind === 'inner' ? [] : [{ key, value: `${value} ${row}`, timestamp: i }]
          })
          expect(await t.records('out')).toEqualRecords(expected)
          expect(t.errors).toEqual([])
          await t.stop()
        }),
        { seed: 81, numRuns: 30 },
      )
    },
  )

  test("time is the stream's, by its watermark", async () => {
    const t = await testApp(
      (app) => {
        const table = app.globalTable<number>('table', { value: json() })
        const stream = app.stream<string>('stream', { value: json(), watermark: { maxOutOfOrderness: 5 } })
        const windows = stream.pipe(
          globalTableJoin(table, keyOf, together, { kind: 'left' }),
          tumblingWindow(10),
          aggregate(collect(), { name: 'w', emit: 'close' }),
        )
        app.run('out', windows.pipe(toTopic('out')))
      },
      { topics: { ...topics, stream: 1 } },
    )
    const closedAt = async (timestamp: number) => {
      await t.send('stream', { key: 'k', value: 'gold', timestamp })
      await t.settle()
      return (await t.records('out')).length
    }
    expect([await closedAt(5), await closedAt(14), await closedAt(15)]).toEqual([0, 0, 1])
    await t.stop()
  })

  test('figures: records, rows, lag, and what was dropped; the plan lists it', async () => {
    const t = await testApp(joining(), { topics })
    await t.send('table', [
      { key: 'gold', value: 1 },
      { key: 'gold', value: 2 },
      { key: null, value: 3 },
    ])
    await t.send('stream', { key: 'ann', value: null })
    await t.settle()
    expect(t.app.stats().globalTables).toEqual([
      { topic: 'table', records: 3, rows: 1, lag: 0, dropped: [{ reason: 'null key', count: 1 }] },
    ])
    expect(t.app.stats().tasks.flatMap(({ dropped }) => dropped)).toEqual([
      { operator: 'globalTableJoin', reason: 'null value', count: 1 },
    ])
    expect(t.app.describe()).toContain('global tables: table')
    await t.stop()
  })

  test('two over one topic, each with its own serdes and timestamps; a key that is no string', async () => {
    const t = await testApp(
      (app) => {
        app.run('stream', app.stream<string>('stream', { value: json() }))
        const plain = app.globalTable<{ at: number }>('table', { value: json(), key: json<string>() })
        const numbered = app.globalTable<{ at: number }, number>('table', {
          value: json(),
          key: json<number>(),
          timestamp: (r) => r.value.at,
        })
        return [plain, numbered] as const
      },
      { topics: { stream: 1, table: { partitions: 2, key: json() } } },
    )
    await t.send('table', [
      { key: 7, value: { at: 5 } },
      { key: 8, value: { at: 5 } },
      { key: 8, value: null },
    ])
    await t.settle()
    expect(t.errors).toEqual([])
    expect([...t.result[1].entries()]).toEqual([[7, { at: 5 }]])
    expect([...t.result[0].entries()]).toEqual([[7, { at: 5 }]])
    await t.stop()
  })

  const bad = (onError: 'fail' | 'skip') => (app: App) => {
    app.run('stream', app.stream<string>('stream', { value: json() }))
    return app.globalTable<number>('table', {
      value: json(),
      onError,
      timestamp: (r) => (r.value === 13 ? Number.NaN : 5),
    })
  }

  test.each(['while it runs', 'when it starts'])(
    'a record that cannot be read ends the app, with its place: %s',
    async (when) => {
      const t = await testApp(bad('fail'), { topics: { stream: 1, table: 1 } })
      const place = { app: 'test', topic: 'table', partition: 0, offset: 1 }
      const send = () =>
        t.send('table', [
          { key: 'a', value: 12 },
          { key: 'b', value: 13 },
        ])
      if (when === 'when it starts') {
        await t.crash()
        await send()
        await expect(t.restart()).rejects.toMatchObject({ code: 'BAD_TIMESTAMP', place })
      } else {
        await send()
        await expect(t.settle()).rejects.toMatchObject({ code: 'BAD_TIMESTAMP', place })
      }
      expect([...t.result.entries()]).toEqual([])
      await t.stop()
    },
  )

  test('or is skipped, counted and told', async () => {
    const t = await testApp(bad('skip'), { topics: { stream: 1, table: 1 } })
    await t.send(
      'table',
      [12, 13, 14].map((value) => ({ key: `${value}`, value })),
    )
    await t.settle()
    expect([...t.result.entries()]).toEqual([
      ['12', 12],
      ['14', 14],
    ])
    expect(t.errors).toMatchObject([{ code: 'BAD_TIMESTAMP' }])
    expect(t.app.stats().globalTables[0]?.dropped).toEqual([{ reason: 'bad record', count: 1 }])
    await t.stop()
  })

  test('a topic that is not there is UNKNOWN_TOPIC, at start', async () => {
    const opening = testApp(joining(), { topics: { stream: 1, out: 1 } })
    await expect(opening).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC', place: { topic: 'table' } })
  })

  test('made after start it is BAD_OPTION', async () => {
    const t = await testApp(joining(), { topics })
    expect(() => t.app.globalTable('table', { value: json() })).toThrow('BAD_OPTION')
    await t.stop()
  })
})

describe('joined where it is not kept, it is NOT_PLANNED', () => {
  const joinWith = (table: GlobalTable<string, unknown>) => (app: App) => {
    const stream = app.stream<string>('stream', { value: json() })
    app.run('out', stream.pipe(globalTableJoin(table, keyOf, together), toTopic('out')))
  }

  test.each(['never started', 'ended'])("another app's, %s", async (when) => {
    const other = await testApp(joining(), { topics, id: 'other' })
    await other.stop()
    const idle = createApp({ id: 'idle', broker: other.broker, store: memory() })
    const table = when === 'ended' ? other.result : idle.globalTable<number>('table', { value: json() })
    await expect(testApp(joinWith(table), { topics })).rejects.toMatchObject({
      code: 'NOT_PLANNED',
      message: expect.stringContaining('the app that runs the pipeline'),
      place: { topic: 'table', operator: 'globalTableJoin' },
    })
  })

  test("an app's, in a local pipeline", async () => {
    const t = await testApp(joining(), { topics })
    await t.stop()
    const errors: unknown[] = []
    from([record('a', 'gold', 1)])
      .pipe(globalTableJoin(t.result, keyOf, together))
      .subscribe({ error: (error) => errors.push(error) })
    expect(errors).toMatchObject([{ code: 'NOT_PLANNED' }])
  })

  test('one of a stream, in an app', async () => {
    const opening = testApp((app) => joinWith(globalTable(app.stream<number>('table', { value: json() })))(app), {
      topics,
    })
    await expect(opening).rejects.toMatchObject({
      code: 'NOT_PLANNED',
      message: expect.stringContaining('app.globalTable(topic)'),
    })
  })
})

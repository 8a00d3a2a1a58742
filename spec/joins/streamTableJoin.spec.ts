import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { filter, from, mergeMap, type Observable, Subject } from 'rxjs'
import {
  type App,
  aggregate,
  collect,
  count,
  json,
  keyBy,
  local,
  record,
  type StreamRecord,
  shared,
  streamTableJoin,
  toTable,
  toTopic,
  tumblingWindow,
  withWatermark,
} from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
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
  B: ['bob', 'vip'],
  l: { key: 'ann', value: '1 lead', timestamp: 3 },
  p: { key: 'bob', value: '2 vip' },
  g: { key: 'ann', value: '3 gold' },
} as const

const run = (kind: 'inner' | 'left', table: string, stream: string, out: string) =>
  runMarbles({
    source: { table, stream },
    out,
    values,
    pipeline: ({ table, stream }) => stream.pipe(streamTableJoin(toTable('t', table), together, { kind })),
  })

const runGrace = (grace: number, kind: 'inner' | 'left', table: string, stream: string, out: string) =>
  runMarbles({
    source: { table, stream },
    out,
    values,
    pipeline: ({ table, stream }) =>
      stream.pipe(streamTableJoin(toTable('t', table, { history: 20 }), together, { kind, grace })),
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

  test('with grace', async () => {
    const [table, stream, out] = ['X---Y@3-------|', '---a-----c---c|', '---------l---z(z|)']
    expectDrawn(
      'joins/streamTableJoin.ts',
      'streamTableJoin(table, …, { grace: 3 }), with a table that has a history     a column is 1 ms',
      `table   ${table}`,
      `stream  ${stream}`,
      `inner   ${out}`,
    )
    await runGrace(3, 'inner', table, stream, out)
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
    { maxLength: 25, size: 'max' },
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

  test('what is left out is counted, by its reason', async () => {
    const t = await testApp(join('inner'), { topics: { stream: 1, table: 1, out: 1 } })
    await t.send('stream', [
      { key: 'a', value: null, timestamp: 1 },
      { key: null, value: 1, timestamp: 1 },
      { key: null, value: 2, timestamp: 1 },
    ])
    await t.settle()
    expect(t.app.stats().tasks[0]?.dropped).toEqual([
      { operator: 'streamTableJoin', reason: 'null value', count: 1 },
      { operator: 'streamTableJoin', reason: 'null key', count: 2 },
    ])
    await t.stop()
  })

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

describe('with a versioned table', () => {
  test('a record meets the row as it was at its timestamp', async () => {
    await runMarbles({
      source: { table: 'X@5Y@8', stream: '------c@6c@9c@3' },
      out: '            ------g@6z@9',
      values,
      pipeline: ({ table, stream }) => stream.pipe(streamTableJoin(toTable('t', table, { history: 20 }), together)),
    })
  })

  test.each([
    { name: 'empty sources', grace: 3, kind: 'inner', table: '|', stream: '|', out: '|' },
    { name: 'no grace at all', grace: 0, kind: 'inner', table: 'X', stream: '-a', out: '-x' },
    {
      name: 'one that is later than grace is joined at once',
      grace: 3,
      kind: 'inner',
      table: 'X',
      stream: '-c@9-a@5',
      out: '     -----x@5',
    },
    {
      name: 'one that is late by grace waits until its turn, which is now',
      grace: 3,
      kind: 'inner',
      table: 'X',
      stream: '-c@9-a@6',
      out: '     -----x@6',
    },
    { name: 'a null key has no row to wait for', grace: 3, kind: 'left', table: 'X', stream: '-k', out: '-m' },
    {
      name: 'a null value is dropped, and moves no time',
      grace: 3,
      kind: 'left',
      table: 'X',
      stream: '-a-----n',
      out: '-',
    },
    {
      name: 'by timestamp, then key, then arrival',
      grace: 3,
      kind: 'inner',
      table: 'XB',
      stream: '---b@4c@3a@3a@4k@1c@9',
      out: '   ------------------(gxxp)',
    },
    {
      name: 'what waits comes out on completion',
      grace: 9,
      kind: 'inner',
      table: 'X|',
      stream: '-a|',
      out: '  --(x|)',
    },
    { name: 'an error leaves it behind', grace: 9, kind: 'inner', table: 'X', stream: '-a#', out: '--#' },
  ] as const)('grace: $name', async ({ grace, kind, table, stream, out }) => runGrace(grace, kind, table, stream, out))

  test('with a watermark, grace counts from it', async () => {
    await runMarbles({
      source: { table: 'X', stream: '-c@3-c@9---c@12' },
      out: '            -----------g@3',
      values,
      pipeline: ({ table, stream }) =>
        stream.pipe(
          withWatermark({ maxOutOfOrderness: 5 }),
          streamTableJoin(toTable('t', table, { history: 20 }), together, { grace: 4 }),
        ),
    })
  })

  test('with a watermark, one that is late by grace waits for those before it', () => {
    const table = toTable('t', from([record('ann', 'x', 1)]), { history: 20 })
    const source = new Subject<StreamRecord<string, number[]>>()
    const joined: number[] = []
    const stream = source.pipe(
      withWatermark({ maxOutOfOrderness: 0 }),
      shared(),
      mergeMap(({ key, value }) => value.map((time) => record(key, time, time))),
      streamTableJoin(table, (time) => time, { grace: 5 }),
    )
    local(stream).subscribe(({ value }) => joined.push(value))
    source.next(record('ann', [10], 10))
    // Brings the time at which the one before is due, and one that is due by then too.
    source.next(record('ann', [15], 20))
    expect(joined).toEqual([10, 15])
  })

  test('a window behind it is late for none of what has waited', async () => {
    await runMarbles({
      source: { table: 'X|', stream: 'a--a--a--a--a--a--|' },
      out: '                          ------------(u)---(vwh|)',
      values: {
        ...values,
        u: { key: 'ann', value: 2, window: { start: 0, end: 5 } },
        v: { key: 'ann', value: 2, window: { start: 5, end: 10 } },
        w: { key: 'ann', value: 1, window: { start: 10, end: 15 } },
        h: { key: 'ann', value: 1, window: { start: 15, end: 20 } },
      },
      pipeline: ({ table, stream }) =>
        stream.pipe(
          withWatermark({ maxOutOfOrderness: 0 }),
          streamTableJoin(toTable('t', table, { history: 20 }), together, { grace: 7 }),
          tumblingWindow(5),
          aggregate(count(), { emit: 'close' }),
        ),
    })
  })

  test.each([
    [{ grace: 1 }, ['TWO_WATERMARKS']],
    [{}, []],
  ])('a watermark declared after it, with %j: %j', (options, expected) => {
    const codes: unknown[] = []
    const table = toTable('t', from([record('ann', 'x', 1)]), { history: 5 })
    const joined = from([record('ann', 1, 1)]).pipe(streamTableJoin(table, together, options))
    local(joined.pipe(withWatermark({ maxOutOfOrderness: 1 }), aggregate(count()))).subscribe({
      error: ({ code }) => codes.push(code),
    })
    expect(codes).toEqual(expected)
  })

  test('grace without a history is BAD_OPTION', () => {
    const errors: unknown[] = []
    const source = from([record('ann', 1, 1)])
    local(source.pipe(streamTableJoin(toTable('t', source), together, { grace: 5 }))).subscribe({
      error: (error) => errors.push(error),
    })
    expect(errors).toMatchObject([
      {
        code: 'BAD_OPTION',
        message: expect.stringContaining('give the table a history'),
        place: { operator: 'streamTableJoin' },
      },
    ])
  })

  test('explain says what of a key waits, and until when', async () => {
    const t = await testApp(
      (app) => {
        const stream = app.stream<number>('stream', { value: json() })
        const table = app.table<string>('table', { value: json(), history: 20 })
        app.run('out', stream.pipe(streamTableJoin(table, together, { grace: 5, name: 'j' })))
      },
      { topics: { stream: 1, table: 1 } },
    )
    for (const [key, timestamp] of [
      ['ann', 7],
      ['bob', 8],
      ['ann', 6],
    ] as const)
      await t.send('stream', { key, value: 1, timestamp })
    await t.settle()
    expect(t.app.explain({ operator: 'j', key: 'ann' }).tasks[0]?.waiting).toEqual([
      { what: 'record', timestamp: 6, until: 11 },
      { what: 'record', timestamp: 7, until: 12 },
    ])
    await t.stop()
  })

  test('a grace that is no duration is BAD_DURATION', () => {
    expect(() => streamTableJoin(toTable('t', from([record('ann', 1, 1)])), together, { grace: -1 })).toThrow(
      'streamTableJoin: grace must be at least 0 ms',
    )
  })

  /** The table is what has an even number. */
  const halves = (source: Observable<StreamRecord<string, number>>) => {
    const both = source.pipe(shared())
    const table = toTable('t', both.pipe(filter(({ value }) => value % 2 === 0)), { history: 20 })
    const odd = both.pipe(filter(({ value }) => value % 2 === 1))
    return local(odd.pipe(streamTableJoin(table, together, { grace: 4, kind: 'left', name: 'waiting' })))
  }
  const times = [3, 1, 2, 9, 4, 8, 14, 11, 30, 24]
  const input = times.map((time, i) => record(['ann', 'bob'][(i >> 1) % 2] as string, i, time))
  for (const law of operatorLaws(() => halves, input, { isAsync: true })) test(law.name, law.run)

  type Given = { side: 'stream' | 'table'; key: string; value: number | null; time: number }
  const given: fc.Arbitrary<Given[]> = fc
    .array(
      fc.record({
        side: fc.constantFrom<'stream' | 'table'>('stream', 'table'),
        key: fc.constantFrom('a', 'b', 'B'),
        value: fc.option(fc.nat(99), { freq: 6 }),
        late: fc.nat(25),
      }),
      { maxLength: 30, size: 'max' },
    )
    .map((list) => list.map(({ late, ...rest }, i) => ({ ...rest, time: Math.max(0, i * 2 - late) })))

  /** What comes out for each record, and in the end, worked out from the lists of what came before. */
  function stepsOf(records: readonly Given[], history: number, grace: number, kind: 'inner' | 'left') {
    const newestBefore = (index: number) =>
      Math.max(-1, ...records.slice(0, index).flatMap((r) => (r.side === 'table' ? [r.time] : [])))
    const isStored = (index: number) => (records[index] as Given).time >= newestBefore(index) - history
    const rowAt = (key: string, time: number, step: number) => {
      const versions = records
        .slice(0, step)
        .flatMap((r, i) => (r.side === 'table' && r.key === key && isStored(i) ? [r] : []))
        .sort((a, b) => a.time - b.time)
      const latest = versions[versions.length - 1]
      if (latest === undefined || latest.time <= time) return latest?.value ?? null
      if (time < newestBefore(step) - history) return null
      return versions.filter((version) => version.time <= time).pop()?.value ?? null
    }
    const joined = ({ key, value, time }: Given, step: number) => {
      const row = rowAt(key, time, step)
      return row === null && kind === 'inner' ? [] : [{ key, value: `${value} ${row}`, timestamp: time }]
    }
    let waiting: Given[] = []
    let time = Number.NEGATIVE_INFINITY
    const inOrder = (a: Given, b: Given) => a.time - b.time || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)
    const steps = records.map((r, step) => {
      if (r.side === 'table' || r.value === null) return []
      if (r.time < time - grace) return joined(r, step)
      time = Math.max(time, r.time)
      const all = [...waiting, r]
      waiting = all.filter((other) => other.time > time - grace)
      return all
        .filter((other) => other.time <= time - grace)
        .sort(inOrder)
        .flatMap((other) => joined(other, step))
    })
    return [...steps, waiting.sort(inOrder).flatMap((other) => joined(other, records.length))]
  }

  test('against recomputing: each step, in order', () => {
    fc.assert(
      fc.property(
        given,
        fc.nat(20),
        fc.nat(12),
        fc.constantFrom<'inner' | 'left'>('inner', 'left'),
        (records, history, grace, kind) => {
          const sides = {
            stream: new Subject<StreamRecord<string, number | null>>(),
            table: new Subject<StreamRecord<string, number | null>>(),
          }
          const steps: object[][] = []
          sides.stream
            .pipe(
              streamTableJoin<StreamRecord<string, number | null>, number, string, 'inner' | 'left'>(
                toTable('t', sides.table, { history }),
                together,
                { kind, grace },
              ),
            )
            .subscribe(({ key, value, timestamp }) => steps.at(-1)?.push({ key, value, timestamp }))
          for (const { side, key, value, time } of records) {
            steps.push([])
            sides[side].next(record(key, value, time))
          }
          steps.push([])
          sides.stream.complete()
          sides.table.complete()
          expect(steps).toEqual(stepsOf(records, history, grace, kind))
        },
      ),
      { seed: 71, numRuns: 600 },
    )
  })
})

describe('bootstrap', () => {
  const open = (bootstrap: boolean, options: object = {}) =>
    testApp(
      (app) => {
        const stream = app.stream<number>('stream', { value: json() })
        const table = app.table<string>('table', { value: json() })
        app.run('out', stream.pipe(streamTableJoin(table, together, { kind: 'left', bootstrap }), toTopic('out')))
      },
      { topics: { stream: 2, table: 2, out: 1 }, ...options },
    )
  const rows = [1, 2, 3, 4, 5].map((n) => ({ key: 'ann', value: `row ${n}`, timestamp: 1_000 * n }))
  const records = [1, 2, 3, 4, 5, 6].map((value) => ({ key: 'ann', value, timestamp: value }))

  test.each([
    [true, 'row 5'],
    [false, 'null'],
  ])('%s: what lies in both topics when the app starts, the table being newer', async (bootstrap, row) => {
    const t = await open(bootstrap, { maxBufferedBytes: 1 })
    await t.crash()
    await t.send('stream', records)
    await t.send('table', rows)
    await t.restart()
    expect(await t.records('out')).toEqualRecords(records.map(({ value }) => ({ value: `${value} ${row}` })))
    await t.stop()
  })

  test('only what was there: afterwards the older of both comes first again', async () => {
    const t = await open(true)
    await t.send('stream', records)
    await t.send('table', rows)
    await t.settle()
    expect(await t.records('out')).toEqualRecords(records.map(({ value }) => ({ value: `${value} null` })))
    await t.stop()
  })

  test('each time that a task begins, from where it had come to', async () => {
    const t = await open(true)
    await t.send('table', rows.slice(0, 1))
    await t.settle()
    await t.crash()
    await t.send('stream', records.slice(0, 1))
    await t.send('table', rows.slice(1, 2))
    await t.restart()
    await t.crash()
    await t.send('stream', records.slice(1, 2))
    await t.send('table', rows.slice(2, 3))
    await t.restart()
    expect(await t.records('out')).toEqualRecords([{ value: '1 row 2' }, { value: '2 row 3' }])
    await t.stop()
  })

  test('the topics of an aggregate behind the table', async () => {
    const t = await testApp(
      (app) => {
        const stream = app.stream<number>('stream', { value: json() })
        const counts = toTable('n', app.stream<string>('table', { value: json() }).pipe(aggregate(count())))
        app.run('out', stream.pipe(streamTableJoin(counts, together, { bootstrap: true }), toTopic('out')))
      },
      { topics: { stream: 1, table: 1, out: 1 } },
    )
    await t.crash()
    await t.send('stream', records.slice(0, 1))
    await t.send('table', rows)
    await t.restart()
    expect(await t.records('out')).toEqualRecords([{ value: '1 5' }])
    await t.stop()
  })

  test('both sides from one topic is BAD_OPTION', async () => {
    const opening = testApp(
      (app) => {
        const stream = app.stream<number>('in', { value: json() })
        const table = toTable('t', stream.pipe(aggregate(count())))
        app.run('out', stream.pipe(streamTableJoin(table, together, { bootstrap: true })))
      },
      { topics: { in: 1 } },
    )
    await expect(opening).rejects.toMatchObject({
      code: 'BAD_OPTION',
      place: { topic: 'in', operator: 'streamTableJoin' },
    })
  })
})

import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { from, map, type Observable, Subject } from 'rxjs'
import {
  aggregate,
  count,
  json,
  local,
  record,
  type StreamRecord,
  streamTableJoin,
  toStream,
  toTable,
  toTopic,
  tumblingWindow,
  type WindowedRecord,
  withWatermark,
} from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

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

test('its diagram', async () => {
  const [source, out] = ['a--b--c--d--|', 'p--q--r--s--|']
  expectDrawn('tables/toTable.ts', `stream   ${source}`, `changes  ${out}`)
  await runMarbles({ source, out, values, pipeline: (s) => toTable('t', s).changes() })
})

describe('its diagrams with options', () => {
  const run = async (
    options: { readonly history?: number; readonly ttl?: number },
    source: string,
    out: string,
    more: Parameters<typeof runMarbles>[0]['values'],
  ) => {
    const said = Object.entries(options).map(([name, ms]) => `${name}: '${ms}ms'`)
    expectDrawn('tables/toTable.ts', `toTable('t', stream, { ${said} })`, `stream   ${source}`, `changes  ${out}`)
    await runMarbles({
      source,
      out,
      values: { ...values, ...more },
      pipeline: (s) => toTable('t', s, options).changes(),
    })
  }

  test('history', () =>
    run({ history: 20 }, 'a@9--c@3--b@40--c@19--|', 'p----l----q-----------|', {
      p: { key: 'ann', value: 1, previous: null, timestamp: 9, isLatest: true },
      l: { key: 'ann', value: 2, previous: 1, timestamp: 3, isLatest: false },
      q: { key: 'bob', value: 5, previous: null, timestamp: 40, isLatest: true },
    }))

  test('time to live', () =>
    run({ ttl: 5 }, 'a--c------b----|', 'p--r------(eq)-(f|)', {
      e: { key: 'ann', value: null, previous: 2, timestamp: 8, isLatest: true },
      f: { key: 'bob', value: null, previous: 5, timestamp: 15, isLatest: true },
    }))
})

describe('laws', () => {
  const input = [6, 2, null, 7, 8, 1, 9, null].map((value, i) =>
    record(['ann', 'bob'][i % 2] as string, value, [5, 12, 9, 30, 2, 31, 20, 44][i] as number),
  )
  for (const options of [{}, { history: 20 }, { ttl: 8 }, { history: 20, ttl: 8 }]) {
    const law = () => (s: Observable<StreamRecord<string, number | null>>) =>
      toTable('t', s, options)
        .changes()
        .pipe(map((change) => record(change.key, { ...change, window: null }, change.timestamp)))
    for (const { name, run } of operatorLaws(law, input)) test(`${Object.keys(options)}: ${name}`, run)
  }
})

describe('edges', () => {
  test.each([
    { name: 'an empty stream', source: '|', out: '|' },
    { name: 'an error', source: 'a#', out: 'p#' },
    { name: 'a null key is dropped', source: 'ka', out: '-p' },
    { name: 'a delete of nothing', source: 'd', out: 'n' },
    { name: 'equal timestamps', source: '(acd)', out: '(prs)' },
    { name: 'a late record overwrites a newer one', source: 'a@9--c@3', out: 'p@9--r@3' },
  ])('$name', async ({ source, out }) => {
    await runMarbles({ source, out, values, pipeline: (s) => toTable('t', s).changes() })
  })

  test('rows can be read while it runs, and no longer', () => {
    const source = new Subject<StreamRecord<string, number | null>>()
    const table = toTable('t', source)
    expect(table.get('ann')).toBeUndefined()
    const subscription = local(table.changes()).subscribe()
    source.next(record('ann', 1, 1))
    source.next(record('bob', 5, 2))
    source.next(record('ann', null, 3))
    expect(table.get('ann')).toBeUndefined()
    expect(table.get('bob')).toBe(5)
    expect([...table.entries()]).toStrictEqual([['bob', 5]])
    subscription.unsubscribe()
    expect([...table.entries()]).toEqual([])
  })

  test('a null key is counted', async () => {
    const t = await testApp(
      (app) => app.run('x', toTable('t', app.stream<number>('in', { value: json() })).changes()),
      {
        topics: { in: 1 },
      },
    )
    await t.send('in', { key: null, value: 1, timestamp: 1 })
    await t.settle()
    expect(t.app.stats().tasks[0]?.dropped).toEqual([{ operator: 't', reason: 'null key', count: 1 }])
    await t.stop()
  })

  test('a time to live of a ms is the shortest, and a bad one is named with its table', () => {
    const source = from([record('ann', 1, 1)])
    expect(() => toTable('t', source, { ttl: 1 })).not.toThrow()
    expect(() => toTable('mine', source, { ttl: 0 })).toThrow('toTable mine: ttl')
  })

  test('a watermark declared after it is TWO_WATERMARKS, as it goes by time already', () => {
    const codes: unknown[] = []
    const stream = toTable('t', from([record('a', 1, 1)])).pipe(toStream())
    local(stream.pipe(withWatermark({ maxOutOfOrderness: 5 }), aggregate(count())) as Observable<unknown>).subscribe({
      error: (error) => codes.push(error.code),
    })
    expect(codes).toEqual(['TWO_WATERMARKS'])
  })

  test('a window that no aggregate has resolved is LOST_WINDOW', () => {
    const codes: unknown[] = []
    const source = from([record('a', 1, 1)])
    local(toTable('t', source.pipe(tumblingWindow(10))).changes()).subscribe({
      error: (error) => codes.push(error.code),
    })
    expect(codes).toEqual(['LOST_WINDOW'])
  })

  test.each([
    ["an aggregate's own", (s: Observable<WindowedRecord<string, number>>) => s],
    ['one of a stream made of them', map((r: WindowedRecord<string, number>) => ({ ...r }))],
  ])('a table of windowed results has a row for each window: %s', (_, between) => {
    const source = new Subject<StreamRecord<string, string>>()
    const table = toTable('t', source.pipe(tumblingWindow(10, { grace: 10 }), aggregate(count()), between))
    const changes: unknown[] = []
    const subscription = local(table.changes()).subscribe((change) => changes.push(change))
    source.next(record('a', 'x', 1))
    source.next(record('a', 'x', 12))
    source.next(record('a', 'x', 2))
    const [first, second] = [
      { start: 0, end: 10 },
      { start: 10, end: 20 },
    ]
    const rest = { key: 'a', isLatest: true }
    expect(changes).toEqual([
      { ...rest, value: 1, previous: null, timestamp: 1, window: first },
      { ...rest, value: 1, previous: null, timestamp: 12, window: second },
      { ...rest, value: 2, previous: 1, timestamp: 2, window: first },
    ])
    expect(table.get('a', first)).toBe(2)
    expect(table.get('a', second)).toBe(1)
    expect(table.get('b', second)).toBeUndefined()
    expect([...table.entries()]).toEqual([
      ['a', 2, first],
      ['a', 1, second],
    ])
    subscription.unsubscribe()
  })

  test('keyed by key and window, the results of a windowed aggregate are a table', () => {
    const table = toTable(
      't',
      from([record('a', 1, 1), record('a', 1, 12), record('a', 1, 13)]).pipe(
        tumblingWindow(10),
        aggregate(count()),
        map(({ key, value, window, timestamp }) => record([key, window.start] as const, value, timestamp)),
      ),
    )
    const rows = new Map<string, unknown>()
    local(table.changes()).subscribe(({ key, value }) => rows.set(key.join(' '), value))
    expect([...rows]).toEqual([
      ['a 0', 1],
      ['a 10', 2],
    ])
  })
})

describe('against recomputing, in an app with crashes', () => {
  const given = fc.array(
    fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd'), value: fc.option(fc.nat(9), { freq: 3 }) }),
    { maxLength: 20 },
  )

  test('rows, state and changes', async () => {
    await fc.assert(
      fc.asyncProperty(given, fc.nat(20), async (records, crashAt) => {
        const t = await testApp(
          (app) => {
            const table = app.table<number>('rows', { value: json(), name: 'rows' })
            const changes = table.changes().pipe(
              map((change) => ({
                ...record(change.key, { now: change.value, was: change.previous ?? null }, change.timestamp),
              })),
            )
            app.run('changes', changes.pipe(toTopic('changes')))
            return table
          },
          { topics: { rows: 2, changes: 1 } },
        )
        for (const [i, { key, value }] of records.entries()) {
          await t.send('rows', { key, value, timestamp: i })
          await t.settle({ checkpoint: i % 2 === 0 })
          if (i !== crashAt) continue
          await t.crash()
          await t.restart()
        }
        await t.settle()
        const rows = new Map(records.map(({ key, value }) => [key, value]))
        const expected = [...rows].filter(([, value]) => value !== null).sort()
        expect([...t.result.entries()].sort()).toEqual(expected)
        expect((await t.state('rows')).map(({ key, value }) => [key, value]).sort()).toEqual(expected)
        const changes = await t.records('changes')
        for (const key of rows.keys()) {
          const own = records.filter((r) => r.key === key).map((r) => r.value)
          expect(changes.filter((r) => r.key === key)).toEqualRecords(
            own.map((value, i) => ({ value: { now: value, was: own[i - 1] ?? null } })),
          )
        }
        await t.stop()
      }),
      { seed: 41, numRuns: 40 },
    )
  })

  test('the table of a stream has a state of its own, and can be joined', async () => {
    const t = await testApp(
      (app) => {
        const stream = app.stream<number>('in', { value: json() })
        const table = toTable('latest', stream)
        app.run(
          'out',
          stream.pipe(
            streamTableJoin(table, (value, row) => [value, row]),
            toTopic('out'),
          ),
        )
      },
      { topics: { in: 1, out: 1 } },
    )
    await t.send(
      'in',
      [1, 2].map((value) => ({ key: 'a', value, timestamp: value })),
    )
    await t.settle()
    expect(await t.records('out')).toEqualRecords([{ value: [1, 1] }, { value: [2, 2] }])
    expect(await t.state('latest')).toMatchObject([{ key: 'a', value: 2 }])
    await t.stop()
  })
})

describe('the table of a topic', () => {
  test("its timestamps are its function's, and a delete's is the broker's", async () => {
    const t = await testApp(
      (app) => {
        const rows = app.table<{ at: number }>('rows', { value: json(), timestamp: (r) => r.value.at })
        const stamped = rows.changes().pipe(map((change) => record(change.key, change.value, change.timestamp)))
        app.run('changes', stamped.pipe(toTopic('changes')))
      },
      { topics: { rows: 1, changes: 1 } },
    )
    await t.send('rows', [
      { key: 'k', value: { at: 5 }, timestamp: 70 },
      { key: 'k', value: null, timestamp: 80 },
    ])
    await t.settle()
    expect(t.errors).toEqual([])
    expect(await t.records('changes')).toEqualRecords([
      { key: 'k', value: { at: 5 }, timestamp: 5 },
      { key: 'k', value: null, timestamp: 80 },
    ])
    await t.stop()
  })

  test('a name tells two tables over one topic apart', async () => {
    const t = await testApp(
      (app) => {
        const [one, two] = [
          app.table<number>('rows', { value: json() }),
          app.table<number>('rows', { value: json(), name: 'again' }),
        ]
        app.run('one', one.changes())
        app.run('two', two.changes())
        return [one.name, two.name]
      },
      { topics: { rows: 1 } },
    )
    await t.send('rows', { key: 'k', value: 1, timestamp: 1 })
    await t.settle()
    expect(t.result).toEqual(['rows', 'again'])
    expect(await t.state('rows')).toEqual([])
    expect(await t.state('again')).toMatchObject([{ key: 'k', value: 1 }])
    await t.stop()
  })
})

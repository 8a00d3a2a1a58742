import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { from, type Observable, Subject } from 'rxjs'
import {
  type Aggregator,
  type App,
  aggregate,
  avg,
  count,
  first,
  json,
  local,
  record,
  reduce,
  type StreamRecord,
  sum,
  tableGroupBy,
  toStream,
  toTable,
  toTopic,
  tumblingWindow,
  withWatermark,
} from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'
import { crashingTables, historyOf, upserts } from './crashingTables.js'

expect.extend(matchers)

interface Player {
  readonly team: string | null
  readonly n: number | null
}
type Players = Observable<StreamRecord<string, Player | null>>

const player = (key: string, team: string | null, n: number | null) => [key, { team, n }] as const

const values = {
  a: player('ann', 'x', 1),
  b: player('bob', 'x', 5),
  c: player('ann', 'y', 2),
  d: ['bob', null],
  e: player('ann', 'x', 4),
  f: player('ann', null, 4),
  g: player('ann', 'x', null),
  D: ['ann', null],
  p: { key: 'x', value: 1, previous: null },
  q: { key: 'x', value: 6, previous: 1 },
  r: { key: 'x', value: 5, previous: 6 },
  s: { key: 'y', value: 2, previous: null },
  t: { key: 'x', value: 0, previous: 5 },
  u: { key: 'x', value: 4, previous: 1 },
  v: { key: 'x', value: 0, previous: 1 },
  w: { key: 'y', value: 0, previous: 2 },
  z: { key: 'x', value: 1, previous: 0 },
} as const

const teams = () =>
  tableGroupBy<string, Player, undefined, string, number, never, number>(
    ({ value }) => value.team,
    sum((r) => r.value),
    { name: 'teams', select: ({ value }) => value.n },
  )

const run = (source: string, out: string) =>
  runMarbles({
    source,
    out,
    values,
    pipeline: (s) =>
      toTable('t', s as Players)
        .pipe(teams())
        .changes(),
  })

test('its diagram', async () => {
  const [source, out] = ['a--b--c-----d--|', 'p--q--(rs)--t--|']
  expectDrawn('tables/tableGroupBy.ts', `table  ${source}`, `out    ${out}`)
  await run(source, out)
})

describe('laws', () => {
  const input = [
    record('ann', { team: 'x', n: 1 }, 1),
    record('bob', { team: 'x', n: 5 }, 3),
    record('ann', { team: 'y', n: 2 }, 2),
    record('bob', null, 9),
    record('ann', { team: 'y', n: 3 }, 4),
    record('cid', { team: null, n: 3 }, 5),
    record('cid', { team: 'x', n: 7 }, 6),
    record('ann', null, 8),
  ]
  for (const law of operatorLaws(() => (s: Players) => toTable('t', s).pipe(teams(), toStream()), input))
    test(law.name, law.run)
})

describe('edges', () => {
  test.each([
    { name: 'an empty table', source: '|', out: '|' },
    { name: 'an error', source: 'a#', out: 'p#' },
    { name: 'the same group: one change', source: 'ae', out: 'pu' },
    { name: 'another group: the old one first', source: 'ac----a', out: 'p(vs)-(wz)' },
    { name: 'a group that has lost all rows stays', source: 'aDa', out: 'pvz' },
    { name: 'a delete of nothing', source: 'd', out: '-' },
    { name: 'no group', source: 'f', out: '-' },
    { name: 'no value', source: 'g', out: '-' },
    { name: 'out of all groups', source: 'af', out: 'pv' },
    { name: 'out of its group, as it has no value any more', source: 'ag', out: 'pv' },
    { name: 'into a group', source: 'fa', out: '-p' },
    { name: 'nothing changes: a change all the same', source: 'aa', out: 'pP' },
  ])('$name', async ({ source, out }) => {
    await runMarbles({
      source,
      out,
      values: { ...values, P: { key: 'x', value: 1, previous: 1 } },
      pipeline: (s) =>
        toTable('t', s as Players)
          .pipe(teams())
          .changes(),
    })
  })

  test('the timestamp is the highest so far, of a change that takes away, too', async () => {
    const { records } = await runMarbles({
      source: 'a@5-b@3-d@9-D@2',
      values,
      pipeline: (s) =>
        toTable('t', s as Players)
          .pipe(teams())
          .changes(),
    })
    expect(records.map(({ value, timestamp }) => [value, timestamp])).toEqual([
      [1, 5],
      [6, 5],
      [1, 9],
      [0, 9],
    ])
  })

  test('what belongs to no group, and late changes of a versioned table, are counted', async () => {
    const t = await testApp(
      (app) => {
        const table = app.table<Player>('rows', { value: json(), history: 100 })
        app.run('out', table.pipe(teams(), toStream(), toTopic('out')))
      },
      { topics: { rows: 1, out: 1 } },
    )
    await t.send('rows', [
      { key: 'ann', value: { team: 'x', n: 1 }, timestamp: 50 },
      { key: 'ann', value: { team: 'y', n: 9 }, timestamp: 40 },
      { key: 'bob', value: { team: null, n: 9 }, timestamp: 60 },
      { key: 'bob', value: { team: 'y', n: 9 }, timestamp: 55 },
      { key: 'bob', value: null, timestamp: 61 },
      { key: 'eve', value: { team: null, n: 9 }, timestamp: 62 },
    ])
    await t.settle()
    expect(await t.records('out')).toEqualRecords([{ key: 'x', value: 1, timestamp: 50 }])
    expect(t.app.stats().tasks.flatMap(({ dropped }) => dropped)).toEqual([
      { operator: 'tableGroupBy', reason: 'out of order', count: 2 },
      { operator: 'tableGroupBy', reason: 'null group', count: 2 },
    ])
    await t.stop()
  })

  /** The changes of groups of all rows together, by the value of each. */
  const together = <Out>(
    aggregator: Aggregator<{ readonly value: number }, Out, any>,
    given: readonly (number | null)[],
  ) => {
    const rows = from(given.map((value, i) => record(`k${i % 2}`, value, i))) as Observable<
      StreamRecord<string, number>
    >
    const seen: unknown[] = []
    toTable('t', rows)
      .pipe(tableGroupBy(() => 'all', aggregator, { name: 'all' }))
      .changes()
      .subscribe(({ value, previous }) => seen.push([value, previous]))
    return seen
  }

  test('reduce: the first value is the start, null deletes the group, and the next value is a start again', () => {
    const product = reduce<number>(
      (a, b) => a * b,
      (a, b) => (a === b ? (null as never) : a / b),
    )
    expect(together(product, [2, 3, null, null, 7])).toEqual([
      [2, null],
      [6, 2],
      [3, 6],
      [null, 3],
      [7, null],
    ])
  })

  test('taking away from a group that was deleted: it stays so, and a delete comes out', () => {
    const atMostOne: Aggregator<{ readonly value: number }, number, number> = {
      init: () => 0,
      add: (n) => (n === 1 ? (null as never) : n + 1),
      remove: (n) => n - 1,
    }
    expect(together(atMostOne, [5, 5, null])).toEqual([
      [1, null],
      [null, 1],
      [null, null],
    ])
  })

  test('a result that is no accumulator, before and after', () => {
    expect(
      together(
        avg((r) => r.value),
        [2, 4, 6],
      ),
    ).toEqual([
      [2, null],
      [3, 2],
      [5, 3],
    ])
  })

  test('several aggregators at once; the rows can be read', () => {
    const source = new Subject<StreamRecord<string, number>>()
    const table = toTable('t', source).pipe(
      tableGroupBy(({ value }) => value % 2, { n: count(), total: sum((r) => r.value) }, { name: 'parity' }),
    )
    const subscription = local(table.changes()).subscribe()
    for (const [key, value] of [
      ['a', 1],
      ['b', 3],
      ['c', 4],
      ['a', 2],
    ] as const)
      source.next(record(key, value, 0))
    expect([...table.range()]).toEqual([
      [0, { n: 2, total: 6 }],
      [1, { n: 1, total: 3 }],
    ])
    expect(table.get(1)).toEqual({ n: 1, total: 3 })
    expect(table.get(2)).toBeUndefined()
    subscription.unsubscribe()
  })

  test('a group that the aggregator deletes is gone, and its result is not asked for', () => {
    const last: Aggregator<{ readonly value: number }, string, { n: number }> = {
      init: () => ({ n: 0 }),
      add: (_, { value }) => ({ n: value }),
      remove: () => null,
      result: ({ n }) => `${n}`,
    }
    const rows = new Subject<StreamRecord<string, number | null>>()
    const table = toTable('t', rows).pipe(tableGroupBy(() => 'all', last, { name: 'last' }))
    const seen: unknown[] = []
    const subscription = local(table.changes()).subscribe((change) => seen.push(change))
    for (const value of [1, null]) rows.next(record('ann', value, 1))
    const rest = { key: 'all', timestamp: 1, window: undefined, isLatest: true }
    expect(seen).toEqual([
      { ...rest, value: '1', previous: null },
      { ...rest, value: null, previous: '1' },
    ])
    expect([...table.entries()]).toEqual([])
    subscription.unsubscribe()
  })

  test('of a table of windows it wants to know what was before, and no rows once they are closed', () => {
    const source = new Subject<StreamRecord<string, number>>()
    const counts = toTable('t', source.pipe(tumblingWindow(10), aggregate(count())))
    const all = counts.pipe(
      tableGroupBy(
        () => 'all',
        sum((r) => r.value),
        { name: 'all' },
      ),
    )
    const subscription = local(all.changes()).subscribe()
    for (const time of [1, 11]) source.next(record('a', 1, time))
    expect([...counts.entries()].map(([, , window]) => window.start)).toEqual([10])
    subscription.unsubscribe()
  })

  test('a watermark declared after it is TWO_WATERMARKS, as it goes by time already', () => {
    const codes: unknown[] = []
    const grouped = toTable('t', from([record('a', 1, 1)])).pipe(tableGroupBy(() => 'all', count(), { name: 'all' }))
    local(
      grouped.pipe(toStream()).pipe(withWatermark({ maxOutOfOrderness: 5 }), aggregate(count())) as Observable<unknown>,
    ).subscribe({ error: (error) => codes.push(error.code) })
    expect(codes).toEqual(['TWO_WATERMARKS'])
  })

  test('groups are equal by value; the aggregator gets their key', () => {
    const seen: unknown[] = []
    const keys: Aggregator<{ readonly key: unknown }, string, string> = {
      init: () => '',
      add: (acc, { key }) => `${acc}+${JSON.stringify(key)}`,
      remove: (acc, { key }) => `${acc}-${JSON.stringify(key)}`,
    }
    toTable('t', from([record('a', 1, 0), record('a', 2, 1), record('a', 12, 2)]))
      .pipe(tableGroupBy(({ key, value }) => [key, Math.floor(value / 10)] as const, keys, { name: 'groups' }))
      .changes()
      .subscribe(({ key, value }) => seen.push([key, value]))
    expect(seen).toEqual([
      [['a', 0], '+["a",0]'],
      [['a', 0], '+["a",0]-["a",0]+["a",0]'],
      [['a', 0], '+["a",0]-["a",0]+["a",0]-["a",0]'],
      [['a', 1], '+["a",1]'],
    ])
  })

  test('rows of windows: grouped by window, or by key over all windows', () => {
    const clicks = from(['a', 'b', 'a', 'a'].map((key, i) => record(key, 'click', i * 6)))
    const counts = toTable('counts', clicks.pipe(tumblingWindow(10, { grace: 99 }), aggregate(count())))
    const seen: unknown[] = []
    counts
      .pipe(
        tableGroupBy(
          ({ window }) => window.start,
          sum((r) => r.value),
          { name: 'by-window' },
        ),
      )
      .changes()
      .subscribe(({ key, value, window }) => seen.push([key, value, window]))
    expect(seen).toEqual([
      [0, 1, undefined],
      [0, 2, undefined],
      [10, 1, undefined],
      [10, 2, undefined],
    ])
  })

  test('an aggregator that can only add is BAD_OPTION, at once', () => {
    const group = () => tableGroupBy(() => 'all', first(), { name: 'all' })
    expect(group).toThrow(expect.objectContaining({ code: 'BAD_OPTION', place: { operator: 'all' } }))
    expect(() => tableGroupBy(() => 'all', { n: count(), one: first() }, { name: 'all' })).toThrow(
      expect.objectContaining({ code: 'BAD_OPTION' }),
    )
  })

  test('a serde that is none is BAD_OPTION, at once', () => {
    const group = (options: object) => () => tableGroupBy(() => 'all', count(), { name: 'all', ...options })
    const is = 'must be a serde, such as json(); got a function: call it, as in json()'
    expect(group({ key: json })).toThrow(`BAD_OPTION: tableGroupBy: key ${is}`)
    expect(group({ value: json })).toThrow(`BAD_OPTION: tableGroupBy: value ${is}`)
    expect(group({ key: json(), value: json() })).not.toThrow()
  })

  test('what keyOf throws comes out with the place', () => {
    const errors: unknown[] = []
    toTable('t', from([record('ann', 1, 0)]))
      .pipe(
        tableGroupBy(
          (): string => {
            throw new RangeError('boom')
          },
          count(),
          { name: 'groups' },
        ),
      )
      .changes()
      .subscribe({ error: (error) => errors.push(error) })
    expect(errors).toMatchObject([{ code: 'OPERATOR_FAILED', place: { key: 'ann' } }])
  })
})

describe('in an app', () => {
  const parity = (name: string | undefined) => (app: App) => {
    const table = app.table<number>('rows', { value: json(), ...(name && { name }) })
    const groups = table.pipe(
      tableGroupBy(
        ({ value }) => (value === 0 ? null : `mod${value % 3}`),
        { n: count(), total: sum((r) => r.value) },
        {
          name: 'parity',
        },
      ),
    )
    app.run('out', groups.pipe(toStream(), toTopic('out')))
    return groups
  }

  /** The groups of the whole table, worked out anew. */
  const groupsOf = (rows: readonly (number | null)[]) => {
    const groups = new Map<string, { n: number; total: number }>()
    for (const value of rows) {
      if (value === null || value === 0) continue
      const { n, total } = groups.get(`mod${value % 3}`) ?? { n: 0, total: 0 }
      groups.set(`mod${value % 3}`, { n: n + 1, total: total + value })
    }
    return groups
  }

  test('against recomputing from the whole table, with crashes, over several partitions', async () => {
    await fc.assert(
      fc.asyncProperty(upserts(['rows']), fc.nat(25), async (records, crashAt) => {
        const { out, read, state } = await crashingTables(
          ['rows'],
          parity(undefined),
          records,
          crashAt,
          (groups) => [...groups.range()],
          { state: 'parity' },
        )
        const present = ['a', 'b', 'c'].map((key) => historyOf(records, 'rows', key).at(-1)?.after ?? null)
        const expected = groupsOf(present)
        const seen = [...new Set(records.flatMap(({ value }) => (value ? [`mod${value % 3}`] : [])))].sort()
        const rows = seen.map((group) => [group, expected.get(group) ?? { n: 0, total: 0 }])
        expect(read).toEqual(rows)
        expect(state.map(({ key }) => key).sort()).toEqual(seen)
        expect(seen.map((group) => [group, out.findLast(({ key }) => key === group)?.value])).toEqual(rows)
        for (const group of seen) {
          // Each step of a group is one row more or less, or another value of one row.
          const steps = out.filter(({ key }) => key === group).map(({ value }) => value.n)
          for (const [i, n] of steps.entries()) expect(Math.abs(n - (steps[i - 1] ?? 0))).toBeLessThanOrEqual(1)
        }
      }),
      { seed: 54, numRuns: 30 },
    )
  })

  test('against recomputing after each change, over one partition', async () => {
    await fc.assert(
      fc.asyncProperty(upserts(['rows']), fc.nat(25), async (records, crashAt) => {
        const { out } = await crashingTables(['rows'], parity('rows'), records, crashAt, () => {}, { partitions: 1 })
        const newest = new Map<string, number>()
        const expected = records.flatMap(({ key, value, time }, i) => {
          const before = new Map(records.slice(0, i).map((one) => [one.key, one.value]))
          const groupOf = (v: number | null | undefined) => (v ? `mod${v % 3}` : undefined)
          const changed = (group: string | undefined, rows: Map<string, number | null>) => {
            if (group === undefined) return []
            newest.set(group, Math.max(newest.get(group) ?? 0, time))
            const state = groupsOf([...rows.values()]).get(group) ?? { n: 0, total: 0 }
            return [{ key: group, value: state, timestamp: newest.get(group) as number }]
          }
          const [from, to] = [groupOf(before.get(key)), groupOf(value)]
          return [
            ...(from === to ? [] : changed(from, new Map(before).set(key, null))),
            ...changed(to, new Map(before).set(key, value)),
          ]
        })
        expect(out).toEqualRecords(expected)
      }),
      { seed: 55, numRuns: 30 },
    )
  })

  test('its topic and its state have its name; the plan shows the cut', async () => {
    const t = await testApp(parity('rows'), { topics: { rows: 2, out: 2 } })
    expect((await t.broker.topics()).has('test-parity-repartition')).toBe(true)
    const plan = t.app.describe()
    expect(plan).toContain('tableGroupBy test-parity-repartition')
    expect(plan).toContain('states: parity')
    expect(plan).toContain('sub-topology 1')
    await t.stop()
  })

  test('serdes of keys and of values can be given', async () => {
    const upper = {
      name: 'upper',
      serialize: (value: string) => new TextEncoder().encode(value.toUpperCase()),
      deserialize: (bytes: Uint8Array) => new TextDecoder().decode(bytes),
    }
    const t = await testApp(
      (app) => {
        const table = app.table<string>('rows', { value: json() })
        const last = reduce<string>(
          (_, b) => b,
          (a) => a,
        )
        const groups = table.pipe(tableGroupBy(({ key }) => key, last, { name: 'groups', key: upper, value: upper }))
        app.run('out', groups.pipe(toStream(), toTopic('out')))
      },
      { topics: { rows: 1, out: 1 } },
    )
    await t.send('rows', { key: 'a', value: 'one', timestamp: 1 })
    await t.settle()
    expect(await t.records('out')).toEqualRecords([{ key: 'A', value: 'ONE' }])
    await t.stop()
  })
})

import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { filter, from, type Observable, Subject } from 'rxjs'
import {
  type App,
  aggregate,
  count,
  json,
  local,
  record,
  type StreamRecord,
  shared,
  sum,
  suppress,
  type Table,
  type TableJoinKind,
  tableFilter,
  tableGroupBy,
  tableMapValues,
  tableTableJoin,
  toStream,
  toTable,
  toTopic,
  tumblingWindow,
  type Window,
  withWatermark,
} from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { crashingTables, upserts } from '../tables/crashingTables.js'
import { expectDrawn } from '../testing/docstring.js'

expect.extend(matchers)

type Rows = Observable<StreamRecord<string, number | null>>
type Plain = Table<string, number>

const together = (left: unknown, right: unknown) => `${left ?? 'none'}+${right ?? 'none'}`

const join = (kind: TableJoinKind, other: Plain, name?: string) =>
  tableTableJoin<string, number, number, undefined, string, 'outer'>(other, together, {
    kind: kind as 'outer',
    ...(name !== undefined && { name }),
  })

const values = {
  a: ['ann', 1],
  b: ['ann', 2],
  c: ['ann', null],
  x: ['ann', 10],
  y: ['bob', 20],
  d: ['ann', null],
  p: ['ann', '1+10'],
  q: ['ann', '1+none'],
  r: ['ann', '2+none'],
  s: ['bob', 'none+20'],
  n: ['ann', null],
  t: ['ann', '2+10'],
  u: ['ann', 'none+10'],
  v: ['ann', '1+1'],
  w: ['ann', '2+2'],
} as const

const run = (kind: TableJoinKind, left: string, right: string, out: string, name?: string) =>
  runMarbles({
    source: { left, right },
    out,
    values,
    pipeline: ({ left, right }) =>
      toTable('l', left as Rows).pipe(join(kind, toTable('r', right as Rows) as Plain, name), toStream()),
  })

describe('its diagram', () => {
  const left = 'a-----------b--c--|'
  const right = '---x--y--d--------|'
  test.each([
    ['inner', '---p-----n--------|'],
    ['left', 'q--p-----q--r--n--|'],
    ['outer', 'q--p--s--q--r--n--|'],
  ] as const)('%s', async (kind, out) => {
    expectDrawn('joins/tableTableJoin.ts', `left   ${left}`, `right  ${right}`, `${kind.padEnd(6)} ${out}`)
    await run(kind, left, right, out)
    await run(kind, left, right, out, 'joined')
  })
})

describe('laws', () => {
  const input = [5, 12, null, 7, 18, 1, null, 3, 11, null, 14].map((value, i) =>
    record(['ann', 'bob'][(i * 2) % 3 === 0 ? 0 : 1] as string, value, (i * 7) % 20),
  )
  for (const kind of ['inner', 'left', 'outer'] as const) {
    for (const name of [undefined, 'joined']) {
      // Small values and deletes on the left, large ones and deletes on the right.
      const chain = () => (s: Rows) => {
        const both = s.pipe(shared())
        const left = toTable('l', both.pipe(filter(({ value }) => value === null || value < 10)))
        const right = toTable('r', both.pipe(filter(({ value }) => value === null || value >= 10)))
        return local((left as Plain).pipe(join(kind, right as Plain, name), toStream()))
      }
      for (const law of operatorLaws(chain, input, { isAsync: true }))
        test(`${kind}${name ? ' with a name' : ''}: ${law.name}`, law.run)
    }
  }
})

describe('edges', () => {
  test.each([
    { name: 'empty tables', kind: 'outer', left: '|', right: '|', out: '|' },
    { name: 'completes when both have', kind: 'outer', left: 'a|', right: '---|', out: 'q--|' },
    { name: 'an error on the left', kind: 'inner', left: '-#', right: '--', out: '-#' },
    { name: 'an error on the right', kind: 'inner', left: '--', right: '-#', out: '-#' },
    {
      name: 'inner: a delete while the other side has a row, though there was no result',
      kind: 'inner',
      left: '-c-',
      right: 'x--',
      out: '-n-',
    },
    { name: 'inner: nothing while it has none', kind: 'inner', left: 'ac', right: '--', out: '--' },
    { name: 'left: nothing for a delete of nothing', kind: 'left', left: 'c-', right: '--', out: '--' },
    { name: 'left: a delete of nothing beside a row', kind: 'left', left: '-c', right: 'x-', out: '-n' },
    { name: 'left: a row on the right alone says nothing', kind: 'left', left: '--', right: 'xd', out: '--' },
    { name: 'left: a delete of nothing on the right', kind: 'left', left: 'a-', right: '-d', out: 'qq' },
    { name: 'outer: nothing for a delete of nothing', kind: 'outer', left: 'c-', right: '-d', out: '--' },
    {
      name: 'outer: a delete as long as the other side has a row',
      kind: 'outer',
      left: 'a-c-',
      right: '-x-d',
      out: 'qpun',
    },
    { name: 'the higher timestamp', kind: 'inner', left: 'a@5-----b@30', right: '----x@9-----', out: '----p@9-t@30' },
    {
      name: "a delete's is its own where the other side has no row",
      kind: 'left',
      left: 'a@9-c@3',
      right: '-',
      out: 'q@9-n@3',
    },
    {
      name: 'the other side counts only while it has a row',
      kind: 'left',
      left: 'a@1---------b@4',
      right: '----x@9-d@2-',
      out: 'q@1-p@9-q@2-r@4',
    },
  ] as const)('$name', async ({ kind, left, right, out }) => {
    await run(kind, left, right, out)
    await run(kind, left, right, out, 'joined')
  })

  test('null from the joiner is a delete', async () => {
    await runMarbles({
      source: { left: 'a-b', right: '-x-' },
      out: '                  -pn',
      values: { ...values, p: ['ann', 11] },
      pipeline: ({ left, right }) =>
        toTable('l', left as Rows).pipe(
          tableTableJoin(toTable('r', right as Rows) as Plain, (a: number, b) => (a === 2 ? null : a + b)),
          toStream(),
        ),
    })
  })

  test('the joiner gets the key; it is not called for rows that the join has not', async () => {
    const called: unknown[] = []
    await runMarbles({
      source: { left: 'a--c-', right: '-x--d' },
      values,
      pipeline: ({ left, right }) =>
        toTable('l', left as Rows)
          .pipe(tableTableJoin(toTable('r', right as Rows) as Plain, (a, b, row) => called.push([a, b, row])))
          .changes(),
    })
    expect(called[0]).toEqual([1, 10, { key: 'ann', window: undefined }])
    expect(called.every((given) => (given as unknown[]).slice(0, 2).every((value) => value !== null))).toBe(true)
  })

  test('what was before, where it is needed', async () => {
    const changes = async (kind: TableJoinKind, name?: string) => {
      const { records } = await runMarbles({
        source: { left: 'a--b-c', right: '-x--d-' },
        values,
        pipeline: ({ left, right }) =>
          (toTable('l', left as Rows) as Plain).pipe(join(kind, toTable('r', right as Rows) as Plain, name)).changes(),
      })
      return records.map(({ value, previous }) => [value, previous])
    }
    const outer = [
      ['1+none', null],
      ['1+10', '1+none'],
      ['2+10', '1+10'],
      ['2+none', '2+10'],
      [null, '2+none'],
    ]
    expect(await changes('outer')).toEqual(outer)
    expect(await changes('outer', 'joined')).toEqual(outer)
    expect(await changes('left')).toEqual(outer)
    expect(await changes('inner', 'joined')).toEqual([
      ['1+10', null],
      ['2+10', '1+10'],
      [null, '2+10'],
    ])
  })

  test('a join of a join: the highest timestamp of all three', async () => {
    const { records } = await runMarbles({
      source: { a: 'a@5-------b@6', b: '----x@9-------', c: '----------------b@7' },
      values,
      pipeline: ({ a, b, c }) => {
        const table = (name: string, stream: Observable<unknown>) => toTable(name, stream as Rows) as Plain
        const both = table('a', a).pipe(tableTableJoin(table('b', b), (l, r) => l + r))
        return both.pipe(
          tableTableJoin(table('c', c), (l, r) => l + r),
          toStream(),
        )
      },
    })
    expect(records.map(({ value, timestamp }) => [value, timestamp])).toEqual([[14, 9]])
  })

  test('a late version on either side is counted, and gives nothing', async () => {
    const t = await testApp(
      (app) => {
        const table = (topic: string) => app.table<number>(topic, { value: json(), history: 100 })
        app.run('out', table('left').pipe(join('outer', table('right')), toStream(), toTopic('out')))
      },
      { topics: { left: 1, right: 1, out: 1 } },
    )
    await t.send('left', { key: 'a', value: 1, timestamp: 50 })
    await t.send('right', { key: 'a', value: 2, timestamp: 60 })
    await t.settle()
    await t.send('left', { key: 'a', value: 3, timestamp: 49 })
    await t.send('right', { key: 'a', value: 4, timestamp: 59 })
    await t.settle()
    expect(await t.records('out')).toEqualRecords([{ value: '1+none' }, { value: '1+2', timestamp: 60 }])
    expect(t.app.stats().tasks.flatMap(({ dropped }) => dropped)).toEqual([
      { operator: 'tableTableJoin', reason: 'out of order', count: 2 },
    ])
    await t.stop()
  })

  test('sources that emit at once need local(): else LATE_BRANCH', () => {
    const table = (name: string, value: number) => toTable(name, from([record('a', value, 1)])) as Plain
    const pipeline = () => table('l', 1).pipe(join('inner', table('r', 2)), toStream())
    const seen: unknown[] = []
    const observer = { next: (r: { value: unknown }) => seen.push(r.value), error: (e: any) => seen.push(e.code) }
    pipeline().subscribe(observer)
    local(pipeline()).subscribe(observer)
    expect(seen).toEqual(['LATE_BRANCH', '1+2'])
  })

  test('numbers of partitions that differ are CO_PARTITION', async () => {
    const app = testApp(
      (app) => {
        const table = (topic: string) => app.table<number>(topic, { value: json() })
        app.run(
          'out',
          table('left')
            .pipe(join('inner', table('right')))
            .changes(),
        )
      },
      { topics: { left: 2, right: 3 } },
    )
    await expect(app).rejects.toMatchObject({ code: 'CO_PARTITION' })
  })

  test('a table without a watermark beside one with it: time is that of the other', async () => {
    await runMarbles({
      source: { left: 'a@10-b@20', right: 'x@50-----' },
      watermarks: { 0: 7, 5: 17 },
      values,
      pipeline: ({ left, right }) =>
        toTable('l', left.pipe(withWatermark({ maxOutOfOrderness: 3 })) as Rows).pipe(
          join('inner', toTable('r', right as Rows) as Plain),
          toStream(),
        ),
    })
  })
})

describe('one table on both sides', () => {
  const itself = (kind: TableJoinKind, source: string, out: string, name?: string) =>
    runMarbles({
      source,
      out,
      values,
      pipeline: (s) => {
        const table = toTable('t', s as Rows) as Plain
        return table.pipe(join(kind, table, name), toStream())
      },
    })

  test('each change comes twice, with both sides as they are after it', async () => {
    for (const kind of ['inner', 'left', 'outer'] as const)
      for (const name of [undefined, 'joined']) await itself(kind, 'a---b', '(vv)(ww)', name)
  })

  test('a delete: nothing of an inner join that has no name, else one', async () => {
    await itself('inner', 'a---c', '(vv)-')
    await itself('inner', 'a---c', '(vv)n', 'joined')
    await itself('left', 'a---c', '(vv)n')
    await itself('outer', 'a---c', '(vv)(nn)')
  })

  test('two that come from one: each with the other as it is after the change, in whatever order they were written', async () => {
    for (const mappedFirst of [true, false]) {
      await runMarbles({
        source: 'a---b----c',
        out: '   (PP)(QQ)-n',
        values: { ...values, P: ['ann', '1+10'], Q: ['ann', '2+20'] },
        pipeline: (s) => {
          const table = toTable('t', s as Rows) as Plain
          const mapped = table.pipe(tableMapValues((v) => v * 10))
          const joined = mappedFirst
            ? mapped.pipe(tableTableJoin(table, (ten, one: number | null) => together(one, ten), { kind: 'left' }))
            : table.pipe(tableTableJoin(mapped, (one, ten: number | null) => together(one, ten), { kind: 'left' }))
          return joined.pipe(toStream())
        },
      })
    }
  })

  test('the state of such a join, grouped: what the rows are', () => {
    const rows = new Subject<StreamRecord<string, number | null>>()
    const table = toTable('t', rows) as Plain
    const joined = table.pipe(
      tableTableJoin(table.pipe(tableMapValues((v) => v * 10)), (a, b) => a + b, { name: 'joined' }),
    )
    const total = joined.pipe(
      tableGroupBy(
        () => 'all',
        sum((r) => r.value),
        { name: 'total' },
      ),
    )
    const subscription = local(total.changes()).subscribe()
    const put = (key: string, value: number | null, at: number) => rows.next(record(key, value, at))
    put('a', 1, 1)
    put('b', 2, 2)
    put('a', 3, 3)
    expect(total.get('all')).toBe(55)
    put('b', null, 4)
    expect(total.get('all')).toBe(33)
    expect([...joined.entries()]).toEqual([['a', 33]])
    subscription.unsubscribe()
  })
})

describe('rows of windows', () => {
  const windowAt = (start: number): Window => ({ start, end: start + 10 })
  const counts = (stream: Observable<StreamRecord<string, number>>, name: string, grace: number) =>
    toTable(name, stream.pipe(tumblingWindow(10, { grace }), aggregate(count(), { name })))

  test('meet in the same window', () => {
    const [left, right] = [new Subject<StreamRecord<string, number>>(), new Subject<StreamRecord<string, number>>()]
    const joined = counts(left, 'l', 100).pipe(
      tableTableJoin(counts(right, 'r', 100), (a, b, { window }) => `${a}+${b} ${window.start}`),
    )
    const seen: unknown[] = []
    const subscription = local(joined.pipe(toStream())).subscribe(({ value, window, timestamp }) =>
      seen.push([value, window, timestamp]),
    )
    left.next(record('a', 0, 3))
    left.next(record('a', 0, 14))
    right.next(record('a', 0, 12))
    right.next(record('b', 0, 1))
    right.next(record('a', 0, 5))
    left.next(record('a', 0, 2))
    expect(seen).toEqual([
      ['1+1 10', windowAt(10), 14],
      ['1+1 0', windowAt(0), 5],
      ['2+1 0', windowAt(0), 5],
    ])
    expect(joined.get('a', windowAt(0))).toBe('2+1 0')
    expect([...joined.window('a')].map(([value]) => value)).toEqual(['2+1 0', '1+1 10'])
    subscription.unsubscribe()
  })

  test('with a name, its rows go with the windows: state stays small', () => {
    const [left, right] = [new Subject<StreamRecord<string, number>>(), new Subject<StreamRecord<string, number>>()]
    const joined = counts(left, 'l', 20).pipe(
      tableTableJoin(counts(right, 'r', 0), (a, b) => a + b, { name: 'joined' }),
    )
    const filtered = counts(left, 'again', 20).pipe(tableFilter(() => true, { name: 'filtered' }))
    const subscription = local(joined.changes()).subscribe()
    const other = local(filtered.changes()).subscribe()
    let most = 0
    for (let time = 0; time < 5_000; time++) {
      for (const side of [left, right]) side.next(record(`k${time % 3}`, 0, time))
      most = Math.max(most, [...joined.entries()].length, [...filtered.entries()].length)
    }
    expect([...joined.entries()].length).toBeGreaterThan(0)
    expect(most).toBeLessThan(20)
    subscription.unsubscribe()
    other.unsubscribe()
  })
})

describe('against recomputing by nested loops, in an app with crashes', () => {
  const app = (kind: TableJoinKind, name: string | undefined) => (made: App) => {
    const table = (topic: string) => made.table<number>(topic, { value: json() })
    const joined = table('left').pipe(join(kind, table('right'), name))
    made.run('out', joined.pipe(toStream(), toTopic('out')))
    return joined
  }

  test.each<[TableJoinKind, string | undefined]>([
    ['inner', undefined],
    ['inner', 'joined'],
    ['left', undefined],
    ['left', 'joined'],
    ['outer', undefined],
    ['outer', 'joined'],
  ])('%s, name %s', async (kind, name) => {
    await fc.assert(
      fc.asyncProperty(upserts(['left', 'right'], 30), fc.nat(30), async (records, crashAt) => {
        const { out, read, state } = await crashingTables(
          ['left', 'right'],
          app(kind, name),
          records,
          crashAt,
          (joined) => [...joined.range()],
          { state: name },
        )
        // Each side as a list of all its upserts; a row is the last of a key.
        const sideAt = (topic: string, until: number) =>
          records.slice(0, until).filter((one, i, all) => {
            const isLast = all.findLastIndex((other) => other.topic === topic && other.key === one.key) === i
            return one.topic === topic && isLast && one.value !== null
          })
        const rowsAt = (until: number) => {
          const [left, right] = [sideAt('left', until), sideAt('right', until)]
          const rows = new Map<string, { value: string; timestamp: number }>()
          for (const a of left)
            for (const b of right)
              if (a.key === b.key)
                rows.set(a.key, { value: together(a.value, b.value), timestamp: Math.max(a.time, b.time) })
          if (kind !== 'inner')
            for (const a of left)
              if (!rows.has(a.key)) rows.set(a.key, { value: together(a.value, null), timestamp: a.time })
          if (kind === 'outer')
            for (const b of right)
              if (!rows.has(b.key)) rows.set(b.key, { value: together(null, b.value), timestamp: b.time })
          return rows
        }
        for (const key of ['a', 'b', 'c']) {
          const expected = records.flatMap((one, i) => {
            if (one.key !== key) return []
            const has = (topic: string, until: number) => sideAt(topic, until).some((row) => row.key === key)
            const otherTopic = one.topic === 'left' ? 'right' : 'left'
            const isPreserved = kind === 'outer' || (kind === 'left' && one.topic === 'left')
            const other = sideAt(otherTopic, i).find((row) => row.key === key)
            if (other === undefined && !isPreserved) return []
            if (other === undefined && !has(one.topic, i) && one.value === null) return []
            const row = rowsAt(i + 1).get(key)
            const gone = { value: null, timestamp: Math.max(one.time, other?.time ?? 0) }
            // A row that lost its other side keeps the time of what took it away.
            return [row === undefined ? gone : { value: row.value, timestamp: Math.max(one.time, other?.time ?? 0) }]
          })
          expect(out.filter((r) => r.key === key)).toEqualRecords(expected)
        }
        const present = [...rowsAt(records.length)].map(([key, { value }]) => [key, value]).sort()
        expect(read).toEqual(present)
        expect(state.map(({ key, value }) => [key, value]).sort()).toEqual(name === undefined ? [] : present)
      }),
      { seed: 59, numRuns: 20 },
    )
  })

  test('what a join hands on of what was before lets groups add up: a chain of joins, grouped', async () => {
    await fc.assert(
      fc.asyncProperty(upserts(['a', 'b', 'c'], 30), fc.nat(30), async (records, crashAt) => {
        const { read } = await crashingTables(
          ['a', 'b', 'c'],
          (made) => {
            const table = (topic: string) => made.table<number>(topic, { value: json() })
            const chain = table('a').pipe(
              tableTableJoin(table('b'), (a, b) => a * 10 + b),
              tableTableJoin(table('c').pipe(tableFilter(({ value }) => value > 3)), (ab, c) => ({ ab, c: c ?? 0 }), {
                kind: 'left',
              }),
            )
            const groups = chain.pipe(
              tableGroupBy(
                ({ value }) => `c${value.c % 2}`,
                sum((r) => r.value.ab),
                { name: 'sums' },
              ),
            )
            made.run('out', groups.pipe(toStream(), toTopic('out')))
            return groups
          },
          records,
          crashAt,
          (groups): Record<string, number> => Object.fromEntries([...groups.entries()]),
        )
        const last = (topic: string, key: string) =>
          records.findLast((one) => one.topic === topic && one.key === key)?.value ?? null
        const sums: Record<string, number> = {}
        for (const key of ['a', 'b', 'c']) {
          const [a, b, c] = ['a', 'b', 'c'].map((topic) => last(topic, key)) as [
            number | null,
            number | null,
            number | null,
          ]
          if (a === null || b === null) continue
          const group = `c${(c !== null && c > 3 ? c : 0) % 2}`
          sums[group] = (sums[group] ?? 0) + a * 10 + b
        }
        for (const group of ['c0', 'c1']) expect(read[group] ?? 0).toBe(sums[group] ?? 0)
      }),
      { seed: 60, numRuns: 30 },
    )
  })
})

test('a table and its own count by another key join once they have the same partitions', async () => {
  const t = await testApp(
    (app) => {
      const rows = app.table<string>('rows', { value: json() })
      const counts = rows.pipe(tableGroupBy(({ value }) => value, count(), { name: 'counts' }))
      const joined = rows.pipe(tableTableJoin(counts, (value, n) => `${value} ${n ?? 0}`, { kind: 'left' }))
      app.run('out', joined.pipe(toStream(), toTopic('out')))
    },
    { topics: { rows: 2, out: 2 } },
  )
  await t.send('rows', [
    { key: 'a', value: 'b', timestamp: 1 },
    { key: 'c', value: 'a', timestamp: 2 },
    { key: 'd', value: 'a', timestamp: 3 },
  ])
  await t.settle()
  expect(t.errors).toEqual([])
  const out = await t.records('out')
  expect(out.filter(({ key }) => key === 'a').map(({ value }) => value)).toEqual(['b 0', 'b 1', 'b 2'])
  await t.stop()
})

test('in the plan: the tables that are joined keep their rows, and the join has a state only under a name', async () => {
  const states = async (name?: string) => {
    const t = await testApp(
      (app) => {
        const table = (topic: string) => app.table<number>(topic, { value: json() })
        app.run(
          'joined',
          table('left')
            .pipe(
              tableMapValues((v) => v),
              join('inner', table('right'), name),
            )
            .changes(),
        )
      },
      { topics: { left: 1, right: 1 } },
    )
    const plan = t.app.describe()
    await t.stop()
    return /states: (.*)/.exec(plan)?.[1]
  }
  expect(await states()).toBe('left, right')
  expect(await states('both')).toBe('left, right, both')
})

test('where nobody asks what rows were before, a change says that it is not known, and the joiner is not asked', () => {
  const [a, b] = [new Subject<StreamRecord<string, number>>(), new Subject<StreamRecord<string, number>>()]
  const asked: unknown[] = []
  const seen: unknown[] = []
  const joiner = (x: number, y: number) => {
    asked.push([x, y])
    return x + y
  }
  const joined = toTable(undefined, a).pipe(tableTableJoin(toTable(undefined, b), joiner, { kind: 'inner' }))
  local(joined.changes()).subscribe(({ value, previous }) => seen.push([value, previous]))
  a.next(record('k', 1, 1))
  b.next(record('k', 10, 2))
  a.next(record('k', 2, 3))
  expect(seen).toStrictEqual([
    [11, undefined],
    [12, undefined],
  ])
  expect(asked).toEqual([
    [1, 10],
    [2, 10],
  ])
})

test('explain knows its time: that of the newest change of either table', async () => {
  const t = await testApp(
    (app) => {
      const [a, b] = ['a', 'b'].map((topic) => app.table<number>(topic, { value: json() })) as [Plain, Plain]
      app.run('out', a.pipe(join('outer', b, 'joined'), toStream()).pipe(toTopic('out')))
    },
    { topics: { a: 1, b: 1, out: 1 } },
  )
  await t.send('a', { key: 'k', value: 1, timestamp: 7 })
  await t.send('b', { key: 'l', value: 2, timestamp: 5 })
  await t.settle()
  expect(t.app.explain({ operator: 'joined' }).tasks).toMatchObject([{ time: 7 }])
  await t.stop()
})

describe('its rows', () => {
  const joinedBy = (joiner: (a: unknown, b: unknown) => string, name?: string) => {
    const [a, b] = [new Subject<StreamRecord<string, number>>(), new Subject<StreamRecord<string, number>>()]
    const options = { kind: 'outer', ...(name !== undefined && { name }) } as const
    const table = toTable('a', a).pipe(tableTableJoin(toTable('b', b), joiner, options))
    return { a, b, table }
  }

  test.each([
    ['are worked out at each look-up', undefined, 2],
    ['are kept under a name', 'joined', 0],
  ])('%s', (_, name, calls) => {
    let called = 0
    const { a, b, table } = joinedBy((x, y) => {
      called++
      return together(x, y)
    }, name)
    const subscription = local(table.changes()).subscribe()
    a.next(record('k', 1, 1))
    b.next(record('k', 2, 2))
    called = 0
    expect([table.get('k'), ...table.entries()]).toEqual(['1+2', ['k', '1+2']])
    expect(called).toBe(calls)
    subscription.unsubscribe()
  })

  test('have the later of both timestamps, or that of the only side: what is joined with them shows it', () => {
    const { a, b, table } = joinedBy(together)
    const c = new Subject<StreamRecord<string, number>>()
    const seen: unknown[] = []
    local(
      table.pipe(tableTableJoin(toTable('c', c), (x: unknown, y: unknown) => [x, y], { kind: 'inner' })).changes(),
    ).subscribe(({ key, timestamp }) => seen.push([key, timestamp]))
    a.next(record('both', 1, 5))
    b.next(record('both', 1, 3))
    a.next(record('left', 1, 6))
    b.next(record('right', 1, 7))
    a.next(record('first', 1, 0))
    b.next(record('second', 1, 0))
    for (const key of ['both', 'left', 'right', 'first', 'second']) c.next(record(key, 1, 0))
    expect(seen).toEqual([
      ['both', 5],
      ['left', 6],
      ['right', 7],
      ['first', 0],
      ['second', 0],
    ])
  })
})

describe('windows that close on one side before the other', () => {
  const together = (left: number | null, right: number | null) => `${left} ${right}`

  async function firstWindow(
    emit: 'update' | 'close',
    kind: TableJoinKind,
    watermark: object,
    sent: readonly (readonly ['a' | 'b', number])[],
  ) {
    const t = await testApp(
      (app) => {
        const counts = (topic: string) =>
          toTable(
            `${topic}s`,
            app
              .stream<number>(topic, { value: json(), ...watermark })
              .pipe(tumblingWindow(10), aggregate(count(), { name: `${topic}s`, emit })),
          ) as Table<string, number, Window>
        const [left, right] = [counts('a'), counts('b')]
        const joined = left.pipe(tableTableJoin(right, together, { kind: kind as 'outer' }), toStream())
        app.run('out', joined.pipe(toTopic('out')))
        return [left, right]
      },
      { topics: { a: 1, b: 1, out: 1 } },
    )
    for (const [topic, timestamp] of sent) {
      await t.send(topic, { key: 'k', value: 1, timestamp })
      await t.settle()
    }
    const out = (await t.records('out')).filter(({ window }) => window?.start === 0)
    expect(t.errors).toEqual([])
    // Both have been far past it: nothing is kept of it any more.
    if (sent.at(-1)?.[1] === 500) {
      for (const table of t.result) expect([...table.window('k', { to: 10 })]).toEqual([])
    }
    await t.stop()
    return out.map(({ value }) => value)
  }

  describe.each(['inner', 'left', 'outer'] as const)('%s', (kind) => {
    test.each([
      ['in stream time', {}],
      ['behind watermarks', { watermark: { maxOutOfOrderness: 0 } }],
    ])('each close meets the other row, %s', async (_, watermark) => {
      const sent = [
        ['a', 1],
        ['b', 2],
        ['b', 15],
        ['a', 16],
        ['a', 100],
        ['b', 100],
      ] as const
      expect(await firstWindow('close', kind, watermark, sent)).toEqual(['1 1', '1 1'])
      const far = [
        ['a', 1],
        ['b', 2],
        ['b', 100],
        ['b', 300],
        ['a', 100],
        ['a', 400],
        ['b', 400],
        ['a', 500],
        ['b', 500],
      ] as const
      expect(await firstWindow('close', kind, watermark, far)).toEqual(['1 1', '1 1'])
    })

    test('so does an update on the side that is behind', async () => {
      const sent = [
        ['a', 1],
        ['b', 2],
        ['b', 12],
        ['a', 5],
      ] as const
      const first = kind === 'inner' ? [] : ['1 null']
      expect(await firstWindow('update', kind, {}, sent)).toEqual([...first, '1 1', '2 1'])
    })
  })

  test('a side that still holds its rows back meets the other for as long after the close as windows took records', () => {
    const [a, b] = [new Subject<StreamRecord<string, number>>(), new Subject<StreamRecord<string, number>>()]
    const counts = (s: typeof a, name: string) =>
      toTable(name, s.pipe(tumblingWindow(10), aggregate(count()))) as Table<string, number, Window>
    const held = counts(b, 'b').pipe(
      tableFilter(({ key }) => key !== 'other'),
      suppress({ until: 'close' }),
    )
    const seen: unknown[] = []
    local(
      counts(a, 'a')
        .pipe(tableTableJoin(held, together, { kind: 'inner' }))
        .changes(),
    ).subscribe((change) => seen.push([change.value, change.window.start]))
    a.next(record('k', 1, 1))
    b.next(record('k', 1, 2))
    // Both have closed the first window, but what is held back hasn't seen the time yet.
    a.next(record('other', 1, 12))
    b.next(record('other', 1, 13))
    a.next(record('other', 1, 19))
    expect(seen).toEqual([])
    b.next(record('k', 1, 15))
    expect(seen).toEqual([['1 1', 0]])
  })
})

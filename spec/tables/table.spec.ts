import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { firstValueFrom, from, NEVER, type Observable, Subject, take, toArray } from 'rxjs'
import {
  type App,
  aggregate,
  compareKeys,
  count,
  json,
  type Key,
  local,
  mapValues,
  record,
  type StreamRecord,
  streamTableJoin,
  type Table,
  tableFilter,
  tableMapValues,
  tableTableJoin,
  toTable,
  tumblingWindow,
  type Window,
} from 'tidemark'
import { testApp } from 'tidemark/testing'

type Rows = Subject<StreamRecord<string, number | null>>

/** A table that runs, and what feeds it. */
function running<T>(build: (rows: Rows) => { readonly table: T; readonly changes: Parameters<typeof local>[0] }) {
  const rows: Rows = new Subject()
  const { table, changes } = build(rows)
  const subscription = local(changes).subscribe()
  let time = 0
  const put = (key: string, value: number | null, at = time++) => rows.next(record(key, value, at))
  return { table, put, rows, stop: () => subscription.unsubscribe() }
}

const plain = (rows: Rows) => {
  const table = toTable('t', rows) as Table<string, number>
  return { table, changes: table.changes() }
}

const versioned = (rows: Rows) => {
  const table = toTable('t', rows, { history: '1s' }) as Table<string, number>
  return { table, changes: table.changes() }
}

const counts = (rows: Rows) => {
  const table = toTable('counts', rows.pipe(tumblingWindow(10, { grace: 90 }), aggregate(count())))
  return { table, changes: table.changes() }
}

const windowAt = (start: number): Window => ({ start, end: start + 10 })

describe('range', () => {
  test('from inclusive, to exclusive, in the order of keys', () => {
    const { table, put, stop } = running(plain)
    for (const [i, key] of ['b', 'ab', 'a', 'B', 'c', 'é', '😀', '\uffee'].entries()) put(key, i)
    put('c', null)
    expect([...table.range()].map(([key]) => key)).toEqual(['B', 'a', 'ab', 'b', 'é', '\uffee', '😀'])
    expect([...table.range('a', 'b')]).toEqual([
      ['a', 2],
      ['ab', 1],
    ])
    expect([...table.range('b')].map(([key]) => key)).toEqual(['b', 'é', '\uffee', '😀'])
    expect([...table.range(undefined, 'a')]).toEqual([['B', 3]])
    expect([...table.range('z', 'a')]).toEqual([])
    stop()
    expect([...table.range()]).toEqual([])
  })

  test.each([
    ['a table', plain],
    ['a versioned table', versioned],
  ])('of %s that changes on the way: each row as it is in its turn, if it is still there', (_, build) => {
    const { table, put, stop } = running(build)
    for (const key of ['a', 'b', 'c', 'd', 'e']) put(key, 1)
    const walk = table.range()
    expect(walk.next().value).toEqual(['a', 1])
    put('b', null)
    put('c', 2)
    put('d', null)
    put('d', 3)
    expect([...walk]).toEqual([
      ['c', 2],
      ['d', 3],
      ['e', 1],
    ])
    stop()
  })

  test('of windows: by key, then start', () => {
    const { table, put, stop } = running(counts)
    for (const [key, time] of [
      ['b', 21],
      ['a', 21],
      ['a', 1],
      ['b', 2],
      ['a', 3],
    ] as const)
      put(key, 0, time)
    expect([...table.range()]).toEqual([
      ['a', 2, windowAt(0)],
      ['a', 1, windowAt(20)],
      ['b', 1, windowAt(0)],
      ['b', 1, windowAt(20)],
    ])
    expect([...table.range('b')].map(([key]) => key)).toEqual(['b', 'b'])
    stop()
  })

  test('against sorting, over several tasks, with keys of all kinds', async () => {
    const key: fc.Arbitrary<Key> = fc.oneof(
      fc.string(),
      fc.integer({ min: -3, max: 3 }),
      fc.boolean(),
      fc.tuple(fc.nat(2), fc.string()),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(key, { maxLength: 12 }), fc.option(key), fc.option(key), async (keys, from, to) => {
        const serde = json<Key>()
        const t = await testApp(
          (app) => {
            const table = app.table<number, Key>('rows', { value: json(), key: serde, name: 'rows' })
            app.run('rows', table.changes())
            return table
          },
          { topics: { rows: { partitions: 3, key: serde } } },
        )
        await t.send(
          'rows',
          keys.map((one, i) => ({ key: one, value: i, timestamp: i })),
        )
        await t.settle()
        const rows: [Key, number][] = []
        keys.forEach((one, i) => {
          if (keys.findLastIndex((other) => compareKeys(other, one) === 0) === i) rows.push([one, i])
        })
        rows.sort(([a], [b]) => compareKeys(a, b))
        const inside = rows.filter(
          ([one]) => (from === null || compareKeys(one, from) >= 0) && (to === null || compareKeys(one, to) < 0),
        )
        expect([...t.result.range(from ?? undefined, to ?? undefined)]).toEqual(inside)
        await t.stop()
      }),
      { seed: 58, numRuns: 25 },
    )
  })
})

describe('window', () => {
  test("a key's windows that start in a range, by start", () => {
    const { table, put, stop } = running(counts)
    for (const time of [31, 1, 11, 21, 12]) put('a', 0, time)
    put('b', 0, 11)
    expect([...table.window('a')]).toEqual([
      [1, windowAt(0)],
      [2, windowAt(10)],
      [1, windowAt(20)],
      [1, windowAt(30)],
    ])
    expect([...table.window('a', { from: 10, to: 30 })].map(([, { start }]) => start)).toEqual([10, 20])
    expect([...table.window('a', { from: 11, to: 31 })].map(([, { start }]) => start)).toEqual([20, 30])
    expect([...table.window('c')]).toEqual([])
    stop()
  })

  test('of a table without windows there are none', () => {
    const { table, put, stop } = running(plain)
    put('a', 1)
    expect([...table.window('a')]).toEqual([])
    stop()
  })
})

describe('what keeps no rows', () => {
  const nameless = (rows: Rows) => {
    const table = (toTable(undefined, rows) as Table<string, number>).pipe(tableMapValues((v) => v))
    return { table, changes: table.changes() }
  }
  const codeOf = (read: () => unknown) => {
    try {
      read()
    } catch (error) {
      return (error as { code: string }).code
    }
    return undefined
  }

  test('every read is NO_ROWS; what happens to be found out late, too', () => {
    const { table, put, stop } = running(nameless)
    put('a', 1)
    const reads = [
      () => table.get('a'),
      () => table.getAsOf('a', 5),
      () => [...table.entries()],
      () => [...table.range()],
      () => [...table.window('a')],
    ]
    expect(reads.map(codeOf)).toEqual(reads.map(() => 'NO_ROWS'))
    const errors: unknown[] = []
    table.watch('a').subscribe({ error: (error) => errors.push(error.code) })
    expect(errors).toEqual(['NO_ROWS'])
    stop()
  })

  test('so it is beneath a table that keeps its own', () => {
    const { table, put, stop } = running((rows) => {
      const below = toTable(undefined, rows) as Table<string, number>
      const named = below.pipe(tableMapValues((v) => v * 10, { name: 'named' }))
      const looking = rows.pipe(streamTableJoin(named, (_, row) => row)) as Observable<unknown>
      return { table: { below, named }, changes: looking }
    })
    put('a', 1)
    expect(table.named.get('a')).toBe(10)
    expect(codeOf(() => table.below.get('a'))).toBe('NO_ROWS')
    stop()
  })

  test('a watch that began before the task did errors when it begins', () => {
    const rows: Rows = new Subject()
    const { table, changes } = nameless(rows)
    const seen: unknown[] = []
    table.watch('a').subscribe({ next: (value) => seen.push(value), error: (error) => seen.push(error.code) })
    const subscription = local(changes).subscribe()
    expect(seen).toEqual([undefined, 'NO_ROWS'])
    subscription.unsubscribe()
  })

  test('rows of old without a history: NO_HISTORY', () => {
    const { table, put, stop } = running(plain)
    put('a', 1)
    expect(codeOf(() => table.getAsOf('a', 5))).toBe('NO_HISTORY')
    stop()
  })
})

describe('watch', () => {
  /** What watching gives: values, then how it ended. */
  function seenBy(table: Table<string, number>, key = 'a') {
    const seen: unknown[] = []
    const subscription = table.watch(key).subscribe({
      next: (value) => seen.push(value),
      complete: () => seen.push('|'),
      error: (error) => seen.push(error.code),
    })
    return { seen, leave: () => subscription.unsubscribe() }
  }

  test('its diagram: the present value, then each change; undefined where there is none', () => {
    const { table, put, stop } = running(plain)
    put('a', 1)
    const { seen } = seenBy(table)
    put('a', 2)
    put('b', 7)
    put('a', null)
    put('a', 2)
    put('a', 2)
    expect(seen).toEqual([1, 2, undefined, 2, 2])
    stop()
    expect(seen).toHaveLength(5)
  })

  test('completes with the table; errors of the stream are not its business', () => {
    const one = running(plain)
    const { seen } = seenBy(one.table)
    one.rows.complete()
    expect(seen).toEqual([undefined, '|'])
  })

  test('several watchers of several rows; each can leave, also while it is told', async () => {
    const { table, put, stop } = running(plain)
    const [one, two, other] = [seenBy(table), seenBy(table), seenBy(table, 'b')]
    const three = firstValueFrom(table.watch('a').pipe(take(3), toArray()))
    put('a', 1)
    one.leave()
    put('a', 2)
    put('b', 3)
    put('a', 4)
    expect(one.seen).toEqual([undefined, 1])
    expect(two.seen).toEqual([undefined, 1, 2, 4])
    expect(other.seen).toEqual([undefined, 3])
    expect(await three).toEqual([undefined, 1, 2])
    for (const { leave } of [two, other]) leave()
    put('a', 5)
    const { seen } = seenBy(table)
    put('a', 6)
    expect(seen).toEqual([5, 6])
    stop()
  })

  test('what a watcher does is in no task: it may run a pipeline', () => {
    const { table, put, stop } = running(plain)
    const doubled: unknown[] = []
    table.watch('a').subscribe((value) => {
      from([record('a', value ?? 0, 1)])
        .pipe(mapValues((v) => v * 2))
        .subscribe((r) => doubled.push(r.value))
    })
    put('a', 4)
    expect(doubled).toEqual([0, 8])
    stop()
  })

  test.each([true, false])('rows of windows, of an aggregate the changes of which somebody reads: %s', (isRead) => {
    const rows: Rows = new Subject()
    const stream = rows.pipe(tumblingWindow(10), aggregate(count()))
    const table = toTable('counts', stream)
    const subscription = local<unknown>(isRead ? table.changes() : stream).subscribe()
    const seen: unknown[] = []
    table.watch('a', windowAt(0)).subscribe((value) => seen.push(value))
    for (const time of [1, 2, 5]) rows.next(record('a', 0, time))
    rows.next(record('b', 0, 6))
    rows.next(record('a', 0, 12))
    expect(seen).toEqual([undefined, 1, 2, 3])
    subscription.unsubscribe()
  })

  test('of a versioned table only what is the present row', () => {
    const { table, put, stop } = running((rows) => {
      const versioned = toTable('t', rows, { history: 50 }) as Table<string, number>
      return { table: versioned, changes: versioned.changes() }
    })
    const { seen } = seenBy(table)
    put('a', 1, 10)
    put('a', 2, 5)
    put('a', 3, 20)
    expect(seen).toEqual([undefined, 1, 3])
    stop()
  })

  test.each<[string, (rows: Rows) => Table<string, number>]>([
    [
      'a filtered table',
      (rows) => (toTable('t', rows) as Table<string, number>).pipe(tableFilter(({ value }) => value > 4)),
    ],
    [
      'a joined table',
      (rows) => {
        const one = toTable('t', rows) as Table<string, number>
        return one.pipe(tableMapValues((v) => (v > 4 ? v : null))).pipe(
          tableTableJoin(toTable('u', NEVER as Observable<StreamRecord<string, number>>), (a) => a as number, {
            kind: 'left',
          }),
        )
      },
    ],
  ])('%s', (_, build) => {
    const { table, put, stop } = running((rows) => {
      const derived = build(rows)
      return { table: derived, changes: derived.changes() }
    })
    put('a', 6)
    const { seen } = seenBy(table)
    put('a', 1)
    put('a', 7)
    expect(seen).toEqual([6, undefined, 7])
    expect([...table.entries()]).toEqual([['a', 7]])
    stop()
  })

  test('in an app: a row that another member has changed is told of when its task comes back', async () => {
    const seen = new Map<string, (number | undefined)[]>()
    const keys = ['a', 'b', 'c', 'd', 'e', 'f']
    const build = (app: App) => {
      const table = app.table<number>('rows', { value: json(), name: 'rows' })
      app.run('rows', table.changes())
      if (seen.size === 0) {
        for (const key of keys) {
          seen.set(key, [])
          table.watch(key).subscribe((value) => seen.get(key)?.push(value))
        }
      }
    }
    const t = await testApp(build, { topics: { rows: 3 } })
    const sendAll = async (value: number) => {
      for (const key of keys) await t.send('rows', { key, value, timestamp: 1 })
      await t.settle()
    }
    await sendAll(1)
    await t.addMember()
    await t.addMember()
    await sendAll(2)
    // Two thirds of the rows, or about that, were not here when they changed.
    expect([...seen.values()].some((values) => !values.includes(2))).toBe(true)
    await t.removeMember()
    await t.removeMember()
    expect([...seen.values()].map((values) => values.at(-1))).toEqual(keys.map(() => 2))
    await t.stop()
  })

  test('in an app: before it starts, over tasks that come and go; it stays when they do', async () => {
    const seen: unknown[] = []
    const tables: Table<string, number>[] = []
    const build = (app: App) => {
      const table = app.table<number>('rows', { value: json(), name: 'rows' })
      app.run('rows', table.changes())
      if (tables.length === 0) {
        table.watch('a').subscribe({ next: (value) => seen.push(value), complete: () => seen.push('|') })
      }
      tables.push(table)
      return table
    }
    const t = await testApp(build, { topics: { rows: 3 } })
    const send = async (key: string, value: number | null) => {
      await t.send('rows', { key, value, timestamp: 1 })
      await t.settle()
    }
    await send('a', 1)
    await send('b', 2)
    await send('a', 3)
    expect(seen).toEqual([undefined, 1, 3])
    // Tasks move to further members and back. Each has the row in one of its members.
    await t.addMember()
    await t.addMember()
    await send('a', 4)
    await t.removeMember()
    await t.removeMember()
    await send('a', 5)
    expect(seen.slice(0, 3)).toEqual([undefined, 1, 3])
    expect(seen.at(-1)).toBe(5)
    expect(seen.slice(3).every((value, i, all) => i === 0 || Number(value) >= Number(all[i - 1]))).toBe(true)
    expect(t.result.get('a')).toBe(5)
    await t.stop()
    expect(seen.at(-1)).toBe(5)
  })
})

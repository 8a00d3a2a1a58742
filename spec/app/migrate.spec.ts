import { describe, expect, test } from '@jest/globals'
import type { Observable } from 'rxjs'
import {
  type App,
  aggregate,
  cogroup,
  collect,
  count,
  foreignKeyJoin,
  json,
  type Key,
  mapValues,
  process,
  record,
  type StreamRecord,
  streamStreamJoin,
  streamTableJoin,
  sum,
  tableFilter,
  tableGroupBy,
  tableMapValues,
  tableTableJoin,
  toTopic,
  tumblingWindow,
  type VersionOptions,
} from 'tidemark'
import { type Versions, versions } from './versions.js'

const TOPICS = { a: 1, b: 1, out: 1 }

const read = <V = number>(app: App, topic: string) => app.stream<V>(topic, { value: json() })

async function feed({ t }: Versions, topic: string, value: unknown, key = 'x', timestamp = 1_000) {
  await t.send(topic, { key, value, timestamp })
  await t.settle()
}

const out = async ({ t }: Versions) => (await t.records('out')).map(({ value }) => value)

describe('an aggregate of a newer version', () => {
  const of = (options: VersionOptions) => (app: App) =>
    app.run('n', read(app, 'a').pipe(aggregate(count(), { name: 'n', ...options }), toTopic('out')))
  const withTotal = (app: App) =>
    app.run(
      'n',
      read(app, 'a').pipe(
        aggregate(
          { n: count(), total: sum((one: StreamRecord<string, number>) => one.value) },
          // What an object of aggregators holds: a list in the order of their names; null where one has had no record.
          { name: 'n', version: 2, migrate: (n: number) => [n, null] },
        ),
        toTopic('out'),
      ),
    )

  test('goes on from the accumulators that migrate makes of the older ones', async () => {
    const v = await versions(of({}), { topics: TOPICS })
    await feed(v, 'a', 5)
    await v.become(withTotal)
    expect((await v.t.app.compare()).states).toEqual([
      {
        state: 'n',
        change: 'kept',
        migratesFrom: 1,
        text: 'it is migrated from version 1 to 2',
        isRefused: false,
      },
    ])
    await feed(v, 'a', 7)
    expect(await out(v)).toEqual([1, { n: 2, total: 7 }])
    await v.t.stop()
  })

  test('migrates once, all keys, with the checkpoint that stores the new version', async () => {
    const seen: [old: unknown, from: number][] = []
    const build = of({
      version: 3,
      migrate: (old, from) => {
        seen.push([old, from])
        return old * 10
      },
    })
    const v = await versions(of({}), { topics: TOPICS })
    await feed(v, 'a', 1, 'x')
    await feed(v, 'a', 1, 'y')
    await feed(v, 'a', 1, 'y')
    await v.t.crash()
    await v.become(build)
    expect(seen.sort()).toEqual([
      [1, 1],
      [2, 1],
    ])
    // Nothing has been handled: the checkpoint was taken for the migration alone.
    expect(await v.t.state('n')).toMatchObject([
      { key: 'x', value: 10 },
      { key: 'y', value: 20 },
    ])
    await v.become(build)
    await feed(v, 'a', 1, 'y')
    expect(seen).toHaveLength(2)
    expect((await out(v)).at(-1)).toBe(21)
    await v.t.stop()
  })

  test('migrates again if it crashes before that checkpoint', async () => {
    const build = of({ version: 2, migrate: (old) => old * 10 })
    const v = await versions(of({}), { topics: TOPICS })
    await feed(v, 'a', 1)
    await v.t.crash()
    const dead = { ...v.t.store, commit: () => Promise.reject(new Error('no power')) }
    const { createApp } = await import('tidemark')
    const app = createApp({ id: 'test', instance: 'dying', broker: v.t.broker, store: dead, commitInterval: 1 })
    build(app)
    await app.start().catch(() => {})
    await app.stop()
    await v.become(build)
    await feed(v, 'a', 1)
    expect((await out(v)).at(-1)).toBe(11)
    await v.t.stop()
  })

  /** A record at which the aggregate has counted already when it goes wrong: its task goes back to the last checkpoint. */
  const orBad = (options: VersionOptions) => (app: App) =>
    app.run(
      'n',
      read(app, 'a').pipe(
        aggregate(
          sum((one: StreamRecord<string, number>) => one.value),
          { name: 'n', ...options },
        ),
        mapValues((total: number) => {
          if (total % 10 === 3) throw new Error('bad')
          return total
        }),
        toTopic('out'),
      ),
    )

  test('is not asked again when a task goes back behind a bad record', async () => {
    const v = await versions(orBad({}), { topics: TOPICS, onError: { process: 'skip' } })
    await feed(v, 'a', 1)
    await v.become(orBad({ version: 2, migrate: (old) => old + 100 }))
    await feed(v, 'a', 1)
    await feed(v, 'a', 1)
    await feed(v, 'a', 2)
    expect(v.t.errors).toMatchObject([{ code: 'OPERATOR_FAILED', place: { offset: 2 } }])
    expect(await out(v)).toEqual([1, 102, 104])
    await v.t.stop()
  })

  test('what begins empty does so once, whatever tasks go back', async () => {
    const v = await versions(orBad({}), { topics: TOPICS, onError: { process: 'skip' } })
    await feed(v, 'a', 1)
    await v.become(orBad({ version: 2 }), { startEmpty: ['n'] })
    await feed(v, 'a', 2)
    await feed(v, 'a', 1)
    await feed(v, 'a', 2)
    expect(v.t.errors).toMatchObject([{ code: 'OPERATOR_FAILED', place: { offset: 2 } }])
    expect(await out(v)).toEqual([1, 2, 4])
    await v.t.stop()
  })

  test('frees the keys of which it makes null', async () => {
    const v = await versions(of({}), { topics: TOPICS })
    await feed(v, 'a', 1, 'x')
    await feed(v, 'a', 1, 'y')
    await feed(v, 'a', 1, 'y')
    await v.become(of({ version: 2, migrate: (old) => (old === 1 ? null : old) }))
    expect(await v.t.state('n')).toMatchObject([{ key: 'y', value: 2 }])
    await feed(v, 'a', 1, 'x')
    expect(await out(v)).toEqual([1, 1, 2, 1])
    await v.t.stop()
  })

  test('in windows migrates those that are open, and those that have closed and can be read', async () => {
    const windowed = (options: VersionOptions) => (app: App) =>
      app.run(
        'n',
        read(app, 'a').pipe(
          tumblingWindow('10s'),
          aggregate(collect(), { name: 'n', emit: 'close', retention: '1m', ...options }),
          toTopic('out'),
        ),
      )
    const v = await versions(windowed({}), { topics: TOPICS })
    await feed(v, 'a', 1)
    await feed(v, 'a', 2, 'x', 10_000)
    await v.become(windowed({ version: 2, migrate: (old: number[]) => [0, ...old] }))
    await feed(v, 'a', 3, 'x', 20_000)
    expect(await out(v)).toEqual([[1], [0, 2]])
    expect((await v.t.state('n.closed')).map(({ value }) => value)).toEqual([
      [0, 1],
      [0, 2],
    ])
    await v.t.stop()
  })

  test('whose migrate throws does not start, and what is stored stays as it was', async () => {
    const v = await versions(of({}), { topics: TOPICS })
    await feed(v, 'a', 1)
    const bad = of({
      version: 2,
      migrate: () => {
        throw new Error('what is this?')
      },
    })
    await expect(v.become(bad)).rejects.toMatchObject({
      code: 'OPERATOR_FAILED',
      reason: expect.stringContaining('migrate threw while task 0_0 was restored: what is this?'),
      place: { operator: 'n' },
    })
    await v.become(of({}))
    await feed(v, 'a', 1)
    expect(await out(v)).toEqual([1, 2])
    await v.t.stop()
  })

  test('refuses to be followed by an older one', async () => {
    const v = await versions(of({ version: 2 }), { topics: TOPICS })
    await feed(v, 'a', 1)
    await expect(v.become(of({}))).rejects.toMatchObject({
      code: 'PLAN_MISMATCH',
      reason: expect.stringContaining('it is stored in version 2, and this operator knows version 1'),
    })
  })

  test('has a version that is a whole number', async () => {
    expect(() => aggregate(count(), { version: 1.5 })).not.toThrow()
    await expect(versions(of({ version: 1.5 }), { topics: TOPICS })).rejects.toMatchObject({
      code: 'BAD_OPTION',
      reason: expect.stringContaining('aggregate: version'),
    })
  })
})

test('process migrates each of its states by its name, and leaves its timers alone', async () => {
  const parts: (string | undefined)[] = []
  const of = (options: VersionOptions) => (app: App) =>
    app.run(
      'p',
      read(app, 'a').pipe(
        process<StreamRecord<string, number>, StreamRecord<string, unknown>>(
          ({ value, keyed, timers, emit }) => {
            const last = value<unknown>()
            const all = keyed<Key, unknown>('all')
            return {
              record(one) {
                last.put(one.value)
                all.put('total', one.value)
                timers.at(one.timestamp + 1_000, one.key)
              },
              timer: (timestamp, key) => emit(record(key as string, [last.get(), all.get('total')], timestamp)),
            }
          },
          { name: 'p', ...options },
        ),
        toTopic('out'),
      ),
    )
  const v = await versions(of({}), { topics: TOPICS })
  await feed(v, 'a', 5)
  await v.become(
    of({
      version: 2,
      migrate: (old, _, part) => {
        parts.push(part)
        return part === 'all' ? { all: old } : { last: old }
      },
    }),
  )
  await feed(v, 'a', 6, 'y', 2_000)
  expect(parts.sort()).toEqual(['all', undefined])
  expect(await out(v)).toEqual([[{ last: 5 }, 6]])
  await v.t.stop()
})

test('tables and what is derived from them migrate their rows', async () => {
  const of =
    (history: boolean, options: VersionOptions = {}) =>
    (app: App) => {
      const rows = app.table<number>('b', {
        value: json(),
        name: 'rows',
        ...(history && { history: '1h' }),
        ...options,
      })
      const twice = rows.pipe(tableMapValues((value: number) => value, { name: 'twice', ...options }))
      app.run('twice', twice.changes())
      app.run(
        'joined',
        read(app, 'a').pipe(
          streamTableJoin(rows, (_, row) => row),
          toTopic('out'),
        ),
      )
    }
  for (const history of [false, true]) {
    const v = await versions(of(history), { topics: TOPICS })
    await feed(v, 'b', 5)
    await v.become(of(history, { version: 2, migrate: (old: number) => old * 100 }))
    await feed(v, 'a', 0)
    expect(await out(v)).toEqual([500])
    expect(await v.t.state('twice')).toMatchObject([{ key: 'x', value: 500 }])
    await v.t.stop()
  }
})

test('a join of streams migrates the records that wait, told by their side', async () => {
  const of = (options: VersionOptions) => (app: App) =>
    app.run(
      'j',
      read(app, 'a').pipe(
        streamStreamJoin(read(app, 'b'), (left, right) => [left, right], {
          within: '10s',
          kind: 'outer',
          name: 'j',
          ...options,
        }),
        toTopic('out'),
      ),
    )
  const v = await versions(of({}), { topics: TOPICS })
  await feed(v, 'a', 1)
  await feed(v, 'b', 2, 'y')
  await feed(v, 'a', 9, 'lonely')
  await v.become(of({ version: 2, migrate: (old, _, side) => `${side} ${old}` }))
  await feed(v, 'b', 3)
  await feed(v, 'a', 4, 'y')
  await feed(v, 'a', 5, 'z', 60_000)
  await feed(v, 'b', 5, 'z', 60_000)
  expect(await out(v)).toEqual([
    ['left 1', 3],
    [4, 'right 2'],
    ['left 9', null],
    [5, 5],
  ])
  await v.t.stop()
})

describe('tables that keep results migrate them', () => {
  const table = (app: App, topic: string) => app.table<number>(topic, { value: json(), name: topic })

  test.each<[string, (app: App, options: VersionOptions) => Observable<unknown>]>([
    [
      'tableGroupBy',
      (app, o) =>
        table(app, 'a')
          .pipe(tableGroupBy(({ key }) => key, count(), { name: 's', ...o }))
          .changes(),
    ],
    [
      'tableTableJoin',
      (app, o) =>
        table(app, 'a')
          .pipe(tableTableJoin(table(app, 'b'), (a, b) => a + b, { name: 's', ...o }))
          .changes(),
    ],
    [
      'tableFilter',
      (app, o) =>
        table(app, 'a')
          .pipe(tableFilter(() => true, { name: 's', ...o }))
          .changes(),
    ],
    [
      'foreignKeyJoin',
      (app, o) =>
        table(app, 'a')
          .pipe(
            foreignKeyJoin(
              table(app, 'b'),
              () => 'x',
              (a, b) => a + b,
              { name: 's', ...o },
            ),
          )
          .changes(),
    ],
    [
      'cogroup',
      (app, o) => cogroup({ init: () => 0 }, [[read(app, 'a'), (sum, one) => sum + one.value]], { name: 's', ...o }),
    ],
  ])('%s', async (_, results) => {
    const of = (options: VersionOptions) => (app: App) => app.run('s', results(app, options))
    const v = await versions(of({}), { topics: TOPICS })
    await feed(v, 'b', 1)
    await feed(v, 'a', 4)
    const [before] = await v.t.state('s')
    await v.become(of({ version: 2, migrate: (old: number) => ({ old }) }))
    await v.t.settle()
    expect((await v.t.state('s')).map(({ key, value }) => [key, value])).toEqual([['x', { old: before?.value }]])
    await v.t.stop()
  })
})

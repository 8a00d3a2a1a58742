import { describe, expect, test } from '@jest/globals'
import { merge } from 'rxjs'
import {
  type AggregateOptions,
  type App,
  aggregate,
  collect,
  count,
  json,
  keyBy,
  mapValues,
  matchPattern,
  pattern,
  process,
  rollingAggregate,
  type StreamRecord,
  sum,
  toTable,
  toTopic,
  tumblingWindow,
  type ValueState,
} from 'tidemark'
import { inChangelogs, versions } from './versions.js'

const TOPICS = { a: 2, b: 2, out: 2 }

type Numbers = StreamRecord<string, number>

const read = (app: App, topic: string) => app.stream<number>(topic, { value: json() })

/** Counts a topic's records by key, under a name. */
const counts = (app: App, topic: string, name: string, options: AggregateOptions = {}) =>
  app.run(name, read(app, topic).pipe(aggregate(count(), { name, ...options }), toTopic('out')))

/** Writes one record of each key to a topic, and lets the app handle them. */
async function feed({ t }: Awaited<ReturnType<typeof versions>>, topic: string, ...keys: string[]) {
  for (const key of keys) await t.send(topic, { key, value: 1, timestamp: 1_000 })
  await t.settle()
}

const out = async ({ t }: Awaited<ReturnType<typeof versions>>) =>
  (await t.records('out')).map(({ key, value }) => `${key} ${JSON.stringify(value)}`).sort()

describe('states', () => {
  test('that are in both plans go on, and one that is new begins empty, at the present offsets, once that is allowed', async () => {
    const v = await versions((app) => counts(app, 'a', 'old'), { topics: TOPICS })
    await feed(v, 'a', 'x', 'y')
    const next = (app: App) => {
      const records = read(app, 'a')
      app.run('fresh', records.pipe(aggregate(collect(), { name: 'fresh' }), toTopic('out')))
      app.run('old', records.pipe(aggregate(count(), { name: 'old' }), toTopic('out')))
    }
    await expect(v.become(next)).rejects.toMatchObject({
      code: 'PLAN_MISMATCH',
      reason: expect.stringMatching(/fresh is new: it begins empty.*records of a have been.*startEmpty: \['fresh'\]/),
    })
    await v.become(next, { startEmpty: ['fresh'] })
    await feed(v, 'a', 'x')
    expect(await out(v)).toEqual(['x 1', 'x 2', 'x [1]', 'y 1'])
    expect((await v.t.app.compare()).states).toEqual([
      {
        state: 'fresh',
        change: 'new',
        text: 'it begins empty, though records of a have been handled',
        isRefused: false,
      },
      { state: 'old', change: 'kept', text: '', isRefused: false },
    ])
    // Once it has begun, it is kept like any other, whether or not it is still listed.
    await v.become(next)
    // An unchanged plan is not written again.
    expect(v.t.app.stats().checkpoints).toBe(0)
    await feed(v, 'a', 'x')
    expect(await out(v)).toEqual(['x 1', 'x 2', 'x 3', 'x [1,1]', 'x [1]', 'y 1'])
    await v.t.stop()
  })

  test('over a topic that has not been read begin at its start, without a word', async () => {
    const v = await versions((app) => counts(app, 'a', 'a'), { topics: TOPICS })
    await feed(v, 'a', 'x')
    await feed(v, 'b', 'z')
    await v.become((app) => {
      counts(app, 'b', 'b')
      counts(app, 'a', 'a')
    })
    expect(await out(v)).toEqual(['x 1', 'z 1'])
    expect((await v.t.app.compare()).topics).toEqual([{ topic: 'b', change: 'added', isExchange: false }])
    await v.t.stop()
  })

  test('that no operator has any more stay aside, and come back if nothing has been handled since', async () => {
    const both = (app: App) => {
      counts(app, 'a', 'one')
      app.run('two', read(app, 'a').pipe(aggregate(collect(), { name: 'two' }), toTopic('out')))
    }
    const v = await versions(both, { topics: TOPICS })
    await feed(v, 'a', 'x')
    await v.become((app) => counts(app, 'a', 'one'))
    expect((await v.t.app.compare()).states).toMatchObject([
      { state: 'one', change: 'kept' },
      { state: 'two', change: 'orphaned', isRefused: false },
    ])
    await v.t.settle()
    expect(await v.t.state('two')).toMatchObject([{ key: 'x', value: [1] }])
    await v.become(both)
    await feed(v, 'a', 'x')
    expect(await out(v)).toEqual(['x 1', 'x 2', 'x [1,1]', 'x [1]'])

    await v.become((app) => counts(app, 'a', 'one'))
    await feed(v, 'a', 'x')
    // However often it is started without it meanwhile.
    await v.become((app) => counts(app, 'a', 'one'))
    await expect(v.become(both)).rejects.toMatchObject({
      code: 'PLAN_MISMATCH',
      reason: expect.stringContaining('two is incompatible: it was left out of the plan while records were handled'),
    })
    await v.become(both, { startEmpty: ['two'] })
    await feed(v, 'a', 'x')
    expect(await out(v)).toEqual(['x 1', 'x 2', 'x 3', 'x 4', 'x [1,1]', 'x [1]', 'x [1]'])
    await v.t.stop()
  })

  test('that no operator has are dropped when that is asked for, also where no task reads their topics', async () => {
    const v = await versions(
      (app) => {
        counts(app, 'a', 'a')
        counts(app, 'a', 'gone')
        counts(app, 'b', 'b')
      },
      { topics: TOPICS },
    )
    await feed(v, 'a', 'x')
    await feed(v, 'b', 'z')
    const less = (app: App) => counts(app, 'a', 'a')
    await v.become(less)
    expect(`${await v.t.app.compare()}`).toBe(
      [
        'app test: beside what is stored',
        '  kept          a',
        '  orphaned      b: it is kept aside',
        '  orphaned      gone: it is kept aside',
        '  removed       topic b',
      ].join('\n'),
    )
    await v.become(less, { drop: ['b', 'gone'] })
    await v.t.settle()
    expect(await v.t.state('gone')).toEqual([])
    expect(await v.t.state('b')).toEqual([])
    expect(await v.t.state('a')).toMatchObject([{ key: 'x', value: 1 }])
    await v.become(less)
    expect((await v.t.app.compare()).states).toMatchObject([{ state: 'a', change: 'kept' }])
    await v.t.stop()
  })

  test('that are to be dropped must have no operator', async () => {
    const v = await versions((app) => counts(app, 'a', 'a'), { topics: TOPICS })
    await feed(v, 'a', 'x')
    await expect(v.become((app) => counts(app, 'a', 'a'), { drop: ['a'] })).rejects.toMatchObject({
      code: 'BAD_OPTION',
      reason: expect.stringContaining('an operator has the state a'),
    })
  })

  test('of a pipeline that was left out go on where they were, as do its offsets', async () => {
    const both = (app: App) => {
      counts(app, 'a', 'a')
      counts(app, 'b', 'b')
    }
    const v = await versions(both, { topics: TOPICS })
    await feed(v, 'b', 'z')
    await v.become((app) => counts(app, 'a', 'a'))
    await feed(v, 'b', 'z')
    await v.become(both)
    expect(await out(v)).toEqual(['z 1', 'z 2'])
    await v.t.stop()
  })
})

describe('a stored state is incompatible', () => {
  const first = (app: App) => counts(app, 'a', 's')
  const cases: [what: string, next: (app: App) => void, why: RegExp][] = [
    [
      'with another kind of operator',
      (app) =>
        app.run('s', read(app, 'a').pipe(process<Numbers, Numbers>(({ value }) => counting(value()), { name: 's' }))),
      /its operator is process, it was aggregate/,
    ],
    [
      'with a window where there was none',
      (app) => app.run('s', read(app, 'a').pipe(tumblingWindow('5s'), aggregate(count(), { name: 's' }))),
      /its window is tumblingWindow 5000 ms, it was none/,
    ],
    [
      'with another aggregator',
      (app) =>
        app.run(
          's',
          read(app, 'a').pipe(
            aggregate(
              sum((one) => one.value),
              { name: 's' },
            ),
          ),
        ),
      /it holds sum, it was count/,
    ],
    [
      'with an aggregator more',
      (app) => app.run('s', read(app, 'a').pipe(aggregate({ n: count(), all: collect() }, { name: 's' }))),
      /it holds n: count, all: collect, it was count/,
    ],
    [
      'with a newer version and no migrate',
      (app) => counts(app, 'a', 's', { version: 2 }),
      /stored in version 1, and this operator has version 2 without migrate/,
    ],
    ['when other topics feed it', (app) => counts(app, 'b', 's'), /it is fed by b, it was by a/],
    [
      'behind an exchange',
      (app) =>
        app.run(
          's',
          read(app, 'a').pipe(
            keyBy((one) => `${one.value}`),
            aggregate(count(), { name: 's' }),
          ),
        ),
      /it is fed by test-s-repartition, it was by a/,
    ],
    [
      'with another key serde',
      (app) => {
        const records = app.stream<number, string>('a', { key: json(), value: json() })
        app.run('s', records.pipe(aggregate(count(), { name: 's' })))
      },
      /keys of a are read as json, they were as string/,
    ],
  ]

  const counting = (n: ValueState<number>) => ({ record: () => n.put((n.get() ?? 0) + 1) })

  test.each(cases)('%s', async (_, next, why) => {
    const v = await versions(first, { topics: TOPICS })
    await feed(v, 'a', 'x')
    await expect(v.become(next)).rejects.toMatchObject({ code: 'PLAN_MISMATCH', reason: expect.stringMatching(why) })
    // Nothing has been changed by the attempt.
    await v.become(first)
    await feed(v, 'a', 'x')
    expect(await out(v)).toEqual(['x 1', 'x 2'])
    await v.t.stop()
  })

  test('with a window of another size, and begins empty if that is allowed: what was stored is dropped', async () => {
    const windowed = (size: '1s' | '2s') => (app: App) =>
      app.run(
        's',
        read(app, 'a').pipe(tumblingWindow(size), aggregate(count(), { name: 's', emit: 'close' }), toTopic('out')),
      )
    const v = await versions(windowed('1s'), { topics: TOPICS })
    await v.t.send('a', { key: 'x', value: 1, timestamp: 1_500 })
    await v.t.settle()
    await expect(v.become(windowed('2s'))).rejects.toMatchObject({
      reason: expect.stringContaining('its window is tumblingWindow 2000 ms, it was tumblingWindow 1000 ms'),
    })
    await v.become(windowed('2s'), { startEmpty: ['s'] })
    await v.t.settle()
    expect(await v.t.state('s')).toEqual([])
    await v.t.send('a', [
      { key: 'x', value: 1, timestamp: 1_600 },
      { key: 'x', value: 1, timestamp: 2_000 },
    ])
    await v.t.settle()
    expect(await out(v)).toEqual(['x 1'])
    await v.t.stop()
  })

  test('when a topic that feeds it has other partitions', async () => {
    const v = await versions(first, { topics: TOPICS })
    await feed(v, 'a', 'x')
    await v.t.crash()
    await v.t.broker.deleteTopics(['a'])
    await v.t.broker.createTopics([{ topic: 'a', partitions: 3 }])
    await expect(v.t.restart()).rejects.toMatchObject({
      reason: expect.stringContaining('a has 3 partitions, it had 2, so keys lie elsewhere'),
    })
  })
})

test.each<[string, (app: App) => void, (app: App) => void, RegExp]>([
  [
    'a rolling aggregate with another size',
    (app) => app.run('s', read(app, 'a').pipe(rollingAggregate('5s', count(), { name: 's' }))),
    (app) => app.run('s', read(app, 'a').pipe(rollingAggregate('6s', count(), { name: 's' }))),
    /it holds 6000 ms of count, it was 5000 ms of count/,
  ],
  [
    'a pattern with another step',
    (app) => app.run('s', read(app, 'a').pipe(matchPattern(twice('second'), { name: 's' }))),
    (app) => app.run('s', read(app, 'a').pipe(matchPattern(twice('other'), { name: 's' }))),
    /it holds first 1-1, other 1-1, it was first 1-1, second 1-1/,
  ],
])('%s is incompatible', async (_, before, after, why) => {
  const v = await versions(before, { topics: TOPICS })
  await feed(v, 'a', 'x')
  await expect(v.become(after)).rejects.toMatchObject({ code: 'PLAN_MISMATCH', reason: expect.stringMatching(why) })
  await v.become(before)
  await v.t.stop()
})

const twice = (name: string) =>
  pattern('first', (_: Numbers) => true)
    .followedBy(name, () => true)
    .within('5s')

test('names of states, operators and topics may be those of what every object has', async () => {
  const topics = Object.assign(Object.create(null), { constructor: 2, toString: 2, out: 2 })
  const of = (withMore: boolean) => (app: App) => {
    const a = read(app, 'constructor')
    app.run('n', a.pipe(aggregate(count(), { name: '__proto__' }), toTopic('out')))
    if (withMore) {
      app.run('m', merge(a, read(app, 'toString')).pipe(aggregate(count(), { name: 'valueOf' }), toTopic('out')))
    }
  }
  const v = await versions(of(false), { topics })
  await feed(v, 'constructor', 'x')
  await expect(v.become(of(true))).rejects.toMatchObject({ reason: expect.stringContaining('valueOf is new') })
  await v.become(of(true), { startEmpty: ['valueOf'] })
  await feed(v, 'toString', 'x')
  await feed(v, 'constructor', 'x')
  await v.become(of(false))
  await feed(v, 'constructor', 'x')
  await v.t.settle()
  expect(await out(v)).toEqual(['x 1', 'x 1', 'x 2', 'x 2', 'x 3'])
  expect((await v.t.app.compare()).states).toMatchObject([
    { state: '__proto__', change: 'kept' },
    { state: 'valueOf', change: 'orphaned' },
  ])
  await v.t.stop()
})

describe('sub-topologies', () => {
  const together = (app: App) =>
    app.run('n', merge(read(app, 'a'), read(app, 'b')).pipe(aggregate(count(), { name: 'n' }), toTopic('out')))
  const alone = (app: App) => counts(app, 'a', 'n')

  test('that read more topics, or fewer, keep their states, and each topic goes on where it was', async () => {
    const v = await versions(alone, { topics: TOPICS })
    await feed(v, 'a', 'x')
    await feed(v, 'b', 'x')
    await v.become(together)
    expect((await v.t.app.compare()).states).toMatchObject([
      { state: 'n', change: 'kept', text: 'it moves from tasks of a' },
    ])
    await v.t.settle()
    expect(await out(v)).toEqual(['x 1', 'x 2'])
    await v.become(alone)
    await feed(v, 'a', 'x')
    await feed(v, 'b', 'x')
    expect(await out(v)).toEqual(['x 1', 'x 2', 'x 3'])
    await v.become(together)
    expect(await out(v)).toEqual(['x 1', 'x 2', 'x 3', 'x 4'])
    await v.t.stop()
  })

  test('take what was left out along, and drop it when that is asked for', async () => {
    const withMore = (app: App) => {
      alone(app)
      counts(app, 'a', 'more')
    }
    const v = await versions(withMore, { topics: TOPICS })
    await feed(v, 'a', 'x')
    await v.become(alone)
    await v.t.settle()
    await v.become(together)
    await v.t.settle()
    await v.become(together)
    expect((await v.t.app.compare()).states).toMatchObject([{ state: 'more', change: 'orphaned' }, { state: 'n' }])
    expect(await v.t.state('more')).toMatchObject([{ key: 'x', value: 1 }])
    await v.become(alone, { drop: ['more'] })
    await v.t.settle()
    expect(await v.t.state('more')).toEqual([])
    expect((await v.t.store.scopes()).filter((scope) => scope.startsWith('task/')).sort()).toEqual([
      // The key's partition: a task that has handled nothing has no checkpoint.
      'task/test/a/0',
      'task/test/b/0',
    ])
    await v.t.stop()
  })

  test('that are split or joined share out what they had', async () => {
    const split = (app: App) => {
      counts(app, 'a', 'of-a')
      counts(app, 'b', 'of-b')
    }
    const joined = (app: App) => {
      const [a, b] = [read(app, 'a'), read(app, 'b')]
      app.run('a', a.pipe(aggregate(count(), { name: 'of-a' }), toTopic('out')))
      app.run('b', b.pipe(aggregate(count(), { name: 'of-b' }), toTopic('out')))
      app.run('n', merge(a, b).pipe(aggregate(collect(), { name: 'of-both' })))
    }
    const v = await versions(split, { topics: TOPICS })
    await feed(v, 'a', 'x', 'y')
    await feed(v, 'b', 'z', 'y')
    await v.become(joined, { startEmpty: ['of-both'] })
    await feed(v, 'a', 'x')
    await feed(v, 'b', 'z')
    await v.become(split)
    await feed(v, 'a', 'x', 'y')
    await feed(v, 'b', 'z', 'y')
    expect(await out(v)).toEqual(['x 1', 'x 2', 'x 3', 'y 1', 'y 1', 'y 2', 'y 2', 'z 1', 'z 2', 'z 3'])
    expect((await v.t.state('of-both')).length).toBeGreaterThan(0)
    // Each state is in one place only.
    expect((await v.t.state('of-a')).map(({ task, key }) => [task.slice(0, 1), key]).sort()).toEqual([
      ['a', 'x'],
      ['a', 'y'],
    ])
    await v.t.stop()
  })
})

test('several members take over what others had, and move it', async () => {
  const alone = (app: App) => counts(app, 'a', 'n')
  const together = (app: App) =>
    app.run('n', merge(read(app, 'a'), read(app, 'b')).pipe(aggregate(count(), { name: 'n' }), toTopic('out')))
  const v = await versions(alone, { topics: { a: 6, b: 6, out: 2 } })
  await v.t.addMember()
  const keys = Array.from({ length: 20 }, (_, n) => `k${n}`)
  await feed(v, 'a', ...keys)
  await v.become(together)
  await feed(v, 'b', ...keys)
  await v.t.removeMember({ crash: true })
  await feed(v, 'a', ...keys)
  expect(await out(v)).toEqual(keys.flatMap((key) => [1, 2, 3].map((n) => `${key} ${n}`)).sort())
  await v.t.stop()
})

describe('time that has been reached stays reached', () => {
  const marked = (app: App, topic: string) =>
    app.stream<number>(topic, { value: json(), watermark: { maxOutOfOrderness: 0 } })
  const inWindows = { name: 'n', emit: 'close' } as const

  test('where a topic comes in that begins at its start: what has closed does not open again', async () => {
    const of = (both: boolean) => (app: App) => {
      const records = both ? merge(marked(app, 'a'), marked(app, 'b')) : marked(app, 'a')
      app.run('n', records.pipe(tumblingWindow('10s'), aggregate(count(), inWindows), toTopic('out')))
    }
    const v = await versions(of(false), { topics: { a: 1, b: 1, out: 1 } })
    await v.t.send(
      'a',
      [1_000, 25_000].map((timestamp) => ({ key: 'x', value: 1, timestamp })),
    )
    await v.t.send(
      'b',
      [5_000, 26_000].map((timestamp) => ({ key: 'x', value: 1, timestamp })),
    )
    await v.t.settle()
    await v.become(of(true))
    expect(v.t.app.stats().tasks[0]?.dropped).toEqual([{ operator: 'n', reason: 'late', count: 1 }])
    for (const topic of ['a', 'b']) await v.t.send(topic, { key: 'x', value: 1, timestamp: 60_000 })
    await v.t.settle()
    expect((await v.t.records('out')).map(({ value, window }) => [window?.start, value])).toEqual([
      [0, 1],
      [20_000, 2],
    ])
    await v.t.stop()
  })

  test('behind an exchange that other tasks write than before', async () => {
    const of = (withC: boolean) => (app: App) => {
      const a = marked(app, 'a')
      const records = a.pipe(keyBy(() => 'x', { name: 'by' }))
      app.run('n', records.pipe(tumblingWindow('10s'), aggregate(count(), inWindows), toTopic('out')))
      if (withC) app.run('c', merge(a, marked(app, 'c')).pipe(aggregate(count(), { name: 'c' })))
    }
    const v = await versions(of(false), { topics: { a: 2, c: 2, out: 1 } })
    for (const partition of [0, 1])
      await v.t.send(
        'a',
        [1_000, 25_000].map((timestamp) => ({ value: 1, timestamp, partition })),
      )
    await v.t.settle()
    await v.become(of(true), { startEmpty: ['c'] })
    await v.t.send('a', { value: 1, timestamp: 5_000, partition: 0 })
    await v.t.settle()
    for (const partition of [0, 1]) await v.t.send('a', { value: 1, timestamp: 60_000, partition })
    await v.t.settle()
    expect((await v.t.records('out')).map(({ value, window }) => [window?.start, value])).toEqual([
      [0, 2],
      [20_000, 2],
    ])
    await v.t.stop()
  })
})

describe('compare', () => {
  test('tells before the start what start would find, and changes nothing', async () => {
    const v = await versions((app) => counts(app, 'a', 'n'), { topics: TOPICS })
    expect(`${await v.t.app.compare()}`).toBe(
      'app test: nothing is stored\n  new           n: it begins at the start of the log',
    )
    await feed(v, 'a', 'x')
    await v.t.crash()
    const { createApp } = await import('tidemark')
    const app = createApp({ id: 'test', instance: 'other', broker: v.t.broker, store: v.t.store })
    counts(app, 'a', 'm')
    const found = await app.compare()
    expect(found.isRefused).toBe(true)
    expect(`${found}`).toBe(
      [
        'app test: beside what is stored',
        '  new           m: it begins empty, though records of a have been handled (refused)',
        '  orphaned      n: it is kept aside',
      ].join('\n'),
    )
    await v.become((next) => counts(next, 'a', 'n'))
    await feed(v, 'a', 'x')
    expect(await out(v)).toEqual(['x 1', 'x 2'])
    await v.t.stop()
  })
})

describe('a table and the aggregate before it', () => {
  test('keep their rows when a plain operator comes between', async () => {
    const rows = (between: boolean) => (app: App) => {
      const totals = read(app, 'a').pipe(
        between ? mapValues((value: number) => value) : mapValues((value: number) => value + 0),
        aggregate(
          sum((one) => one.value),
          { name: 'totals' },
        ),
      )
      app.run('rows', toTable('rows', totals).changes())
    }
    const v = await versions(rows(false), { topics: TOPICS })
    await feed(v, 'a', 'x')
    await v.become(rows(true))
    await feed(v, 'a', 'x')
    expect(await v.t.state('totals')).toMatchObject([{ key: 'x' }])
    expect((await v.t.app.compare()).states).toMatchObject([{ state: 'totals', change: 'kept' }])
    await v.t.stop()
  })
})

test.each([true, false])(
  'a state behind a new exchange would miss what has been read: it must be allowed to (changelogs: %s)',
  async (changelog) => {
    const v = await versions(
      (app) => {
        app.run('kept', app.stream('a', { value: json() }).pipe(aggregate(count(), { name: 'kept' })))
      },
      { topics: TOPICS, ...(changelog && inChangelogs()) },
    )
    await feed(v, 'a', 'x')
    const next = (app: App) => {
      const records = app.stream('a', { value: json() })
      app.run('kept', records.pipe(aggregate(count(), { name: 'kept' })))
      app.run(
        'late',
        records.pipe(
          keyBy(() => 'all'),
          aggregate(count(), { name: 'late' }),
        ),
      )
    }
    const refusal = { code: 'PLAN_MISMATCH', reason: expect.stringContaining("startEmpty: ['late']") }
    await expect(v.become(next)).rejects.toMatchObject(refusal)
    // And again: the attempt has made no exchange that would no longer be new.
    await expect(v.become(next)).rejects.toMatchObject(refusal)
    await v.become(next, { startEmpty: ['late'] })
    await v.t.stop()
  },
)

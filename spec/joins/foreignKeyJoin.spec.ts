import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { filter, map, type Observable, Subject } from 'rxjs'
import {
  type App,
  aggregate,
  bytes,
  collect,
  count,
  createApp,
  embedded,
  foreignKeyJoin,
  json,
  keyBy,
  local,
  memory,
  record,
  type Serde,
  type StreamRecord,
  shared,
  streamTableJoin,
  string,
  type Table,
  tableGroupBy,
  toStream,
  toTable,
  toTopic,
  tumblingWindow,
  withWatermark,
} from 'tidemark'
import { matchers, operatorLaws, runMarbles, type TestApp, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

expect.extend(matchers)

type Kind = 'inner' | 'left'

const values = {
  X: ['gold', 10],
  Y: ['gold', 20],
  Z: ['gold', null],
  W: ['lead', 5],
  a: ['ann', 'gold'],
  b: ['bob', 'lead'],
  c: ['ann', null],
  d: ['ann', 'lead'],
  e: ['ann', ''],
  f: ['Bob', 'gold'],
  g: ['bob', 'gold'],
  h: ['an', 'gold'],
  p: { key: 'ann', value: 'gold 10', previous: null },
  q: { key: 'ann', value: 'gold 20', previous: 'gold 10' },
  r: { key: 'ann', value: null, previous: 'gold 20' },
  s: { key: 'ann', value: null, previous: null },
  m: { key: 'bob', value: 'lead null', previous: null },
  n: { key: 'ann', value: 'gold null', previous: 'gold 20' },
  t: { key: 'ann', value: null, previous: 'gold null' },
  P: { key: 'ann', value: 'gold 10' },
  Q: { key: 'ann', value: 'gold 20' },
  N: { key: 'ann', value: 'gold null' },
  L: { key: 'ann', value: 'lead 5' },
  l: { key: 'ann', value: 'lead null' },
  E: { key: 'ann', value: ' null' },
  D: { key: 'ann', value: null },
  F: { key: 'Bob', value: 'gold 10' },
  G: { key: 'bob', value: 'gold 10' },
  H: { key: 'an', value: 'gold 10' },
} as const

const together = (left: unknown, right: unknown) => `${left} ${right}`
/** An empty value points nowhere. */
const target = (value: string) => (value === '' ? null : value)
const join = (kind: Kind) => (left: Table<string, string>, right: Table<string, number>) =>
  left.pipe(
    foreignKeyJoin<string, string, string, number, string, Kind>(right, target, together, { kind, name: 'joined' }),
  )

const run = (kind: Kind, right: string, left: string, out: string) =>
  runMarbles({
    source: { right, left },
    out,
    values,
    pipeline: ({ right, left }) => join(kind)(toTable('l', left), toTable('r', right)).changes(),
  })

describe('its diagram', () => {
  const right = 'X---------Y---Z------|'
  const left = '--a--b--------------c|'
  test.each([
    ['inner', '--p-------q---r-----s|'],
    ['left', '--p--m----q---n-----t|'],
  ] as const)('%s', async (kind, out) => {
    expectDrawn(
      'joins/foreignKeyJoin.ts',
      'foreignKeyJoin(right, (value) => value, …)     a column is 1 ms',
      `right  ${right}`,
      `left   ${left}`,
      `${kind.padEnd(6)} ${out.replace('t', 's')}`,
    )
    await run(kind, right, left, out)
  })
})

describe('laws', () => {
  /** Right rows have even numbers; left ones point to the key at that place. */
  const both = (kind: Kind) => (source: Observable<StreamRecord<string, number>>) => {
    const all = source.pipe(shared())
    const side = (name: string, rest: number) => toTable(name, all.pipe(filter(({ value }) => value % 2 === rest)))
    const keys = ['a', 'b', null]
    const joined = side('l', 1).pipe(
      foreignKeyJoin<string, number, string, number, string, Kind>(side('r', 0), (value) => keys[value % 3], together, {
        kind,
        name: 'joined',
      }),
    )
    return local(joined.pipe(toStream()))
  }
  const input = [2, 1, 7, 4, 3, 9, 8, 5, 6, 11].map((value, i) => record('ab'[i % 2] as string, value, 20 - i))
  // Records that are handled again all at once overtake answers: what comes of a crash is below, step by step.
  for (const kind of ['inner', 'left'] as const)
    for (const { name, run } of operatorLaws(() => both(kind), input, { isAsync: true }))
      if (!name.includes('crash')) test(`${kind}: ${name}`, run)
})

describe('edges', () => {
  test('a serde that is none is BAD_OPTION, at once', () => {
    const right = createApp({ id: 'plain', broker: embedded(), store: memory() }).table('users', { value: json() })
    const join = (value: unknown) => () =>
      foreignKeyJoin(
        right,
        () => 'a',
        (left) => left,
        { name: 'n', value: value as never },
      )
    expect(join(json)).toThrow(
      'BAD_OPTION: foreignKeyJoin: value must be a serde, such as json(); got a function: call it, as in json()',
    )
    expect(join(json())).not.toThrow()
  })

  test.each([
    { name: 'empty tables', kind: 'inner', right: '|', left: '|', out: '|' },
    { name: 'completes when both have', kind: 'inner', right: 'X--|', left: '-a|', out: '-P-|' },
    { name: "an error of the left's side", kind: 'inner', right: 'X', left: '-a#', out: '-P#' },
    { name: "an error of the right's side", kind: 'inner', right: 'X-#', left: '-a', out: '-P#' },
    { name: 'a left row waits for its right one: inner', kind: 'inner', right: '--X', left: 'a', out: '--P' },
    { name: 'a left row waits for its right one: left', kind: 'left', right: '--X', left: 'a', out: 'N-P' },
    { name: 'the later timestamp, where the left changes', kind: 'inner', right: 'X@9', left: '---a@5', out: '---P@9' },
    { name: 'its own, where the left is later', kind: 'inner', right: 'X@5', left: '---a@9', out: '---P@9' },
    { name: "the right's, where that changes", kind: 'inner', right: '---X@5', left: 'a@9', out: '---P@5' },
    { name: 'one that points elsewhere now: there is a row', kind: 'inner', right: '(XW)', left: '-ad', out: '-PL' },
    { name: 'there is none: inner', kind: 'inner', right: 'X', left: '-ad', out: '-PD' },
    { name: 'there is none, and was none: inner', kind: 'inner', right: '', left: '-ad', out: '--D' },
    { name: 'there is none: left', kind: 'left', right: 'X', left: '-ad', out: '-Pl' },
    {
      name: 'one that no longer points there hears no more of it',
      kind: 'inner',
      right: 'X-----Y',
      left: '-a-d',
      out: '-P-D',
    },
    { name: 'it points nowhere any more: inner', kind: 'inner', right: 'X', left: '-ae', out: '-PD' },
    { name: 'with the later timestamp', kind: 'inner', right: 'X@9', left: '---a@5e@6', out: '---P@9D@9' },
    { name: 'and a deleted one too', kind: 'inner', right: 'X@9', left: '---a@5c@6', out: '---P@9D@9' },
    {
      name: 'its own, where the right row is gone',
      kind: 'inner',
      right: 'X-----Z@9',
      left: '-a@5-------c@6',
      out: '-P@5--D@9--D@6',
    },
    { name: 'it points nowhere any more: left', kind: 'left', right: 'X', left: '-ae', out: '-PE' },
    { name: 'it points nowhere: inner', kind: 'inner', right: 'X', left: '-eec', out: '-' },
    { name: 'it points nowhere: left', kind: 'left', right: 'X', left: '-ec', out: '-ED' },
    { name: 'it points somewhere at last', kind: 'inner', right: 'X', left: '-ea', out: '--P' },
    { name: 'the same again', kind: 'inner', right: 'X', left: '-aa', out: '-PP' },
    { name: 'a left delete, with no right row: inner', kind: 'inner', right: '', left: 'ac', out: '-D' },
    { name: 'a left delete of nothing', kind: 'left', right: 'X', left: 'c', out: '-' },
    { name: 'a right row that nobody points to', kind: 'left', right: 'XYZ', left: 'b', out: 'm' },
    {
      name: 'all that point there, in the order of their bytes',
      kind: 'inner',
      right: '-----X',
      left: 'gfah',
      out: '-----(FHPG)',
    },
  ] as { name: string; kind: Kind; right: string; left: string; out: string }[])(
    '$name',
    async ({ kind, right, left, out }) => run(kind, right, left, out),
  )

  test('late records of versioned tables pass by, and are counted', async () => {
    const t = await testApp(
      (app) => {
        const left = app.table<string>('left', { value: json(), name: 'left', history: 100 })
        const right = app.table<number>('right', { value: json(), name: 'right', history: 100 })
        app.run('out', join('inner')(left, right).pipe(toStream(), toTopic('out')))
      },
      { topics: { left: 1, right: 1, out: 1 } },
    )
    for (const [topic, key, value, timestamp] of [
      ['right', 'gold', 10, 50],
      ['right', 'gold', 7, 40],
      ['left', 'ann', 'gold', 60],
      ['left', 'ann', 'lead', 30],
      ['right', 'gold', 9, 45],
    ] as const) {
      await t.send(topic, { key, value, timestamp })
      await t.settle()
    }
    expect(await t.records('out')).toEqualRecords([{ key: 'ann', value: 'gold 10', timestamp: 60 }])
    expect(dropsOf(t)).toEqual({ 'joined-foreign-keys: out of order': 1, 'joined-subscribers: out of order': 2 })
    await t.stop()
  })

  test('tables that keep nothing of their own accord are asked for their rows, and for what these were', async () => {
    const [right, left, out] = ['X---------Y---Z------|', '--a--b--------------c|', '--p-------q---r-----s|']
    await runMarbles({
      source: { right, left },
      out,
      values,
      pipeline: (s) => join('inner')(toTable(undefined, s.left), toTable(undefined, s.right)).changes(),
    })
  })

  test('null from the joiner deletes', () => {
    const [left, right] = [new Subject<StreamRecord<string, string>>(), new Subject<StreamRecord<string, number>>()]
    const odd = toTable('l', left).pipe(
      foreignKeyJoin(toTable('r', right), target, (_, n) => (n % 2 === 1 ? n : null), { name: 'odd' }),
    )
    const seen: unknown[] = []
    const subscription = local(odd.changes()).subscribe(({ value, previous }) => seen.push([value, previous]))
    left.next(record('ann', 'gold', 1))
    for (const n of [1, 2, 3]) right.next(record('gold', n, n))
    expect(seen).toEqual([
      [1, null],
      [null, 1],
      [3, null],
    ])
    expect([...odd.entries()]).toEqual([['ann', 3]])
    subscription.unsubscribe()
  })
})

/** By operator and reason, over all tasks. */
function dropsOf(t: TestApp<unknown>): { [reason: string]: number } {
  const found: { [reason: string]: number } = {}
  for (const { dropped } of t.app.stats().tasks)
    for (const { operator, reason, count: n } of dropped)
      found[`${operator}: ${reason}`] = (found[`${operator}: ${reason}`] ?? 0) + n
  return found
}

interface Given {
  readonly side: 'left' | 'right'
  readonly key: string
  readonly value: string | null
  readonly time: number
}

const given: fc.Arbitrary<Given[]> = fc.array(
  fc.record({
    side: fc.constantFrom<'left' | 'right'>('left', 'right'),
    key: fc.constantFrom('a', 'B', 'ab', 'é'),
    value: fc.option(fc.constantFrom('a', 'B', 'ab', '', 'a!', 'B!'), { freq: 4 }),
    time: fc.nat(30),
  }),
  { maxLength: 30, size: 'max' },
)

/** `a!` points to `a` too. */
const pointsTo = (value: string | null | undefined) => (value ? value.replace('!', '') : null)

/** What comes out for each record, worked out from what each key was before it: Kafka Streams' rules. */
function stepsOf(records: readonly Given[], kind: Kind) {
  const last = (side: string, key: string, step: number) =>
    records
      .slice(0, step)
      .filter((r) => r.side === side && r.key === key)
      .pop()
  const bytes = (key: string) => Buffer.from(key)
  return records.map(({ side, key, value, time }, step) => {
    const result = (left: string | null, of: string, right: Given | undefined, timestamp: number) => [
      { key: of, value: left === null ? null : `${left} ${right?.value ?? null}`, timestamp },
    ]
    if (side === 'right') {
      return [...new Set(records.filter((r) => r.side === 'left').map((r) => r.key))]
        .sort((a, b) => Buffer.compare(bytes(a), bytes(b)))
        .flatMap((of) => {
          const left = last('left', of, step)?.value ?? null
          if (left === null || pointsTo(left) !== key) return []
          return result(value === null && kind === 'inner' ? null : left, of, records[step], time)
        })
    }
    const before = last('left', key, step)?.value ?? null
    const [from, to] = [pointsTo(before), pointsTo(value)]
    const right = to === null ? undefined : last('right', to, step)
    const hasRow = right !== undefined && right.value !== null
    const later = hasRow ? Math.max(time, right.time) : time
    if (kind === 'left')
      return value === null && before === null ? [] : result(value, key, hasRow ? right : undefined, later)
    if (hasRow) return result(value, key, right, later)
    if (from === null || from === to) return []
    const left = to === null ? last('right', from, step) : undefined
    return result(null, key, undefined, left === undefined || left.value === null ? time : Math.max(time, left.time))
  })
}

describe('against recomputing', () => {
  const kinds = fc.constantFrom<Kind>('inner', 'left')

  test('each step, in order', () => {
    fc.assert(
      fc.property(given, kinds, (records, kind) => {
        const sides = {
          left: new Subject<StreamRecord<string, string | null>>(),
          right: new Subject<StreamRecord<string, string | null>>(),
        }
        const joined = toTable('l', sides.left).pipe(
          foreignKeyJoin<string, string, string, string, string, Kind>(toTable('r', sides.right), pointsTo, together, {
            kind,
            name: 'joined',
          }),
        )
        const steps: object[][] = []
        const subscription = local(joined.changes()).subscribe(({ key, value, timestamp }) =>
          steps.at(-1)?.push({ key, value, timestamp }),
        )
        for (const { side, key, value, time } of records) {
          steps.push([])
          sides[side].next(record(key, value, time))
        }
        expect(steps).toEqual(stepsOf(records, kind))
        subscription.unsubscribe()
      }),
      { seed: 91, numRuns: 1_000 },
    )
  })

  const open = (kind: Kind) =>
    testApp(
      (app) => {
        const left = app.table<string>('left', { value: json() })
        const right = app.table<string>('right', { value: json() })
        const joined = left.pipe(
          foreignKeyJoin<string, string, string, string, string, Kind>(right, pointsTo, together, {
            kind,
            name: 'joined',
          }),
        )
        app.run('out', joined.pipe(toStream(), toTopic('out')))
        return joined
      },
      { topics: { left: 2, right: 3, out: 1 } },
    )

  test('in an app with two and three partitions, and a crash anywhere: each key in order', async () => {
    await fc.assert(
      fc.asyncProperty(given, kinds, fc.nat(30), async (records, kind, crashAt) => {
        const t = await open(kind)
        for (const [i, { side, key, value, time }] of records.entries()) {
          await t.send(side, { key, value, timestamp: time })
          if (i === crashAt) {
            await t.settle({ checkpoint: false })
            await t.crash()
            await t.restart()
          }
          await t.settle()
        }
        const out = await t.records('out')
        const expected = stepsOf(records, kind).flat()
        for (const key of new Set(records.map((r) => r.key)))
          expect(out.filter((r) => r.key === key)).toEqualRecords(expected.filter((r) => r.key === key))
        const dropped = records.filter(({ side, value }) => side === 'left' && value === '').length
        if (crashAt >= records.length)
          expect(dropsOf(t)).toEqual(
            kind === 'left' || dropped === 0 ? {} : { 'joined-foreign-keys: null foreign key': dropped },
          )
        expect(t.errors).toEqual([])
        await t.stop()
      }),
      { seed: 92, numRuns: 40 },
    )
  })

  test('changes of both sides that overtake each other, between members that come and go: the rows are right in the end', async () => {
    await fc.assert(
      fc.asyncProperty(given, kinds, fc.array(fc.nat(9), { maxLength: 4 }), async (records, kind, cuts) => {
        const t = await open(kind)
        for (const [i, { side, key, value, time }] of records.entries()) {
          await t.send(side, { key, value, timestamp: time })
          if (cuts.includes(i % 10)) await t.clock.settle()
          if (i === 8) await t.addMember()
          if (i === 16) await t.removeMember({ crash: true })
        }
        await t.settle()
        const rows = (side: string) => new Map(records.filter((r) => r.side === side).map((r) => [r.key, r.value]))
        const [lefts, rights] = [rows('left'), rows('right')]
        const expected = [...lefts].flatMap(([key, value]) => {
          if (value === null) return []
          const to = pointsTo(value)
          const right = to === null ? null : (rights.get(to) ?? null)
          return right === null && kind === 'inner' ? [] : [[key, `${value} ${right}`]]
        })
        expect((await t.state('joined')).map(({ key, value }) => [key, value]).sort()).toEqual(expected.sort())
        expect(t.errors).toEqual([])
        await t.stop()
      }),
      { seed: 93, numRuns: 40 },
    )
  })
})

describe('in an app', () => {
  const users = (app: App) => app.table<{ team: string }>('users', { value: json() })
  const teams = (app: App) => app.table<string>('teams', { value: json() })

  test('an answer to what the row no longer is, is thrown away', async () => {
    const [subscriptions, answers] = ['test-j-subscriptions-repartition', 'test-j-answers-repartition']
    const raw = { partitions: 1, value: bytes() }
    const t = await testApp(
      (app) => {
        const joined = users(app).pipe(
          foreignKeyJoin(
            teams(app),
            (user) => user.team,
            (user, team) => ({ ...user, team }),
            { name: 'j' },
          ),
        )
        app.run('out', joined.pipe(toStream(), toTopic('out')))
      },
      {
        topics: { users: 1, teams: 1, out: 1, [subscriptions]: raw, [answers]: raw },
        commitInterval: 100,
      },
    )
    const written = async (topic: string) => (await t.records(topic)).filter(({ value }) => value !== null).length
    await t.send('teams', { key: 'x', value: 'X', timestamp: 1 })
    await t.settle()
    await t.send('users', { key: 'ann', value: { team: 'x', n: 1 }, timestamp: 2 })
    // The first question is under way, and its answer not written yet.
    await t.clock.advance(100)
    expect([await written(subscriptions), await written(answers)]).toEqual([1, 0])
    await t.send('users', { key: 'ann', value: { team: 'x', n: 2 }, timestamp: 3 })
    await t.clock.settle()
    for (let n = 0; n < 6; n++) await t.clock.advance(100)
    expect([await written(subscriptions), await written(answers)]).toEqual([2, 2])
    expect(await t.records('out')).toEqualRecords([{ key: 'ann', value: { team: 'X', n: 2 }, timestamp: 3 }])
    await t.stop()
  })

  const open = () => {
    const [subscriptions, answers] = ['test-j-subscriptions-repartition', 'test-j-answers-repartition']
    const raw = { partitions: 1, value: bytes() }
    return testApp(
      (app) => {
        const joined = users(app).pipe(foreignKeyJoin(teams(app), (user) => user.team, together, { name: 'j' }))
        app.run('out', joined.pipe(toStream(), toTopic('out')))
      },
      { topics: { users: 1, teams: 1, out: 1, [subscriptions]: raw, [answers]: raw } },
    )
  }

  test('whoever has left is not told any more', async () => {
    const t = await open()
    const answers = async () =>
      (await t.records('test-j-answers-repartition')).filter(({ value }) => value !== null).map(({ key }) => key)
    const user = async (key: string, value: unknown) => {
      await t.send('users', { key, value, timestamp: 1 })
      await t.settle()
    }
    await t.send('teams', { key: 'x', value: 'X', timestamp: 1 })
    for (const key of ['ann', 'bob', 'cat', 'dan']) await user(key, { team: 'x' })
    await t.send('teams', { key: 'x', value: 'XX', timestamp: 2 })
    await t.settle()
    await user('bob', { team: 'y' })
    await user('cat', null)
    const before = (await answers()).length
    await t.send('teams', { key: 'x', value: 'XXX', timestamp: 3 })
    await t.settle()
    expect((await answers()).slice(before)).toEqual(['ann', 'dan'])
    await t.stop()
  })

  test('a row that came back before its end was known does not end', async () => {
    const t = await open()
    await t.send('teams', { key: 'x', value: 'X', timestamp: 1 })
    await t.send('users', { key: 'ann', value: { team: 'x' }, timestamp: 2 })
    await t.settle()
    await t.send('users', [
      { key: 'ann', value: null, timestamp: 3 },
      { key: 'ann', value: { team: 'x', n: 2 }, timestamp: 4 },
    ])
    await t.settle()
    expect(await t.records('out')).toEqualRecords([
      { value: '[object Object] X', timestamp: 2 },
      { value: '[object Object] X', timestamp: 4 },
    ])
    await t.stop()
  })

  test('explain knows the time of each part', async () => {
    const t = await open()
    await t.send('teams', { key: 'x', value: 'X', timestamp: 7 })
    await t.settle()
    await t.send('users', { key: 'ann', value: { team: 'x' }, timestamp: 5 })
    await t.settle()
    const times = ['j-foreign-keys', 'j-subscribers', 'j'].map((operator) => t.app.explain({ operator }).tasks[0]?.time)
    expect(times).toEqual([5, 7, 7])
    await t.stop()
  })

  test('a watermark declared after it is TWO_WATERMARKS', () => {
    const codes: unknown[] = []
    const [left, right] = [new Subject<StreamRecord<string, string>>(), new Subject<StreamRecord<string, number>>()]
    const stream = join('inner')(toTable('l', left), toTable('r', right)).pipe(toStream())
    local(stream.pipe(withWatermark({ maxOutOfOrderness: 1 }), aggregate(count()))).subscribe({
      error: ({ code }) => codes.push(code),
    })
    expect(codes).toEqual(['TWO_WATERMARKS'])
  })

  test('keys of both tables by their own serdes; right rows by one that is given', async () => {
    const texts: string[] = []
    const shouted: Serde<string> = {
      name: 'shouted',
      serialize: (value) => string().serialize(value.toUpperCase()),
      deserialize: (bytes) => {
        texts.push(string().deserialize(bytes))
        return string().deserialize(bytes).toLowerCase()
      },
    }
    const t = await testApp(
      (app) => {
        const left = app.table<{ team: number }, string>('users', { value: json() })
        const right = app.table<string, number>('teams', { value: json(), key: json<number>() })
        const joined = left.pipe(
          foreignKeyJoin(
            right,
            (user) => user.team,
            (_, team) => team ?? 'none',
            { kind: 'left', name: 'j', value: shouted },
          ),
        )
        app.run('out', joined.pipe(toStream(), toTopic('out')))
      },
      { topics: { users: 4, teams: { partitions: 3, key: json<number>() }, out: 1 } },
    )
    const numbers = [1, 2, 3, 4, 5, 6]
    await t.send(
      'teams',
      numbers.map((key) => ({ key, value: `team:${key}`, timestamp: 1 })),
    )
    await t.settle()
    await t.send(
      'users',
      [...numbers, 7].map((team) => ({ key: `user ${team}`, value: { team }, timestamp: 2 })),
    )
    await t.settle()
    expect(t.errors).toEqual([])
    const counts = await t.broker.topics()
    expect(counts.get('test-j-subscriptions-repartition')).toBe(3)
    expect(counts.get('test-j-answers-repartition')).toBe(4)
    const out = (await t.records('out')).map(({ key, value }) => `${key} ${value}`).sort()
    expect(out).toEqual([...numbers.map((n) => `user ${n} team:${n}`), 'user 7 none'])
    expect(texts.sort()).toEqual(numbers.map((n) => `TEAM:${n}`))
    await t.stop()
  })

  test('a table with itself, over a restart', async () => {
    const t = await testApp(
      (app) => {
        const staff = app.table<{ boss: string | null }>('staff', { value: json(), name: 'staff' })
        const joined = staff.pipe(
          foreignKeyJoin(
            staff,
            ({ boss }) => boss,
            (_, boss) => boss?.boss ?? 'none',
            { kind: 'left', name: 'above' },
          ),
        )
        app.run('out', joined.changes())
        return joined
      },
      { topics: { staff: 2 } },
    )
    const bossOf = async (key: string, boss: string | null) => {
      await t.send('staff', { key, value: { boss }, timestamp: 1 })
      await t.settle()
    }
    await bossOf('ann', 'bob')
    await bossOf('bob', 'cat')
    await t.crash()
    await t.restart()
    await bossOf('eve', 'eve')
    await bossOf('bob', 'dan')
    expect([...t.result.entries()].sort()).toEqual([
      ['ann', 'dan'],
      ['bob', 'none'],
      ['eve', 'eve'],
    ])
    expect(t.errors).toEqual([])
    await t.stop()
  })

  test('over an aggregate behind keyBy; its result grouped, and joined with a stream', async () => {
    const t = await testApp(
      (app) => {
        const clicks = app.stream<{ page: string; user: string }>('clicks', { value: json() })
        const latest = clicks.pipe(
          keyBy(({ value }) => value.user, { name: 'by-user', key: string() }),
          map(({ value, ...rest }) => ({ ...rest, value: value.page })),
        )
        const pages = app.table<string>('pages', { value: json() })
        const titles = toTable('latest', latest).pipe(
          foreignKeyJoin(
            pages,
            (page) => page,
            (_, title) => title,
            { name: 'titles' },
          ),
        )
        const byTitle = titles.pipe(tableGroupBy(({ value }) => value, count(), { name: 'by-title', key: string() }))
        app.run('counts', byTitle.pipe(toStream(), toTopic('counts')))
        app.run(
          'seen',
          latest.pipe(
            streamTableJoin(titles, (page, title) => `${page} ${title}`, { kind: 'left' }),
            toTopic('seen'),
          ),
        )
      },
      { topics: { clicks: 2, pages: 2, counts: 1, seen: 1 } },
    )
    await t.send('pages', [
      { key: 'p', value: 'Home', timestamp: 1 },
      { key: 'q', value: 'Help', timestamp: 1 },
    ])
    await t.settle()
    for (const [user, page] of [
      ['ann', 'p'],
      ['bob', 'p'],
      ['ann', 'q'],
    ]) {
      await t.send('clicks', { key: null, value: { user, page }, timestamp: 2 })
      await t.settle()
    }
    expect(t.errors).toEqual([])
    const counts = new Map((await t.records('counts')).map(({ key, value }) => [key, value]))
    expect([...counts].sort()).toEqual([
      ['Help', 1],
      ['Home', 1],
    ])
    expect((await t.records('seen')).map(({ value }) => value)).toEqual(['p null', 'p null', 'q Home'])
    await t.stop()
  })

  test('of tables that lie behind exchanges, internal topics have as many partitions as these', async () => {
    const t = await testApp(
      (app) => {
        const behind = (topic: string) =>
          toTable(
            topic,
            app
              .stream<string>(topic, { value: json() })
              .pipe(keyBy((r) => r.key, { name: `by-${topic}`, key: string() })),
          )
        const joined = behind('users').pipe(foreignKeyJoin(behind('teams'), target, together, { name: 'j' }))
        app.run('out', joined.pipe(toStream(), toTopic('out')))
      },
      { topics: { users: 4, teams: 3, out: 1 } },
    )
    const counts = await t.broker.topics()
    const internal = ['by-users', 'j-answers', 'by-teams', 'j-subscriptions'].map((n) =>
      counts.get(`test-${n}-repartition`),
    )
    expect(internal).toEqual([4, 4, 3, 3])
    await t.send('teams', { key: 'x', value: 'X', timestamp: 1 })
    await t.send(
      'users',
      ['a', 'b', 'c', 'd'].map((key) => ({ key, value: 'x', timestamp: 2 })),
    )
    await t.settle()
    expect((await t.records('out')).map(({ key, value }) => `${key} ${value}`).sort()).toEqual([
      'a x X',
      'b x X',
      'c x X',
      'd x X',
    ])
    await t.stop()
  })

  test('state is freed as rows are deleted', async () => {
    const t = await testApp(
      (app) => {
        const joined = users(app).pipe(foreignKeyJoin(teams(app), (user) => user.team, together, { name: 'j' }))
        app.run('out', joined.changes())
      },
      { topics: { users: 2, teams: 2 } },
    )
    const keys = ['a', 'b', 'c', 'd']
    await t.send('teams', { key: 'x', value: 'X', timestamp: 1 })
    await t.send(
      'users',
      keys.map((key) => ({ key, value: { team: 'x' }, timestamp: 1 })),
    )
    await t.settle()
    const states = () =>
      Promise.all(['j', 'j-foreign-keys', 'j-subscribers'].map(async (s) => (await t.state(s)).length))
    expect(await states()).toEqual([4, 4, 4])
    await t.send(
      'users',
      keys.map((key) => ({ key, value: null, timestamp: 2 })),
    )
    await t.settle()
    expect(await states()).toEqual([0, 0, 0])
    await t.stop()
  })

  test('with a watermark on the left, no result is late for a window behind it, and each window closes', async () => {
    const t = await testApp(
      (app) => {
        const watermark = { maxOutOfOrderness: 0, idleTimeout: '1s' } as const
        const left = toTable('left', app.stream<string>('left', { value: json(), watermark }))
        const right = app.table<number>('right', { value: json() })
        const windows = join('left')(left, right)
          .pipe(toStream())
          .pipe(tumblingWindow(10), aggregate(collect(), { name: 'w', emit: 'close' }))
        app.run('out', windows.pipe(toTopic('out')))
      },
      { topics: { left: 2, right: 2, out: 1 }, watermarkInterval: 100, commitInterval: 100 },
    )
    for (let i = 0; i < 30; i++) {
      await t.send('left', { key: `k${i % 7}`, value: `gold${i % 5}`, timestamp: i * 5 })
      await t.advance(i % 3 === 0 ? 500 : 0)
    }
    for (let n = 0; n < 20; n++) await t.advance('1s')
    const found = (await t.records('out')).flatMap(({ value }) => value as string[])
    expect(dropsOf(t)).toEqual({})
    expect(found.length).toBe(30)
    await t.stop()
  })

  test.each<[what: string, batch: [topic: string, key: string, value: string | number | null][]]>([
    [
      'changes, and its right row goes',
      [
        ['left', 'ann', 'gold'],
        ['right', 'gold', null],
      ],
    ],
    [
      'changes to another key and again, neither with a row',
      [
        ['left', 'ann', 'lead'],
        ['left', 'ann', 'none'],
      ],
    ],
    [
      'goes and comes back without a right row',
      [
        ['left', 'ann', null],
        ['left', 'ann', 'none'],
      ],
    ],
    [
      'points nowhere, then goes',
      [
        ['left', 'ann', ''],
        ['left', 'ann', null],
      ],
    ],
    [
      'points nowhere, twice',
      [
        ['left', 'ann', ''],
        ['left', 'ann', ''],
      ],
    ],
  ])('the result of a left row ends that in one batch %s', async (_, batch) => {
    const t = await testApp(
      (app) => {
        const left = app.table<string>('left', { value: json() })
        const joined = join('inner')(left, app.table<number>('right', { value: json() }))
        app.run('out', joined.pipe(toStream(), toTopic('out')))
        return joined
      },
      { topics: { left: 1, right: 1, out: 1 } },
    )
    await t.send('right', { key: 'gold', value: 10, timestamp: 1 })
    await t.settle()
    await t.send('left', { key: 'ann', value: 'gold', timestamp: 2 })
    await t.settle()
    expect(t.result.get('ann')).toBe('gold 10')
    for (const [topic, key, value] of batch) await t.send(topic, { key, value, timestamp: 3 })
    await t.settle()
    expect(t.result.get('ann')).toBeUndefined()
    const said = (await t.records('out')).map(({ value, timestamp }) => [value, timestamp])
    expect(said[0]).toEqual(['gold 10', 2])
    expect(said.at(-1)).toEqual([null, 3])
    await t.stop()
  })

  test('two under one name are NAME_TAKEN', async () => {
    const opening = testApp(
      (app) => {
        const [left, right] = [users(app), teams(app)]
        for (const pipeline of ['one', 'two'])
          app.run(pipeline, left.pipe(foreignKeyJoin(right, (user) => user.team, together, { name: 'j' })).changes())
      },
      { topics: { users: 1, teams: 1 } },
    )
    await expect(opening).rejects.toMatchObject({ code: 'NAME_TAKEN' })
  })

  test('the plan shows both ways', async () => {
    const t = await testApp(
      (app) => {
        const joined = users(app).pipe(foreignKeyJoin(teams(app), (user) => user.team, together, { name: 'j' }))
        app.run('out', joined.changes())
      },
      { topics: { users: 1, teams: 1 } },
    )
    const plan = t.app.describe()
    expect(plan).toContain('subscribe test-j-subscriptions-repartition')
    expect(plan).toContain('answer test-j-answers-repartition')
    expect(plan.match(/sub-topology/g)).toHaveLength(2)
    await t.stop()
  })
})

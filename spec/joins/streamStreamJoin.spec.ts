import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { filter, from, NEVER, type Observable, of, Subject, take } from 'rxjs'
import {
  type App,
  aggregate,
  collect,
  count,
  json,
  keyBy,
  local,
  partitionOf,
  record,
  type StreamRecord,
  type StreamStreamJoinOptions,
  shared,
  streamStreamJoin,
  string,
  toTopic,
  tumblingWindow,
  withWatermark,
} from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'
import { idealOf, type Joined, type Ranges, type Sent, stepsOf } from './pairs.js'

expect.extend(matchers)

type Kind = 'inner' | 'left' | 'outer'
type Texts = Observable<StreamRecord<string | null, string | null>>

const together = (left: unknown, right: unknown) => `${left} ${right}`
const join = (right: Texts, options: StreamStreamJoinOptions<Kind>) =>
  streamStreamJoin<StreamRecord<string | null, string | null>, string | null, string | null, string, Kind>(
    right,
    together,
    options,
  )

const values = {
  a: ['ann', 1],
  b: ['bob', 2],
  c: ['ann', 3],
  p: ['ann', 'X'],
  q: ['ann', 'Y'],
  n: ['ann', null],
  k: [null, 'K'],
  x: { key: 'ann', value: '1 X', timestamp: 4 },
  y: { key: 'bob', value: '2 null', timestamp: 7 },
  z: { key: 'ann', value: '3 null', timestamp: 12 },
  w: { key: 'ann', value: 'null Y', timestamp: 18 },
  A: { key: 'ann', value: '1 null' },
  C: { key: 'ann', value: '3 null' },
  P: { key: 'ann', value: 'null X' },
  m: { key: 'ann', value: '1 X' },
  o: { key: 'ann', value: '1 Y' },
  M: { key: 'ann', value: '3 X' },
  L: { key: null, value: 'K null' },
  R: { key: null, value: 'null K' },
} as const

const run = (options: StreamStreamJoinOptions<Kind>, left: string, right: string, out: string) =>
  runMarbles({
    source: { left, right },
    out,
    values,
    pipeline: ({ left, right }) => left.pipe(join(right, options)),
  })

describe('its diagram', () => {
  const left = '-a-----b----c-------|'
  const right = '----p-------------q-|'
  test.each([
    ['inner', '----x---------------|'],
    ['left', '----x-------y-----z-|'],
    ['outer', '----x-------y-----z-(w|)'],
  ] as const)('%s', async (kind, out) => {
    expectDrawn(
      'joins/streamStreamJoin.ts',
      'streamStreamJoin(right, …, { after: 4 })     a column is 1 ms',
      `left    ${left}`,
      `right   ${right}`,
      `${kind.padEnd(7)} ${out}`,
    )
    await run({ after: 4, kind }, left, right, out)
  })
})

/** Two sides of one stream: what `operatorLaws` feeds has one source. */
const halves = (kind: Kind) => (source: Observable<StreamRecord<string, string>>) => {
  const both = source.pipe(shared())
  const side = (name: string) => both.pipe(filter(({ value }) => value.startsWith(name)))
  const ranges = { before: 3, after: 5, grace: 2, name: 'joined', kind } as const
  return local(
    side('l').pipe(
      streamStreamJoin<StreamRecord<string, string>, string, string, string, Kind>(side('r'), together, ranges),
    ),
  )
}

describe('laws', () => {
  const times = [1, 4, 3, 9, 2, 15, 14, 11, 30, 24]
  const input = times.map((time, i) => record(['ann', 'bob'][i % 2] as string, `${'lr'[(i >> 1) % 2]}${i}`, time))
  // An endless source needs one input: below.
  for (const kind of ['inner', 'left', 'outer'] as const)
    for (const law of operatorLaws(() => halves(kind), input, { isAsync: true })) test(`${kind}: ${law.name}`, law.run)

  test('stops an endless synchronous source after take(1)', () => {
    const lefts = from([record('ann', 'l', 50)])
    let sent = 0
    const rights = from(
      (function* () {
        for (; sent < 1_000; sent++) yield record('ann', 'r', sent)
      })(),
    )
    const seen: unknown[] = []
    lefts.pipe(streamStreamJoin(rights, together, { within: 2 }), take(1)).subscribe(({ value }) => seen.push(value))
    expect(seen).toEqual(['l r'])
    expect(sent).toBe(48)
  })
})

describe('edges', () => {
  test.each([
    { name: 'empty sources', options: { within: 5, kind: 'outer' }, left: '|', right: '|', out: '|' },
    { name: 'completes when both have', options: { within: 5 }, left: 'a|', right: '--p--|', out: '--m--|' },
    { name: 'an error of the left', options: { within: 5, kind: 'left' }, left: 'a--#', right: '', out: '---#' },
    { name: 'an error of the right', options: { within: 5 }, left: 'a', right: '--p#', out: '--m#' },
    { name: 'whichever comes first', options: { within: 5 }, left: '---a', right: 'p', out: '---m' },
    { name: 'within: both ends belong to it', options: { within: 2 }, left: '--a', right: 'p---q', out: '--m-o' },
    { name: 'within: neither side beyond', options: { within: 1 }, left: '--a', right: 'p---q', out: '-' },
    { name: 'before: only what is older', options: { before: 2 }, left: '--a', right: 'p---q', out: '--m' },
    { name: 'after: only what is newer', options: { after: 2 }, left: '--a', right: 'p---q', out: '----o' },
    { name: 'at once: only the same time', options: { within: 0 }, left: 'a', right: 'pq', out: 'm' },
    { name: 'at once: not after its time', options: { within: 0 }, left: 'a@5a@4', right: '------p@4', out: '-' },
    {
      name: 'several matches come by timestamp',
      options: { within: 9 },
      left: '-----a',
      right: 'q@3p@1',
      out: '-----(mo)',
    },
    { name: 'the later timestamp', options: { within: 9 }, left: 'a@7', right: '---p@5', out: '---m@7' },
    { name: 'null values are dropped', options: { within: 5, kind: 'outer' }, left: 'n', right: '-n---|', out: '-' },
    { name: 'null keys, inner', options: { within: 5 }, left: 'k', right: 'k', out: '-' },
    { name: 'null keys, left', options: { within: 5, kind: 'left' }, left: 'k', right: '-k', out: 'L' },
    { name: 'null keys, outer', options: { within: 5, kind: 'outer' }, left: 'k', right: '-k', out: 'LR' },
    {
      name: 'what waits comes out at its last match + grace + 1',
      options: { after: 2, grace: 3, kind: 'left' },
      left: 'a----ccc|',
      right: '        |',
      out: '  ------A-(CCC|)',
    },
    {
      name: 'a late record that can meet nothing comes out at once, without grace',
      options: { after: 2, grace: 90, kind: 'left' },
      left: '-----c@9-a@6a@7',
      right: '',
      out: '  ---------A',
    },
    {
      name: 'a match stops its twins from coming out alone',
      options: { after: 9, kind: 'left' },
      left: 'a@5a@5|',
      right: '------p@8--|',
      out: '  ------(mm)-|',
    },
    {
      name: 'a record that is left out moves time, but what is due by it waits for the next',
      options: { within: 2, kind: 'outer' },
      left: 'a',
      right: '--------n-----p@5--q@8',
      out: '  --------------P@5--A',
    },
    {
      name: 'a late record joins as long as its match is kept: until its side goes on by before + after + grace',
      options: { within: 2, grace: 1 },
      left: 'a---c@4---c@5-',
      right: '-------p@1---p@1',
      out: '-------m@1',
    },
  ] as { name: string; options: StreamStreamJoinOptions<Kind>; left: string; right: string; out: string }[])(
    '$name',
    async ({ options, left, right, out }) => run(options, left, right, out),
  )

  test('a stream with itself: as the left record first, then as the right one, which meets itself', async () => {
    await runMarbles({
      source: 'a-b----|',
      out: '   x-(yzv)|',
      values: {
        a: ['k', 1],
        b: ['k', 2],
        x: ['k', '1 1'],
        y: ['k', '2 1'],
        z: ['k', '1 2'],
        v: ['k', '2 2'],
      },
      pipeline: (s) => {
        const stream = s.pipe(shared())
        return stream.pipe(streamStreamJoin(stream, together, { within: 2 }))
      },
    })
  })

  test('what has come out keeps the record behind it; alone and late it has none', async () => {
    const headers = [['trace', new Uint8Array([7])]] as const
    const [left, right] = [new Subject<StreamRecord<string, number>>(), new Subject<StreamRecord<string, number>>()]
    const seen: object[] = []
    left
      .pipe(streamStreamJoin(right, together, { within: 2, kind: 'outer' }))
      .subscribe(({ headers, topic, partition, offset }) => seen.push({ headers, topic, partition, offset }))
    left.next(record('k', 1, 1, { topic: 'l', partition: 3, offset: 5 }))
    right.next(record('k', 2, 2, { topic: 'r', partition: 3, offset: 9, headers }))
    right.next(record('k', 3, 50, { topic: 'r', partition: 3, offset: 10, headers }))
    left.next(record('k', 4, 90, { topic: 'l', partition: 3, offset: 6 }))
    expect(seen).toEqual([
      { headers, topic: 'r', partition: 3, offset: 9 },
      { headers: [], topic: '', partition: 0, offset: 0 },
    ])
  })

  test.each([
    [{}, 'BAD_OPTION', 'none'],
    [{ within: 5, before: 1 }, 'BAD_OPTION', 'within and another'],
    [{ within: -1 }, 'BAD_DURATION', 'streamStreamJoin: within must be at least 0 ms'],
    [{ before: 0.5 }, 'BAD_DURATION', 'streamStreamJoin: before'],
    [{ after: 1, grace: Number.NaN }, 'BAD_DURATION', 'streamStreamJoin: grace'],
  ] as const)('%j is %s', (options, code, message) => {
    let error: unknown
    try {
      streamStreamJoin(NEVER as Texts, together, options)
    } catch (thrown) {
      error = thrown
    }
    expect(error).toMatchObject({ code, message: expect.stringContaining(message) })
  })

  test.each([
    ['left', [of(record('a', 'x', 1)).pipe(tumblingWindow(5)), of(record('a', 'y', 1))]],
    ['right', [of(record('a', 'x', 1)), of(record('a', 'y', 1)).pipe(tumblingWindow(5))]],
  ] as const)('a declared window on the %s is LOST_WINDOW', (_, [left, right]) => {
    const codes: unknown[] = []
    local((left as Texts).pipe(join(right as Texts, { within: 1 }))).subscribe({
      error: ({ code }) => codes.push(code),
    })
    expect(codes).toEqual(['LOST_WINDOW'])
  })

  test('a watermark on one side only is WATERMARK_MISSING', () => {
    const codes: unknown[] = []
    const left = of(record('a', 'x', 1)).pipe(withWatermark({ maxOutOfOrderness: 1 }))
    local((left as Texts).pipe(join(of(record('a', 'y', 1)), { within: 1 }))).subscribe({
      error: ({ code }) => codes.push(code),
    })
    expect(codes).toEqual(['WATERMARK_MISSING'])
  })
})

const ranges = fc.record({
  before: fc.nat(6),
  after: fc.nat(6),
  grace: fc.nat(6),
  kind: fc.constantFrom<Kind>('inner', 'left', 'outer'),
})
const sent = fc
  .array(
    fc.record({
      side: fc.constantFrom<'left' | 'right'>('left', 'right'),
      key: fc.option(fc.constantFrom('a', 'b', 'B'), { freq: 9 }),
      isNull: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
      time: fc.nat(40),
      drift: fc.nat(30),
    }),
    { maxLength: 30, size: 'max' },
  )
  // Time goes on, more or less.
  .map((list) =>
    list.map(
      ({ side, key, isNull, time, drift }, i): Sent => ({
        side,
        key,
        value: isNull ? null : `${side[0]}${i}`,
        time: Math.max(0, drift === 0 ? time : i * 2 + (time % 12)),
      }),
    ),
  )

/** What comes out of the operator for each record, and in the end. */
function stepsOfOurs(records: readonly Sent[], options: Ranges): Joined[][] {
  const sides = {
    left: new Subject<StreamRecord<string | null, string | null>>(),
    right: new Subject<StreamRecord<string | null, string | null>>(),
  }
  const steps: Joined[][] = []
  const step = (act: () => void) => {
    steps.push([])
    act()
  }
  const subscription = sides.left
    .pipe(join(sides.right, options))
    .subscribe(({ key, value, timestamp }) => steps.at(-1)?.push({ key, value, timestamp }))
  for (const { side, key, value, time } of records) step(() => sides[side].next(record(key, value, time)))
  step(() => {
    sides.left.complete()
    sides.right.complete()
  })
  subscription.unsubscribe()
  return steps
}

test('against nested loops: each step, in order', () => {
  fc.assert(
    fc.property(sent, ranges, (records, options) => {
      expect(stepsOfOurs(records, options)).toEqual(stepsOf(records, options))
    }),
    { seed: 61, numRuns: 1_500 },
  )
})

describe('in an app', () => {
  const app = (options: StreamStreamJoinOptions<Kind>) => (given: App) => {
    const [left, right] = [
      given.stream<string>('left', { value: json() }),
      given.stream<string>('right', { value: json() }),
    ]
    given.run('out', left.pipe(join(right as Texts, { ...options, name: 'j' }), toTopic('out')))
  }
  const topics = { left: 2, right: 2, out: 2 }
  const partition = (key: string | null) => (key === null ? 0 : partitionOf(new TextEncoder().encode(key), 2))

  test('against nested loops, in two partitions with crashes', async () => {
    await fc.assert(
      fc.asyncProperty(sent, ranges, fc.nat(30), async (records, options, crashAt) => {
        const t = await testApp(app(options), { topics })
        for (const [i, { side, key, value, time }] of records.entries()) {
          await t.send(side, { key, value, timestamp: time })
          await t.settle({ checkpoint: i % 3 === 0 })
          if (i !== crashAt) continue
          await t.crash()
          await t.restart()
        }
        await t.settle()
        const out = await t.records('out')
        for (const own of [0, 1]) {
          const expected = stepsOf(
            records.filter((r) => partition(r.key) === own),
            options,
          ).slice(0, -1)
          expect(out.filter((r) => r.partition === own)).toEqualRecords(expected.flat())
        }
        expect(t.errors).toEqual([])
        await t.stop()
      }),
      { seed: 62, numRuns: 40 },
    )
  })

  test('numbers of partitions that differ are CO_PARTITION', async () => {
    const opening = testApp(app({ within: 1 }), { topics: { ...topics, right: 3 } })
    await expect(opening).rejects.toMatchObject({ code: 'CO_PARTITION' })
  })

  test('drops are counted: null keys and values, and what is too old to be kept, though it joins', async () => {
    const t = await testApp(app({ within: 2 }), { topics: { left: 1, right: 1, out: 1 } })
    await t.send('left', [
      { key: null, value: 'x', timestamp: 1 },
      { key: 'k', value: null, timestamp: 1 },
      { key: 'k', value: 'l', timestamp: 20 },
    ])
    await t.settle()
    await t.send('right', { key: 'k', value: 'r', timestamp: 15 })
    await t.settle()
    await t.send('left', { key: 'k', value: 'late', timestamp: 14 })
    await t.settle()
    expect(await t.records('out')).toEqualRecords([{ value: 'late r', timestamp: 15 }])
    expect(t.app.stats().tasks[0]?.dropped).toEqual([
      { operator: 'j', reason: 'null key', count: 1 },
      { operator: 'j', reason: 'null value', count: 1 },
      { operator: 'j', reason: 'late', count: 1 },
    ])
    await t.stop()
  })

  test('what is too old to be kept stays so after a restart', async () => {
    const t = await testApp(app({ within: 5 }), { topics: { left: 1, right: 1, out: 1 } })
    await t.send('left', { key: 'k', value: 'l', timestamp: 100 })
    await t.settle()
    await t.crash()
    await t.restart()
    for (const side of ['left', 'right']) {
      await t.send(side, { key: 'k', value: side, timestamp: 50 })
      await t.settle()
    }
    expect(await t.records('out')).toEqual([])
    expect(t.app.stats().tasks[0]?.dropped).toEqual([{ operator: 'j', reason: 'late', count: 1 }])
    await t.stop()
  })

  test('explain says which records of a key still wait for a match, and until when', async () => {
    const t = await testApp(app({ before: 5, after: 10, grace: 2, kind: 'outer' }), {
      topics: { left: 1, right: 1, out: 1 },
    })
    await t.send('left', { key: 'k', value: 'l', timestamp: 20 })
    await t.send('right', { key: 'k', value: 'r', timestamp: 14 })
    await t.send('right', { key: 'other', value: 'r', timestamp: 14 })
    await t.settle()
    expect(t.app.explain({ operator: 'j', key: 'k' }).tasks[0]?.waiting).toEqual([
      { what: 'unmatched record', timestamp: 20, until: 33 },
      { what: 'unmatched record', timestamp: 14, until: 22 },
    ])
    await t.stop()
  })

  test('state is freed as each side goes on', async () => {
    const t = await testApp(app({ before: 5, after: 10, grace: 5, kind: 'outer' }), {
      topics: { left: 1, right: 1, out: 1 },
    })
    const sizes: number[] = []
    for (let i = 0; i < 400; i++) {
      await t.send(i % 2 === 0 ? 'left' : 'right', { key: `k${i}`, value: 'v', timestamp: i })
      if (i % 100 !== 99) continue
      await t.settle()
      const states = await Promise.all(['left', 'right', 'left-lonely', 'right-lonely'].map((s) => t.state(`j.${s}`)))
      sizes.push(...states.map(({ length }) => length))
    }
    // Each second record is a side's: 20 ms of it are kept, and what is lonely waits for 15 or 10 ms.
    expect(sizes.slice(0, 4)).toEqual([10, 10, 8, 6])
    expect(sizes.slice(-4)).toEqual(sizes.slice(0, 4))
    await t.stop()
  })
})

describe('with a watermark', () => {
  const bounded = fc
    .array(
      fc.record({
        side: fc.constantFrom<'left' | 'right'>('left', 'right'),
        key: fc.constantFrom('a', 'b'),
        late: fc.nat(8),
      }),
      { maxLength: 40, size: 'max' },
    )
    .map((list) =>
      list.map(
        ({ side, key, late }, i): Sent => ({ side, key, value: `${side[0]}${i}`, time: Math.max(0, i * 2 - late) }),
      ),
    )
  const text = ({ key, value, timestamp }: Joined) => `${key} ${value} @${timestamp}`

  test('that is right about disorder, the result is the join of all records, whatever their order', async () => {
    const watermark = { maxOutOfOrderness: 8 }
    await fc.assert(
      fc.asyncProperty(bounded, ranges, async (records, options) => {
        const t = await testApp(
          (app) => {
            const sides = ['left', 'right'].map((topic) => app.stream<string>(topic, { value: json(), watermark }))
            const [left, right] = sides as [Texts, Texts]
            app.run('out', left.pipe(join(right, { ...options, grace: 0, name: 'j' }), toTopic('out')))
          },
          { topics: { left: 1, right: 1, out: 1 } },
        )
        for (const { side, key, value, time } of records) {
          await t.send(side, { key, value, timestamp: time })
          await t.settle({ checkpoint: false })
        }
        const last = ['left', 'right'].map((side) => t.send(side, { key: null, value: null, timestamp: 1_000 }))
        await Promise.all(last)
        await t.settle()
        expect((await t.records('out')).map((r) => text(r)).sort()).toEqual(idealOf(records, options).map(text).sort())
        for (const state of ['left', 'right']) expect(await t.state(`j.${state}`)).toEqual([])
        await t.stop()
      }),
      { seed: 63, numRuns: 60 },
    )
  })

  test('that is too sharp, grace makes up for it: an inner join misses no pair', async () => {
    await fc.assert(
      fc.asyncProperty(bounded, fc.nat(6), fc.nat(6), async (records, before, after) => {
        const options = { before, after, grace: 5, kind: 'inner' } as const
        const t = await testApp(
          (app) => {
            const sides = ['left', 'right'].map((topic) =>
              app.stream<string>(topic, { value: json(), watermark: { maxOutOfOrderness: 3 } }),
            )
            const [left, right] = sides as [Texts, Texts]
            app.run('out', left.pipe(join(right, { ...options, name: 'j' }), toTopic('out')))
          },
          { topics: { left: 1, right: 1, out: 1 } },
        )
        for (const { side, key, value, time } of records) {
          await t.send(side, { key, value, timestamp: time })
          await t.settle({ checkpoint: false })
        }
        await t.settle()
        expect((await t.records('out')).map((r) => text(r)).sort()).toEqual(idealOf(records, options).map(text).sort())
        await t.stop()
      }),
      { seed: 65, numRuns: 60 },
    )
  })

  test('a record is kept up to its last match and grace, and freed then, though none comes', async () => {
    const t = await testApp(
      (app) => {
        const watermark = { maxOutOfOrderness: 0 }
        const sides = ['left', 'right'].map((topic) => app.stream<string>(topic, { value: json(), watermark }))
        const [left, right] = sides as [Texts, Texts]
        app.run('out', left.pipe(join(right, { before: 3, after: 5, grace: 2, name: 'j' }), toTopic('out')))
      },
      { topics: { left: 1, right: 1, out: 1 } },
    )
    await t.send('left', { key: 'k', value: 'l', timestamp: 10 })
    await t.send('right', { key: 'k', value: 'r', timestamp: 13 })
    const kept = async (time: number) => {
      for (const side of ['left', 'right']) await t.send(side, { key: null, value: null, timestamp: time })
      await t.settle()
      return [(await t.state('j.left')).length, (await t.state('j.right')).length]
    }
    expect([await kept(17), await kept(18), await kept(19)]).toEqual([
      [1, 1],
      [0, 1],
      [0, 0],
    ])
    await t.stop()
  })

  test('one that is late by all of its grace still finds the last that it could meet', async () => {
    await runMarbles({
      source: { left: 'a@10----c@17', right: '------p@17---q@15' },
      out: '            -------------o@15',
      values,
      pipeline: ({ left, right }) => {
        const watermark = withWatermark<StreamRecord<any, any>>({ maxOutOfOrderness: 0 })
        return left.pipe(
          watermark,
          join(right.pipe(watermark), { after: 5, grace: 2 }),
          filter((r) => r.timestamp < 17),
        )
      },
    })
  })

  test.each([
    ['inner', 86],
    ['left', 76],
    ['outer', 66],
  ] as const)('what follows is promised no more than can still come: %s', async (kind, promised) => {
    const watermark = withWatermark<StreamRecord<any, any>>({ maxOutOfOrderness: 0 })
    const pipeline = ({ left, right }: { left: Texts; right: Texts }) =>
      left.pipe(watermark, join(right.pipe(watermark), { before: 20, after: 10, grace: 4, kind }))
    const { watermarks } = await runMarbles({ source: { left: 'a@90', right: 'p@90' }, values, pipeline })
    expect(watermarks).toEqual({ 0: promised })
  })

  test('declared after it, it is TWO_WATERMARKS', () => {
    const codes: unknown[] = []
    const joined = of(record('a', 'x', 1)).pipe(streamStreamJoin(of(record('a', 'y', 1)), together, { within: 1 }))
    local(joined.pipe(withWatermark({ maxOutOfOrderness: 1 }), aggregate(count()))).subscribe({
      error: ({ code }) => codes.push(code),
    })
    expect(codes).toEqual(['TWO_WATERMARKS'])
  })

  test('a window behind it is late for none of its results', async () => {
    const lost: unknown[] = []
    await fc.assert(
      fc.asyncProperty(bounded, ranges, async (records, options) => {
        const t = await testApp(
          (app) => {
            const sides = ['left', 'right'].map((topic) =>
              app.stream<string>(topic, { value: json(), watermark: { maxOutOfOrderness: 8 } }),
            )
            const [left, right] = sides as [Texts, Texts]
            const windows = left.pipe(
              join(right, { ...options, name: 'j' }),
              tumblingWindow(10),
              aggregate(collect(), { name: 'w', emit: 'close' }),
            )
            app.run('out', windows.pipe(toTopic('out')))
          },
          { topics: { left: 1, right: 1, out: 1 } },
        )
        for (const { side, key, value, time } of records) {
          await t.send(side, { key, value, timestamp: time })
          await t.settle({ checkpoint: false })
        }
        for (const side of ['left', 'right']) await t.send(side, { key: null, value: null, timestamp: 1_000 })
        await t.settle()
        lost.push(...(t.app.stats().tasks[0]?.dropped.filter(({ operator }) => operator === 'w') ?? []))
        const found = (await t.records('out')).flatMap(({ key, value }) =>
          (value as string[]).map((v) => `${key} ${v}`),
        )
        expect(found.sort()).toEqual(
          idealOf(records, options)
            .map(({ key, value }) => `${key} ${value}`)
            .sort(),
        )
        await t.stop()
      }),
      { seed: 64, numRuns: 60 },
    )
    expect(lost).toEqual([])
  })
})

test('in stream time behind an exchange, a record of the task that is behind is not late', async () => {
  const t = await testApp(
    (app) => {
      const left = app.stream<string>('left', { value: json() }).pipe(keyBy(() => 'k', { name: 'by', key: string() }))
      const right = app.stream<string>('right', { value: json() })
      app.run('out', left.pipe(join(right as Texts, { within: 10, kind: 'left', name: 'j' }), toTopic('out')))
    },
    { topics: { left: 2, right: 2, out: 1 } },
  )
  for (const [value, partition, timestamp] of [
    ['a', 0, 1],
    ['b', 1, 60_000],
    ['c', 0, 5],
  ] as const) {
    await t.send('left', { key: 'x', value, partition, timestamp })
    await t.settle()
  }
  await t.send('right', { key: 'k', value: 'r', timestamp: 6 })
  await t.settle()
  expect(await t.records('out')).toEqualRecords([{ value: 'a r' }, { value: 'c r' }])
  for (const partition of [0, 1]) {
    expect(await t.records('out')).toHaveLength(2)
    // What is left out tells time all the same.
    await t.send('left', { key: 'x', value: null, partition, timestamp: 60_020 })
    await t.settle()
  }
  expect((await t.records('out')).slice(2)).toEqualRecords([{ value: 'b null', timestamp: 60_000 }])
  await t.stop()
})

test('orders with what was shipped for them within a day', async () => {
  const hour = 3_600_000
  const t = await testApp(
    (app) => {
      const orders = app.stream<{ product: string }>('orders', { value: json() })
      const shipments = app.stream<{ carrier: string }>('shipments', { value: json() })
      const fulfilled = orders.pipe(
        streamStreamJoin(shipments, (order, shipment) => ({ ...order, carrier: shipment?.carrier ?? null }), {
          after: '24h',
          grace: '10m',
          kind: 'left',
          name: 'fulfilled',
        }),
      )
      app.run('fulfilled', fulfilled.pipe(toTopic('fulfilled')))
    },
    { topics: { orders: 1, shipments: 1, fulfilled: 1 } },
  )
  const order = (id: string, at: number) => t.send('orders', { key: id, value: { product: id }, timestamp: at * hour })
  const shipment = (id: string, at: number) =>
    t.send('shipments', { key: id, value: { carrier: 'post' }, timestamp: at * hour })
  for (const [send, id, at] of [
    [order, 'one', 0],
    [order, 'two', 1],
    [shipment, 'one', 23],
    [shipment, 'two', 26],
    [order, 'three', 30],
  ] as const) {
    await send(id, at)
    await t.settle()
  }
  expect(await t.records('fulfilled')).toEqualRecords([
    { key: 'one', value: { product: 'one', carrier: 'post' }, timestamp: 23 * hour },
    { key: 'two', value: { product: 'two', carrier: null }, timestamp: hour },
  ])
  await t.stop()
})

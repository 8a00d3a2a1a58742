import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { from, merge } from 'rxjs'
import {
  type Aggregator,
  aggregate,
  avg,
  type Change,
  collect,
  count,
  json,
  local,
  mapValues,
  record,
  reduce,
  rollingAggregate,
  type StreamRecord,
  sideOutput,
  sum,
  toTable,
  toTopic,
  tumblingWindow,
  withWatermark,
} from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

expect.extend(matchers)

const counts = {
  a: ['ann', 0],
  b: ['bob', 0],
  n: ['ann', null],
  k: [null, 0],
  1: { key: 'ann', value: 1 },
  2: { key: 'ann', value: 2 },
  3: { key: 'ann', value: 3 },
  o: { key: 'bob', value: 1 },
} as const

test('its diagram', async () => {
  const source = '-a--a-------a---------a--|'
  const out = '-1--2-------2---------1--|'
  expectDrawn('windows/rollingAggregate.ts', `in   ${source}`, `out  ${out}`)
  await runMarbles({ source, out, values: counts, pipeline: (s) => s.pipe(rollingAggregate('10ms', count())) })
})

type Numbers = { readonly value: number }

/** Keeps all values, as teeth: in order of arrival, and in their own. */
const { remove: _remove, ...kept } = collect()
const sorted: Aggregator<Numbers, readonly number[], number[]> = {
  init: () => [],
  add: (acc, { value }) => [...acc, value].sort((a, b) => a - b),
  remove(acc, { value }) {
    const at = acc.indexOf(value)
    return [...acc.slice(0, at), ...acc.slice(at + 1)]
  },
  commutes: true,
}
/** Rounds at every step. */
const drifting: Aggregator<Numbers, number, number> = {
  init: () => 0,
  add: (acc, { value }) => acc + value,
  remove: (acc, { value }) => acc - value,
}

describe.each<[name: string, aggregator: Aggregator<any, unknown, any>]>([
  ['one that takes records back', collect()],
  ["one that doesn't", kept],
  ['one that commutes', sorted],
  [
    'one that rounds',
    { ...drifting, add: (acc, { value }) => acc + value / 10, remove: (acc, { value }) => acc - value / 10 },
  ],
])('laws, with %s', (_name, aggregator) => {
  const times = [1, 4, 12, 9, 13, 21, 22, 22, 35, 33]
  const input = times.map((time, i) => record(['ann', 'bob'][i % 2] as string, i, time))
  for (const law of operatorLaws(() => rollingAggregate(10, aggregator), input)) test(law.name, law.run)
})

describe('edges', () => {
  test.each<{ name: string; source: string; out: string; late?: string }>([
    { name: 'an empty source', source: '|', out: '|' },
    { name: 'one record', source: 'a|', out: '1|' },
    { name: 'an error', source: 'a--#', out: '1--#' },
    { name: 'a null key is dropped', source: 'k-a|', out: '--1|' },
    { name: 'a null value is dropped', source: 'n-a|', out: '--1|' },
    { name: 'equal timestamps', source: '(aaa)|', out: '(123)|' },
    { name: 'a record leaves at its timestamp + size', source: 'a@0--a@9-', out: '1----2' },
    { name: 'and not later', source: 'a@0--a@10-', out: '1----1' },
    { name: 'out of order, in the window', source: 'a@9--a@1-', out: '1----2', late: '' },
    { name: 'out of order, before it: late', source: 'a@11--a@1-', out: '1', late: '------a' },
    {
      name: "another key's record moves stream time too",
      source: 'a@0--b@11--a@1-',
      out: '1----o',
      late: '-----------a',
    },
  ])('$name', async ({ source, out, late }) => {
    await runMarbles({
      source,
      out,
      ...(late !== undefined && { late }),
      values: counts,
      pipeline: (s, tools) => s.pipe(rollingAggregate(10, count(), { late: tools.late })),
    })
  })

  const value = (r: Numbers) => r.value
  const product = reduce((a: number, b: number) => a * b)
  test.each<[name: string, aggregator: any, x: unknown, y: unknown, z: unknown]>([
    [
      'several aggregators at once, one that folds the first value included',
      { n: count(), s: sum(value), m: avg(value), p: product },
      { n: 1, s: 2, m: 2, p: 2 },
      { n: 2, s: 6, m: 3, p: 8 },
      { n: 2, s: 8, m: 4, p: 16 },
    ],
    ['one that folds the first value', product, 2, 8, 16],
    ['the same where it takes records back', { add: drifting.add, remove: drifting.remove }, 2, 6, 8],
  ])('%s', async (_name, aggregator, x, y, z) => {
    await runMarbles({
      source: 'a--b-------b|',
      out: '   x--y-------z|',
      values: { a: ['ann', 2], b: ['ann', 4], x: ['ann', x], y: ['ann', y], z: ['ann', z] },
      pipeline: (s) => s.pipe(rollingAggregate(10, aggregator)),
    })
  })

  test('its table shrinks with time, row by row at the time of each, and forgets empty rows', async () => {
    const change = (value: unknown, previous: unknown, timestamp: number) => ({
      key: 'ann',
      value,
      previous,
      timestamp,
      isLatest: true,
    })
    await runMarbles({
      source: 'a--a--------------b----|',
      out: '   p--q--------------(rsu)(v|)',
      values: {
        a: ['ann', 0],
        b: ['bob', 0],
        p: change(1, null, 0),
        q: change(2, 1, 3),
        r: { key: 'bob', value: 1, previous: null, timestamp: 18, isLatest: true },
        s: change(1, 2, 10),
        u: change(null, 1, 13),
        v: { key: 'bob', value: null, previous: 1, timestamp: 28 },
      },
      pipeline: (s) => toTable('t', s.pipe(rollingAggregate(10, count()))).changes(),
    })
  })

  test('takes records back instead of going through the window again, also where they come out of order', () => {
    const calls = (aggregator: Aggregator<Numbers, unknown, any>, times: readonly number[]) => {
      let adds = 0
      const counting: Aggregator<Numbers, unknown, any> = {
        ...aggregator,
        add(acc, one) {
          adds++
          return aggregator.add(acc, one)
        },
      }
      from(times.map((time) => record('ann', time, time)))
        .pipe(rollingAggregate(100, counting))
        .subscribe()
      return adds
    }
    const inOrder = Array.from({ length: 2_000 }, (_, i) => i)
    const outOfOrder = inOrder.map((time) => time ^ 1)
    expect(calls(drifting, inOrder)).toBeLessThan(2 * inOrder.length)
    expect(calls(sorted, outOfOrder)).toBeLessThan(2 * inOrder.length)
    expect(calls(kept, inOrder)).toBeGreaterThan(90 * inOrder.length)
  })

  test('what an aggregator has rounded away comes back once as many records have left as are in the window', () => {
    const results: unknown[] = []
    from([1e16, ...Array<number>(25).fill(1)].map((value, i) => record('ann', value, i)))
      .pipe(rollingAggregate(10, drifting))
      .subscribe((r) => results.push(r.value))
    expect(results.slice(1, 10)).toEqual(Array(9).fill(1e16))
    expect(results[18]).not.toBe(10)
    expect(results.slice(19)).toEqual(Array(7).fill(10))
  })

  test('a sum has nothing to bring back', () => {
    const results: unknown[] = []
    from([1e16, ...Array<number>(12).fill(0.1)].map((value, i) => record('ann', value, i)))
      .pipe(
        rollingAggregate(
          10,
          sum((r) => r.value),
        ),
      )
      .subscribe((r) => results.push(r.value))
    expect(results.slice(10)).toEqual([1, 1, 1])
  })

  test('after a null, which begins anew, what came before it is not taken back', () => {
    const untilZero: Aggregator<Numbers, number, number> = {
      ...drifting,
      add: (acc, { value }) => (value === 0 ? (null as never) : acc + value),
    }
    const results: unknown[] = []
    from([7, 0, 1, 2, 3, 0, 4].map((value, i) => record('ann', value, i * 2)))
      .pipe(rollingAggregate(6, untilZero))
      .subscribe((r) => results.push(r.value))
    expect(results).toEqual([7, null, 1, 3, 6, null, 4])
  })

  test('what follows may still get results as old as the window is long', async () => {
    await runMarbles({
      source: 'a@30-a@50-',
      watermarks: { 0: 20, 5: 40 },
      values: counts,
      pipeline: (s) => s.pipe(withWatermark({ maxOutOfOrderness: 0 }), rollingAggregate(10, count())),
    })
  })

  test('a window of no length is BAD_DURATION, one of a millisecond is the shortest', async () => {
    expect(() => rollingAggregate(0, count())).toThrow(expect.objectContaining({ code: 'BAD_DURATION' }))
    await runMarbles({
      source: 'a@5-a@5-a@6-',
      out: '   1---2---1',
      values: counts,
      pipeline: (s) => s.pipe(rollingAggregate(1, count())),
    })
  })

  test('a watermark declared after it is TWO_WATERMARKS, as it goes by time already', () => {
    const codes: unknown[] = []
    from([record('a', 1, 1)])
      .pipe(rollingAggregate(10, count()), withWatermark({ maxOutOfOrderness: 5 }), aggregate(count()))
      .subscribe({ error: (error) => codes.push(error.code) })
    expect(codes).toEqual(['TWO_WATERMARKS'])
  })

  test('a window before it is refused', () => {
    let error: unknown
    from([record('a', 1, 1)])
      .pipe(tumblingWindow(10), rollingAggregate(10, count()))
      .subscribe({
        error: (e) => {
          error = e
        },
      })
    expect(error).toMatchObject({ code: 'LOST_WINDOW' })
  })
})

describe('in an app', () => {
  const late = sideOutput<StreamRecord<string, number>>('late')
  const run = () =>
    testApp(
      (app) => {
        const source = app.stream<number>('in', { value: json() })
        const rolling = source.pipe(
          rollingAggregate(
            10,
            sum((r) => r.value),
            { name: 'rolling', late },
          ),
        )
        app.run('out', rolling.pipe(toTopic('out')))
        app.run('late', late.pipe(toTopic('late')))
        return toTable('sums', rolling)
      },
      { topics: { in: 1, out: 1, late: 1 } },
    )

  test('its rows can be read, and are the sums of the windows', async () => {
    const t = await run()
    await t.send('in', [
      { key: 'ann', value: 1, timestamp: 1 },
      { key: 'bob', value: 2, timestamp: 2 },
      { key: 'ann', value: 4, timestamp: 5 },
    ])
    await t.settle()
    expect(t.result.get('ann')).toBe(5)
    expect(t.result.get('eve')).toBeUndefined()
    expect([...t.result.entries()]).toEqual([
      ['ann', 5],
      ['bob', 2],
    ])
    await t.stop()
  })

  test('what it drops is counted, and the late ones go to their output', async () => {
    const t = await run()
    await t.send('in', [
      { key: null, value: 1, timestamp: 1 },
      { key: 'ann', value: null, timestamp: 1 },
      { key: 'ann', value: 1, timestamp: 20 },
      { key: 'ann', value: 2, timestamp: 10 },
      { key: 'ann', value: 3, timestamp: 10 },
    ])
    await t.settle()
    const operator = 'rolling'
    expect(t.app.stats().tasks[0]?.dropped).toEqual([
      { operator, reason: 'null key', count: 1 },
      { operator, reason: 'null value', count: 1 },
      { operator, reason: 'late', count: 2 },
    ])
    expect(await t.records('late')).toEqualRecords([{ value: 2 }, { value: 3 }])
    await t.stop()
  })

  test('it keeps a row and a timer for each key with a record in its window, and no more', async () => {
    const t = await run()
    const kept = async () => [
      (await t.state('rolling')).map(({ key }) => key),
      (await t.state('rolling.timers')).map(({ key }) => key),
    ]
    await t.send('in', [
      { key: 'ann', value: 1, timestamp: 1 },
      { key: 'ann', value: 1, timestamp: 8 },
      { key: 'bob', value: 1, timestamp: 9 },
      { key: 'bob', value: 1, timestamp: 4 },
    ])
    await t.settle()
    expect(await kept()).toEqual([
      ['ann', 'bob'],
      [
        [11, 'ann'],
        [14, 'bob'],
      ],
    ])
    await t.send('in', { key: 'eve', value: 1, timestamp: 19 })
    await t.settle()
    expect(await kept()).toEqual([['eve'], [[29, 'eve']]])
    await t.stop()
  })
})

describe('against recomputing', () => {
  type Given = { key: string; time: number }
  const given = fc.array(fc.record({ key: fc.constantFrom('a', 'b'), time: fc.integer({ min: 0, max: 50 }) }), {
    maxLength: 40,
  })
  const sizes = fc.integer({ min: 1, max: 15 })

  function recompute(records: readonly Given[], size: number, bound: number | undefined) {
    const accepted: number[] = []
    const late: number[] = []
    const results: { key: string; value: number[]; timestamp: number }[] = []
    records.forEach(({ key, time }, index) => {
      const own = [...accepted.filter((i) => records[i]?.key === key), index]
      const times = own.map((i) => (records[i] as Given).time)
      const newest = Math.max(...records.slice(0, index + 1).map((other) => other.time))
      const now = Math.max(newest - (bound ?? 0), ...times)
      if (time <= now - size) {
        late.push(index)
        return
      }
      accepted.push(index)
      const inside = own.filter((i) => (records[i] as Given).time > now - size)
      inside.sort((i, j) => (records[i] as Given).time - (records[j] as Given).time || i - j)
      results.push({ key, value: inside, timestamp: Math.max(...times) })
    })
    return { results, late }
  }

  test.each<[bound: number | undefined, name: string, aggregator: Aggregator<Numbers, readonly number[], any>]>([
    [undefined, 'one that takes records back', collect<Numbers>()],
    [4, 'one that takes records back', collect<Numbers>()],
    [4, "one that doesn't", kept as Aggregator<Numbers, readonly number[], any>],
    [4, 'one that commutes', sorted],
  ])('each result and each late record (watermark %s, %s)', (bound, _name, aggregator) => {
    const isSorted = aggregator.commutes === true
    fc.assert(
      fc.property(given, sizes, (records, size) => {
        const lateOutput = sideOutput<StreamRecord<string, number>>('late')
        const source = from(records.map(({ key, time }, index) => record(key, index, time)))
        const timed = bound === undefined ? source : source.pipe(withWatermark({ maxOutOfOrderness: bound }))
        const late: number[] = []
        const results: unknown[] = []
        local(
          merge(
            timed.pipe(rollingAggregate(size, aggregator, { late: lateOutput })),
            lateOutput.pipe(mapValues((value) => ({ late: value }))),
          ),
        ).subscribe((r: any) => (r.value.late === undefined ? results.push(r) : late.push(r.value.late)))
        const expected = recompute(records, size, bound)
        if (isSorted) for (const { value } of expected.results) value.sort((a, b) => a - b)
        expect(late).toEqual(expected.late)
        expect(results).toEqualRecords(expected.results)
      }),
      { seed: 11, numRuns: 300 },
    )
  })

  test.each([undefined, 4])('its changes say what was before, and end with no rows (watermark %s)', (bound) => {
    fc.assert(
      fc.property(given, sizes, (records, size) => {
        const source = from(records.map(({ key, time }, index) => record(key, index, time)))
        const timed = bound === undefined ? source : source.pipe(withWatermark({ maxOutOfOrderness: bound }))
        const rows = new Map<string, readonly number[]>()
        local(toTable('t', timed.pipe(rollingAggregate(size, collect()))).changes()).subscribe(
          ({ key, value, previous, timestamp }: Change<string, readonly number[]>) => {
            expect(previous).toEqual(rows.get(key) ?? null)
            expect(Number.isFinite(timestamp)).toBe(true)
            if (value === null) rows.delete(key)
            else rows.set(key, value)
          },
        )
        expect(rows.size).toBe(0)
      }),
      { seed: 12, numRuns: 200 },
    )
  })
})

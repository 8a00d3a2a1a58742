import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Subject } from 'rxjs'
import {
  aggregate,
  collect,
  count,
  json,
  local,
  record,
  reduce,
  type StreamRecord,
  slidingWindow,
  toTable,
  withWatermark,
} from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'
import { byClose, type Shown, stepwise } from './steps.js'

expect.extend(matchers)

const window = (start: number, end: number) => ({ start, end })

test('its diagram', async () => {
  const source = '------a--a---a----|'
  const out = '------p--(qr)(st)-|'
  expectDrawn('windows/slidingWindow.ts', `in   ${source}`, `out  ${out}`)
  await runMarbles({
    source,
    out,
    values: {
      a: ['ann', 1],
      p: { key: 'ann', value: 1, window: window(0, 7), timestamp: 6, final: false },
      q: { key: 'ann', value: 1, window: window(7, 14), timestamp: 9 },
      r: { key: 'ann', value: 2, window: window(3, 10), timestamp: 9 },
      s: { key: 'ann', value: 2, window: window(7, 14), timestamp: 13 },
      t: { key: 'ann', value: 1, window: window(10, 17), timestamp: 13 },
    },
    pipeline: (s) => s.pipe(slidingWindow('6ms'), aggregate(count())),
  })
})

const lists = (options: { grace?: number; late?: any; emit?: 'update' | 'close'; retention?: number } = {}) => {
  const { emit = 'update', retention, ...rest } = options
  return (source: any) =>
    source.pipe(slidingWindow(10, rest), aggregate(collect(), { emit, ...(retention !== undefined && { retention }) }))
}

describe.each([{ emit: 'update' }, { emit: 'close' }, { emit: 'close', retention: 40 }] as const)(
  'laws, %j',
  (options) => {
    const times = [1, 4, 12, 9, 13, 21, 22, 22, 35, 30, 41]
    const input = times.map((time, i) => record(['ann', 'bob'][i % 2] as string, i, time))
    for (const law of operatorLaws(() => lists({ ...options, grace: 3 }), input)) test(law.name, law.run)
  },
)

describe('edges', () => {
  const result = (start: number, value: readonly string[], timestamp: number) => ({
    key: 'ann',
    value,
    timestamp,
    window: window(start, start + 11),
  })
  const values = {
    a: ['ann', 'a'],
    b: ['ann', 'b'],
    c: ['bob', 'c'],
    n: ['ann', null],
    k: [null, 'k'],
    p: result(0, ['a'], 3),
    q: result(0, ['a'], 10),
    r: result(1, ['a'], 11),
    s: result(4, ['b'], 14),
    m: result(12, ['b'], 22),
    t: result(13, ['b'], 23),
    u: result(11, ['b'], 20),
    v: result(10, ['a', 'b'], 20),
    w: result(20, ['b'], 30),
    x: result(20, ['b', 'a'], 30),
    y: result(23, ['b'], 30),
    z: result(12, ['a'], 22),
    g: { key: 'bob', value: ['c'], window: window(20, 31), timestamp: 30 },
  } as const
  test.each([
    { name: 'an empty source', source: '|', out: '|' },
    { name: 'an error', source: 'a@3-#', out: 'p---#' },
    { name: 'a null key is dropped', source: 'k|', out: '-|' },
    { name: 'a null value is dropped', source: 'n|', out: '-|' },
    { name: 'what is dropped for its value makes no time', source: 'n@90-a@3|', out: '-----p--|' },
    { name: 'before the difference there is one window from 0', source: 'a@3|', out: 'p--|' },
    { name: 'at the difference it is the same', source: 'a@10|', out: 'q---|' },
    { name: 'from then on a record is the last in its own', source: 'a@11|', out: 'r---|' },
    { name: 'a record as far back as the difference is in it', source: 'a@10--b@20|', out: 'q-----(uv)|' },
    { name: 'one that is further back is not', source: 'a@11-b@23-|', out: 'r----t----|' },
    {
      name: 'a window that is both the one after the record before and its own comes out twice',
      source: 'a@3---b@14-|',
      out: '   p-----(ss)-|',
    },
    {
      name: 'or once, if the record before has no other window that is near',
      source: 'a@11-b@22-|',
      out: 'r----m----|',
    },
    {
      name: 'late: all its windows have closed',
      source: 'c@30-----a@19--|',
      out: '   g--------------|',
      late: '  ---------a',
    },
    {
      name: 'late: its own window has closed, and no other has it',
      source: 'c@30-----a@20--|',
      out: '   g--------------|',
      late: '  ---------a',
    },
    {
      name: 'late: its own window has closed, and others take it',
      source: 'b@30-----a@22--|',
      out: '   w--------(xy)--|',
      late: '  ---------a',
    },
    {
      name: 'grace: taken while end + grace > time',
      source: 'c@30-----a@22--|',
      out: '   g--------z-----|',
      late: '',
      grace: 8,
    },
  ])('$name', async ({ source, out, late, grace = 0 }) => {
    await runMarbles({
      source,
      out,
      ...(late !== undefined && { late }),
      values,
      pipeline: (s, tools) => lists({ late: tools.late, grace })(s),
    })
  })

  test('null from the aggregator deletes the window, and a later record makes it anew', () => {
    const concat = reduce((a: string, b: string) => (b === 'x' ? (null as never) : a + b))
    const records = ['a', 'x', 'b'].map((value) => record('ann', value, 5))
    const steps = stepwise(records, (s) => s.pipe(slidingWindow(3), aggregate(concat)))
    expect(steps.map(({ results }) => results.map(({ value, start }) => [value, start]))).toEqual([
      [['a', 2]],
      [[null, 2]],
      [['b', 2]],
      [],
    ])
  })

  test('what it drops is counted: single windows that have closed, or the record, where all have', async () => {
    const t = await testApp(
      (app) =>
        app.run(
          'x',
          app.stream<number>('in', { value: json() }).pipe(slidingWindow(6), aggregate(count(), { name: 'n' })),
        ),
      { topics: { in: 1 } },
    )
    await t.send('in', [
      { key: null, value: 1, timestamp: 1 },
      { key: 'a', value: null, timestamp: 1 },
      { key: 'a', value: 1, timestamp: 10 },
      { key: 'a', value: 1, timestamp: 19 },
      // Too late for its own window [7, 14), not for [13, 20); the next one for all.
      { key: 'a', value: 1, timestamp: 13 },
      { key: 'a', value: 1, timestamp: 12 },
    ])
    await t.settle()
    expect(t.app.stats().tasks[0]?.dropped).toEqual([
      { operator: 'n', reason: 'null key', count: 1 },
      { operator: 'n', reason: 'null value', count: 1 },
      { operator: 'n', reason: 'late', count: 2 },
    ])
    await t.stop()
  })

  test.each([
    ['difference and grace after its end', undefined, 21],
    ['start + retention, if that is longer', 30, 34],
    ['not less, if it is shorter', 10, 21],
  ])('a row can be read until %s', (_, retention, until) => {
    const source = new Subject<StreamRecord<string, number>>()
    const options = retention === undefined ? {} : { retention }
    const table = toTable('t', source.pipe(slidingWindow(6, { grace: 3 }), aggregate(count(), options)))
    const subscription = local(table.changes()).subscribe()
    const at = (time: number) => {
      source.next(record('b', 1, time))
      return table.get('a', { start: 4, end: 11 })
    }
    source.next(record('a', 1, 10))
    expect(at(until - 1)).toBe(1)
    expect(at(until)).toBeUndefined()
    subscription.unsubscribe()
  })

  test('it holds back what follows by its difference and grace', async () => {
    await runMarbles({
      source: 'a@1-a@50',
      watermarks: { 0: -17, 4: 32 },
      values,
      pipeline: (s) => s.pipe(withWatermark({ maxOutOfOrderness: 5 }), lists({ grace: 3 })),
    })
  })

  test.each(['-1', 1.5, -1])('a difference of %s is BAD_DURATION', (difference) => {
    expect(() => slidingWindow(difference as number)).toThrow(expect.objectContaining({ code: 'BAD_DURATION' }))
  })
})

type Given = { readonly key: string; readonly time: number }

/** The starts of a key's windows, by definition. */
function startsOf(times: readonly number[], difference: number): Set<number> {
  const starts = new Set(times.map((time) => Math.max(0, time - difference)))
  for (const time of times)
    if (times.some((other) => other > time && other <= time + 1 + difference)) starts.add(time + 1)
  return starts
}

/** What the window of a key that begins there holds: numbers of records, in the order of arrival. */
function windowFrom(start: number, key: string, records: readonly Given[], difference: number): Shown {
  const value = records.flatMap((other, index) =>
    other.key === key && other.time >= start && other.time <= start + difference ? [index] : [],
  )
  const timestamp = Math.max(...value.map((index) => (records[index] as Given).time))
  return { key, value, timestamp, start, end: start + difference + 1, final: false }
}

/** What the last of these records changes, in the order in which the windows come out. */
function changedBy(records: readonly Given[], difference: number): Shown[] {
  const { key, time } = records[records.length - 1] as Given
  const timesOf = (given: readonly Given[]) => given.filter((other) => other.key === key).map((other) => other.time)
  const earlier = timesOf(records.slice(0, -1))
  const before = startsOf(earlier, difference)
  const after = startsOf(timesOf(records), difference)
  const isNew = (start: number) => after.has(start) && !before.has(start)
  const covering = [...before].filter((start) => start <= time && time <= start + difference).sort((a, b) => a - b)
  const previous = Math.max(...earlier.filter((other) => other < time))
  // Where it is this record's own window too, Kafka Streams makes both if it knows the record before by a window near enough.
  const own = time - difference
  const isKnown = [...before].some((start) => start >= own - difference && start < own)
  const isTwice = previous + 1 === own && time >= difference
  const afterPrevious = isNew(previous + 1) && previous + 1 <= time && (isKnown || !isTwice) ? [previous + 1] : []
  const afterThis = isNew(time + 1) ? [time + 1] : []
  const starts =
    time < difference
      ? [...covering.filter((start) => start > 0), ...afterThis, ...afterPrevious, 0]
      : [...covering.reverse(), ...afterPrevious, ...(isNew(own) ? [own] : []), ...afterThis]
  return starts.map((start) => windowFrom(start, key, records, difference))
}

describe('against the set of windows by definition', () => {
  const given = fc.array(fc.record({ key: fc.constantFrom('a', 'b'), time: fc.nat(70) }), { maxLength: 30 })
  const difference = fc.nat(20)

  test('what each record changes, in order, and where nothing is late', () => {
    fc.assert(
      fc.property(given, difference, (all, difference) => {
        const records = all.map(({ key, time }, index) => record(key, index, time))
        const steps = stepwise(records, (s, late) =>
          s.pipe(slidingWindow(difference, { grace: 100, late }), aggregate(collect())),
        )
        expect(steps.map(({ results }) => results)).toEqual([
          ...all.map((_, index) => changedBy(all.slice(0, index + 1), difference)),
          [],
        ])
        expect(steps.flatMap(({ late }) => late)).toEqual([])
      }),
      { seed: 12, numRuns: 400 },
    )
  })

  test('on close all of them, by start, then key', () => {
    fc.assert(
      fc.property(given, difference, (all, difference) => {
        const records = all.map(({ key, time }, index) => record(key, index, time))
        const steps = stepwise(records, (s) =>
          s.pipe(slidingWindow(difference, { grace: 100 }), aggregate(collect(), { emit: 'close' })),
        )
        const expected = ['a', 'b'].flatMap((key) =>
          [
            ...startsOf(
              all.filter((one) => one.key === key).map((one) => one.time),
              difference,
            ),
          ].map((start) => ({ ...windowFrom(start, key, all, difference), final: true })),
        )
        expect(steps.flatMap(({ results }) => results)).toEqual(expected.sort(byClose))
      }),
      { seed: 13, numRuns: 200 },
    )
  })

  test('in order, with no grace: windows come out once each as time passes their end', () => {
    fc.assert(
      fc.property(given, difference, (all, difference) => {
        const sorted = all.toSorted((a, b) => a.time - b.time)
        const records = sorted.map(({ key, time }, index) => record(key, index, time))
        const steps = stepwise(records, (s) =>
          s.pipe(slidingWindow(difference), aggregate(collect(), { emit: 'close' })),
        )
        const windows = ['a', 'b']
          .flatMap((key) =>
            [
              ...startsOf(
                sorted.filter((one) => one.key === key).map((one) => one.time),
                difference,
              ),
            ].map((start) => ({ ...windowFrom(start, key, sorted, difference), final: true })),
          )
          .sort(byClose)
        const times = [...sorted.map(({ time }) => time), Number.POSITIVE_INFINITY]
        let closed = Number.NEGATIVE_INFINITY
        const expected = times.map((time) => {
          const due = windows.filter(({ end }) => end > closed && end <= time)
          closed = Math.max(closed, time)
          return due
        })
        expect(steps.map(({ results }) => results)).toEqual(expected)
      }),
      { seed: 14, numRuns: 200 },
    )
  })

  test('a record is late by the first window that would take it', () => {
    fc.assert(
      fc.property(given, difference, fc.nat(15), (all, difference, grace) => {
        const records = all.map(({ key, time }, index) => record(key, index, time))
        const steps = stepwise(records, (s, late) =>
          s.pipe(slidingWindow(difference, { grace, late }), aggregate(collect())),
        )
        let now = Number.NEGATIVE_INFINITY
        const expected = all.flatMap(({ time }, index) => {
          now = Math.max(now, time)
          return Math.max(time, difference) + 1 + grace <= now ? [index] : []
        })
        expect(steps.flatMap(({ late }) => late)).toEqual(expected)
        // What comes out is open, and holds nothing from outside.
        now = Number.NEGATIVE_INFINITY
        for (const [index, { results }] of steps.slice(0, -1).entries()) {
          now = Math.max(now, (all[index] as Given).time)
          for (const { key, value, start, end } of results) {
            expect(end + grace).toBeGreaterThan(now)
            const whole = windowFrom(start, key, all.slice(0, index + 1), difference).value as number[]
            expect(whole).toEqual(expect.arrayContaining(value as number[]))
          }
        }
      }),
      { seed: 15, numRuns: 200 },
    )
  })
})

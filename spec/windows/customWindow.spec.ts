import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { from, lastValueFrom, merge, Subject, toArray } from 'rxjs'
import {
  type AggregateOptions,
  aggregate,
  collect,
  count,
  customWindow,
  hoppingWindow,
  json,
  local,
  mapValues,
  record,
  type StreamRecord,
  suppress,
  toTable,
  type WindowAssigner,
} from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'
import { type Shown, stepwise } from './steps.js'

expect.extend(matchers)

/** Windows of 10 ms, the first from 3 on. */
const from3: WindowAssigner = {
  windowsOf(timestamp) {
    const start = Math.floor((timestamp - 3) / 10) * 10 + 3
    return timestamp < 3 ? [] : [{ start, end: start + 10 }]
  },
  maxSize: '10ms',
}

test('its diagram', async () => {
  const source = '-a--a------a------a--|'
  const out = '------------------x--(y|)'
  expectDrawn('windows/customWindow.ts', `in   ${source}`, `out  ${out}`)
  await runMarbles({
    source,
    out,
    values: {
      a: ['ann', 1],
      x: { key: 'ann', value: 2, window: { start: 3, end: 13 }, timestamp: 11, final: true },
      y: { key: 'ann', value: 1, window: { start: 13, end: 23 }, timestamp: 18, final: true },
    },
    pipeline: (s) => s.pipe(customWindow(from3), aggregate(count(), { emit: 'close' })),
  })
})

describe.each<AggregateOptions>([{ emit: 'update' }, { emit: 'close' }, { emit: 'close', retention: 30 }])(
  'laws, %j',
  (options) => {
    const times = [1, 4, 12, 9, 13, 21, 22, 22, 35, 41]
    const input = times.map((time, i) => record(['ann', 'bob'][i % 2] as string, i, time))
    const operator = () => (s: any) => s.pipe(customWindow(from3, { grace: 3 }), aggregate(collect(), options))
    for (const law of operatorLaws(operator, input)) test(law.name, law.run)
  },
)

describe('edges', () => {
  test('drops are counted: records without a window, and windows that take a record no more', async () => {
    const twice: WindowAssigner = { ...from3, windowsOf: (time) => from3.windowsOf(time).flatMap((one) => [one, one]) }
    const t = await testApp(
      (app) => app.run('x', app.stream<number>('in', { value: json() }).pipe(customWindow(twice), aggregate(count()))),
      { topics: { in: 1 } },
    )
    await t.send(
      'in',
      [1, 5, 14, 6]
        .map((timestamp) => ({ key: 'a', value: 1, timestamp }))
        .concat({ key: null as never, value: 1, timestamp: 14 }),
    )
    await t.settle()
    expect(t.app.stats().tasks[0]?.dropped).toEqual([
      { operator: 'aggregate', reason: 'no window', count: 1 },
      { operator: 'aggregate', reason: 'late', count: 2 },
      { operator: 'aggregate', reason: 'null key', count: 1 },
    ])
    await t.stop()
  })

  test('rows can be read until their window ends, and no longer', () => {
    const source = new Subject<StreamRecord<string, number>>()
    const table = toTable('t', source.pipe(customWindow(from3), aggregate(count())))
    const subscription = local(table.changes()).subscribe()
    const at = (time: number) => {
      source.next(record('b', 1, time))
      return table.get('a', { start: 3, end: 13 })
    }
    source.next(record('a', 1, 4))
    expect(at(12)).toBe(1)
    expect(at(13)).toBeUndefined()
    subscription.unsubscribe()
  })

  test('suppress until the close lets them out as they close', () => {
    const source = new Subject<StreamRecord<string, number>>()
    const seen: unknown[] = []
    const finals = toTable('t', source.pipe(customWindow(from3, { grace: 2 }), aggregate(count()))).pipe(
      suppress({ until: 'close' }),
    )
    local(finals.changes()).subscribe(({ value, window }) => seen.push([value, window.start]))
    for (const time of [4, 14]) source.next(record('a', 1, time))
    expect(seen).toEqual([])
    source.next(record('a', 1, 15))
    expect(seen).toEqual([[1, 3]])
  })

  test('calendar months', async () => {
    const months: WindowAssigner = {
      windowsOf(timestamp) {
        const day = new Date(timestamp)
        const startOf = (month: number) => Date.UTC(day.getUTCFullYear(), month)
        return [{ start: startOf(day.getUTCMonth()), end: startOf(day.getUTCMonth() + 1) }]
      },
      maxSize: '31d',
    }
    const days = ['2024-01-31', '2024-02-01', '2024-02-29T23:59:59.999', '2024-03-01', '2024-12-31', '2025-01-01']
    const results = await lastValueFrom(
      from(
        days.map((day) => record('k', day, Date.parse(`${day.padEnd(23, 'T00:00:00.000'.slice(day.length - 23))}Z`))),
      ).pipe(customWindow(months), aggregate(count(), { emit: 'close' }), toArray()),
    )
    expect(results.map(({ window, value }) => [new Date(window.start).toISOString().slice(0, 10), value])).toEqual([
      ['2024-01-01', 1],
      ['2024-02-01', 2],
      ['2024-03-01', 1],
      ['2024-12-01', 1],
      ['2025-01-01', 1],
    ])
  })

  test.each([
    ['ends before the record', { start: 0, end: 5 }],
    ['starts after it', { start: 6, end: 9 }],
    ['is longer than maxSize', { start: 0, end: 11 }],
    ['has no whole bounds', { start: 0.5, end: 9 }],
    ['has none at all', { start: Number.NaN, end: Number.NaN }],
  ])('a window that %s is BAD_OPTION, with the record', (_, window) => {
    const seen: unknown[] = []
    from([record('k', 1, 5, { topic: 't', partition: 2, offset: 3 })])
      .pipe(customWindow({ windowsOf: () => [window], maxSize: 10 }), aggregate(count()))
      .subscribe({ error: (error) => seen.push(error) })
    expect(seen).toMatchObject([{ code: 'BAD_OPTION', place: { topic: 't', partition: 2, offset: 3, key: 'k' } }])
  })

  test('two assigners are two windows, however alike', () => {
    const codesOf = (one: WindowAssigner, other: WindowAssigner) => {
      const codes: unknown[] = []
      const branch = (assigner: WindowAssigner) =>
        from([record('k', 1, 5)]).pipe(
          mapValues((value) => value),
          customWindow(assigner),
        )
      local(merge(branch(one), branch(other)).pipe(aggregate(count()))).subscribe({
        error: (error) => codes.push(error.code),
      })
      return codes
    }
    expect(codesOf(from3, { ...from3 })).toEqual(['LOST_WINDOW'])
    expect(codesOf(from3, from3)).toEqual([])
  })

  test('a maxSize that is no duration is BAD_DURATION', () => {
    expect(() => customWindow({ ...from3, maxSize: 0 })).toThrow(expect.objectContaining({ code: 'BAD_DURATION' }))
    expect(() => customWindow({ ...from3, maxSize: 1 })).not.toThrow()
  })
})

describe('against a loop over all windows', () => {
  const given = fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c'), time: fc.nat(60) }), { maxLength: 30 })

  /** Windows of several sizes, some of which end together. */
  const mixed: WindowAssigner = {
    windowsOf: (timestamp) =>
      [5, 10, 20].map((size) => {
        const start = timestamp - (timestamp % size)
        return { start, end: start + size }
      }),
    maxSize: 20,
  }

  test.each(['update', 'close'] as const)('windows of several sizes, emit %s', (emit) => {
    fc.assert(
      fc.property(given, fc.nat(9), (all, grace) => {
        const records = all.map(({ key, time }, index) => record(key, index, time))
        const held = new Map<string, Shown & { value: number[] }>()
        let now = Number.NEGATIVE_INFINITY
        const closing = (time: number) => {
          const due = [...held.values()]
            .filter(({ end }) => end + grace <= time)
            .sort((a, b) => a.end - b.end || (a.key < b.key ? -1 : a.key > b.key ? 1 : a.start - b.start))
          for (const { key, start, end } of due) held.delete(`${start} ${end} ${key}`)
          return emit === 'close' ? due.map((window) => ({ ...window, final: true })) : []
        }
        const expected = records.map(({ key, value, timestamp }) => {
          now = Math.max(now, timestamp)
          const results: Shown[] = []
          let isLate = false
          for (const size of [5, 10, 20]) {
            const start = Math.floor(timestamp / size) * size
            const end = start + size
            if (end + grace <= now) {
              isLate = true
              continue
            }
            const known = held.get(`${start} ${end} ${key}`)
            const window = {
              key,
              value: [...(known?.value ?? []), value],
              timestamp: Math.max(known?.timestamp ?? 0, timestamp),
              start,
              end,
              final: false,
            }
            held.set(`${start} ${end} ${key}`, window)
            if (emit === 'update') results.push(window)
          }
          return { results: [...results, ...closing(now)], late: isLate ? [value] : [] }
        })
        const steps = stepwise(records, (s, late) =>
          s.pipe(customWindow(mixed, { grace, late }), aggregate(collect(), { emit })),
        )
        expect(steps).toEqual([...expected, { results: closing(Number.POSITIVE_INFINITY), late: [] }])
      }),
      { seed: 20, numRuns: 200 },
    )
  })

  test('hopping windows written by hand are hopping windows', () => {
    const byHand: WindowAssigner = {
      windowsOf(timestamp) {
        const windows = []
        for (let start = 0; start <= timestamp; start += 4)
          if (timestamp < start + 10) windows.push({ start, end: start + 10 })
        return windows
      },
      maxSize: 10,
    }
    fc.assert(
      fc.property(given, fc.nat(9), (all, grace) => {
        const records = all.map(({ key, time }, index) => record(key, index, time))
        const run = (declare: (late: any) => any) =>
          stepwise(records, (s, late) => s.pipe(declare(late), aggregate<StreamRecord<any, any>, any, any>(collect())))
        expect(run((late) => customWindow(byHand, { grace, late }))).toEqual(
          run((late) => hoppingWindow(10, 4, { grace, late })),
        )
      }),
      { seed: 21, numRuns: 100 },
    )
  })
})

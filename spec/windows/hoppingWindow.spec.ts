import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { merge } from 'rxjs'
import {
  aggregate,
  collect,
  count,
  hoppingWindow,
  json,
  record,
  type StreamRecord,
  tumblingWindow,
  withWatermark,
} from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'
import { byClose, type Shown, stepwise } from './steps.js'

expect.extend(matchers)

const window = (start: number, end: number) => ({ start, end })

test('its diagram', async () => {
  const source = '-a----a----a---------a----|'
  const out = '-----------x---------(yz)-(vw|)'
  expectDrawn('windows/hoppingWindow.ts', `in   ${source}`, `out  ${out}`)
  await runMarbles({
    source,
    out,
    values: {
      a: ['ann', 1],
      x: { key: 'ann', value: 2, window: window(0, 10), timestamp: 6, final: true },
      y: { key: 'ann', value: 2, window: window(5, 15), timestamp: 11, final: true },
      z: { key: 'ann', value: 1, window: window(10, 20), timestamp: 11, final: true },
      v: { key: 'ann', value: 1, window: window(15, 25), timestamp: 21, final: true },
      w: { key: 'ann', value: 1, window: window(20, 30), timestamp: 21, final: true },
    },
    pipeline: (s) => s.pipe(hoppingWindow('10ms', '5ms'), aggregate(count(), { emit: 'close' })),
  })
})

const lists = (options: { grace?: number; late?: any; emit?: 'update' | 'close' } = {}) => {
  const { emit = 'update', ...rest } = options
  return (source: any) => source.pipe(hoppingWindow(10, 4, rest), aggregate(collect(), { emit }))
}

describe.each(['update', 'close'] as const)('laws, emit %s', (emit) => {
  const times = [1, 4, 12, 9, 13, 21, 22, 22, 35, 41]
  const input = times.map((time, i) => record(['ann', 'bob'][i % 2] as string, i, time))
  for (const law of operatorLaws(() => lists({ emit, grace: 3 }), input)) test(law.name, law.run)
})

describe('edges', () => {
  const result = (start: number, value: readonly string[], timestamp: number) => ({
    key: 'ann',
    value,
    timestamp,
    window: window(start, start + 10),
    final: false,
  })
  const values = {
    a: ['ann', 'a'],
    b: ['ann', 'b'],
    n: ['ann', null],
    k: [null, 'k'],
    x: result(0, ['a'], 3),
    p: result(0, ['a'], 9),
    q: result(4, ['a'], 9),
    r: result(8, ['a'], 9),
    s: result(4, ['b'], 12),
    t: result(8, ['b'], 12),
    u: result(12, ['b'], 12),
    v: result(4, ['b', 'a'], 12),
    w: result(8, ['b', 'a'], 12),
    g: result(4, ['b'], 10),
    h: result(8, ['b'], 10),
    o: { ...result(0, [], 3), value: [null] },
  } as const
  test.each([
    { name: 'no window starts before 0', source: 'a@3-|', out: 'x---|' },
    { name: 'the earliest first', source: 'a@9-----|', out: '(pqr)---|' },
    { name: 'the end is the first moment after', source: 'b@10-----|', out: '(gh)-----|' },
    {
      name: 'a late record still goes to the windows that are open',
      source: 'b@12--------a@9--|',
      out: '   (stu)-------(vw)-|',
      late: '  ------------a',
    },
    { name: 'a null key is dropped', source: 'k|', out: '-|' },
    { name: 'a null value counts', source: 'n@3-|', out: 'o---|' },
    { name: 'an empty source', source: '|', out: '|' },
    { name: 'an error', source: 'a@3-#', out: 'x---#' },
  ])('$name', async ({ source, out, late }) => {
    await runMarbles({
      source,
      out,
      ...(late !== undefined && { late }),
      values,
      pipeline: (s, tools) => lists({ late: tools.late })(s),
    })
  })

  test('a drop is counted for each window that a record has missed', async () => {
    const t = await testApp((app) => app.run('x', lists()(app.stream<number>('in', { value: json() }))), {
      topics: { in: 1 },
    })
    await t.send(
      'in',
      [17, 9, 8].map((timestamp) => ({ key: 'a', value: 1, timestamp })),
    )
    await t.settle()
    expect(t.app.stats().tasks[0]?.dropped).toEqual([{ operator: 'aggregate', reason: 'late', count: 4 }])
    await t.stop()
  })

  test('it holds back what follows by its size and grace', async () => {
    await runMarbles({
      source: 'a@1-a@30',
      watermarks: { 0: -17, 4: 12 },
      values,
      pipeline: (s) => s.pipe(withWatermark({ maxOutOfOrderness: 5 }), lists({ grace: 3 })),
    })
  })

  test.each([
    ['size', hoppingWindow<StreamRecord>(10, 5), hoppingWindow<StreamRecord>(12, 5)],
    ['advance', hoppingWindow<StreamRecord>(10, 5), hoppingWindow<StreamRecord>(10, 2)],
    ['grace', hoppingWindow<StreamRecord>(10, 5), hoppingWindow<StreamRecord>(10, 5, { grace: 1 })],
    ['kind', hoppingWindow<StreamRecord>(10, 10), tumblingWindow<StreamRecord>(10)],
  ])('windows of another %s are others: LOST_WINDOW where they meet', async (_, one, other) => {
    const app = testApp(
      (a) => {
        const stream = a.stream<number>('in', { value: json() })
        a.run('x', merge(stream.pipe(one), stream.pipe(other)).pipe(aggregate(count())))
      },
      { topics: { in: 1 } },
    )
    await expect(app).rejects.toMatchObject({ code: 'LOST_WINDOW' })
  })

  test.each([
    ['BAD_DURATION', () => hoppingWindow(0, 1)],
    ['BAD_DURATION', () => hoppingWindow(5, 0)],
    ['BAD_DURATION', () => hoppingWindow(5, 1, { grace: -1 })],
    ['BAD_OPTION', () => hoppingWindow(5, 6)],
  ])('%s', (code, make) => {
    expect(make).toThrow(expect.objectContaining({ code }))
  })
})

describe('against a loop over all windows', () => {
  const given = fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c'), time: fc.nat(60) }), { maxLength: 40 })
  const options = fc
    .record({ size: fc.integer({ min: 1, max: 15 }), part: fc.nat(), grace: fc.nat(12) })
    .map(({ size, part, grace }) => ({ size, advance: 1 + (part % size), grace }))

  test.each(['update', 'close'] as const)('what each record brings, emit %s', (emit) => {
    fc.assert(
      fc.property(given, options, (all, { size, advance, grace }) => {
        const records = all.map(({ key, time }, index) => record(key, index, time))
        const held = new Map<string, Shown & { value: number[] }>()
        let now = Number.NEGATIVE_INFINITY
        const closing = (time: number) => {
          const due = [...held.values()].filter(({ end }) => end + grace <= time).sort(byClose)
          for (const { key, start } of due) held.delete(`${start} ${key}`)
          return emit === 'close' ? due.map((window) => ({ ...window, final: true })) : []
        }
        const expected = records.map(({ key, value, timestamp }) => {
          now = Math.max(now, timestamp)
          const results: Shown[] = []
          let missed = 0
          for (let start = 0; start <= 60; start += advance) {
            if (start > timestamp || timestamp >= start + size) continue
            if (start + size + grace <= now) {
              missed++
              continue
            }
            const known = held.get(`${start} ${key}`)
            const window = {
              key,
              value: [...(known?.value ?? []), value],
              timestamp: Math.max(known?.timestamp ?? 0, timestamp),
              start,
              end: start + size,
              final: false,
            }
            held.set(`${start} ${key}`, window)
            if (emit === 'update') results.push(window)
          }
          return { results: [...results, ...closing(now)], late: missed > 0 ? [value] : [] }
        })
        const steps = stepwise(records, (s, late) =>
          s.pipe(hoppingWindow(size, advance, { grace, late }), aggregate(collect(), { emit })),
        )
        expect(steps).toEqual([...expected, { results: closing(Number.POSITIVE_INFINITY), late: [] }])
      }),
      { seed: 11, numRuns: 250 },
    )
  })
})

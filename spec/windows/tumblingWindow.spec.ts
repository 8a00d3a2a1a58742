import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { filter, from, lastValueFrom, merge, toArray } from 'rxjs'
import {
  aggregate,
  collect,
  count,
  json,
  keyBy,
  local,
  mapValues,
  record,
  reduce,
  type StreamRecord,
  sideOutput,
  toTopic,
  tumblingWindow,
  type WindowedRecord,
  withWatermark,
} from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

expect.extend(matchers)

const window = (start: number, end: number) => ({ start, end })

/** Windows of 10 ms that keep every value, so that a lost or doubled record shows. */
const lists = (options: { grace?: number; late?: any; emit?: 'update' | 'close' } = {}) => {
  const { emit = 'close', ...rest } = options
  return (source: any) => source.pipe(tumblingWindow('10ms', rest), aggregate(collect(), { emit }))
}

test('its diagram', async () => {
  const source = '-a--a-------a--------a--|'
  const out = '------------x--------y--(z|)'
  expectDrawn('windows/tumblingWindow.ts', `in   ${source}`, `out  ${out}`)
  await runMarbles({
    source,
    out,
    values: {
      a: ['ann', 1],
      x: { key: 'ann', value: 2, window: window(0, 10), timestamp: 4, final: true },
      y: { key: 'ann', value: 1, window: window(10, 20), timestamp: 12, final: true },
      z: { key: 'ann', value: 1, window: window(20, 30), timestamp: 21, final: true },
    },
    pipeline: (s) => s.pipe(tumblingWindow('10ms'), aggregate(count(), { emit: 'close' })),
  })
})

describe.each(['update', 'close'] as const)('laws, emit %s', (emit) => {
  const times = [1, 4, 12, 9, 13, 21, 22, 22, 35, 41]
  const input = times.map((time, i) => record(['ann', 'bob'][i % 2] as string, i, time))
  for (const law of operatorLaws(() => lists({ emit, grace: 3 }), input)) test(law.name, law.run)
})

describe('edges', () => {
  const values = {
    a: ['ann', 'a'],
    b: ['ann', 'b'],
    c: ['bob', 'c'],
    n: ['ann', null],
    k: [null, 'k'],
    x: { key: 'ann', value: ['a'], window: window(0, 10), timestamp: 0, final: true },
    y: { key: 'ann', value: ['b'], window: window(10, 20), final: true },
    z: { key: 'ann', value: ['a', 'b'], window: window(0, 10), timestamp: 0, final: true },
    t: { key: 'ann', value: ['a', 'b'], window: window(0, 10), timestamp: 9, final: true },
    q: { key: 'ann', value: ['a', null], window: window(0, 10) },
    r: { key: 'bob', value: ['c'], window: window(0, 10), final: true },
    u: { key: 'ann', value: ['a'], window: window(0, 10), timestamp: 0, final: false },
    v: { key: 'ann', value: ['a', 'b'], window: window(0, 10), timestamp: 9, final: false },
  } as const

  test.each<{ name: string; source: string; out: string; late?: string; window?: Parameters<typeof lists>[0] }>([
    { name: 'one record', source: 'a|', out: '-(x|)' },
    { name: 'an empty source', source: '|', out: '|' },
    { name: 'no result without completion', source: 'a----', out: '-' },
    { name: 'an error passes at once, and nothing is flushed', source: 'a--#', out: '---#' },
    { name: 'the end is the first moment after', source: 'a---b@9--b@10-', out: '---------t' },
    { name: 'equal timestamps', source: '(ab@0)|', out: '------(z|)' },
    { name: 'a null key is dropped', source: '(ak)|', out: '----(x|)' },
    { name: 'a null value counts', source: '(an)|', out: '----(q|)' },
    {
      name: 'late: a window that has closed takes nothing',
      source: 'a--b@10--b@9-|',
      out: '   ---x---------(y|)',
      late: '  ---------b',
    },
    {
      name: 'grace: taken while end + grace > time',
      source: 'a--b@12--b@9-|',
      out: '   -------------(ty|)',
      late: '',
      window: { grace: 3 },
    },
    {
      name: 'grace: late from end + grace on',
      source: 'a--b@13--b@9-|',
      out: '   ---x---------(y|)',
      late: '  ---------b',
      window: { grace: 3 },
    },
    {
      name: 'windows come out by start, then key',
      source: '(c@0a@0b@10)-|',
      out: '   -------------(xry|)',
      window: { grace: 9 },
    },
    { name: 'updates show the newest timestamp', source: '(ab@9)|', out: '(uv)--|', window: { emit: 'update' } },
  ])('$name', async ({ source, out, late, window }) => {
    await runMarbles({
      source,
      out,
      ...(late !== undefined && { late }),
      values,
      pipeline: (s, tools) => lists({ ...window, late: tools.late })(s),
    })
  })

  test('a filter between window and aggregate acts as if it stood before the window', async () => {
    await runMarbles({
      source: 'a--b@10--|',
      out: '   ---------(x|)',
      values,
      pipeline: (s) =>
        s.pipe(
          tumblingWindow('10ms'),
          filter((r) => r.value !== 'b'),
          aggregate(collect(), { emit: 'close' }),
        ),
    })
  })

  test('it holds back what follows by its size and grace', async () => {
    await runMarbles({
      source: 'a@1-a@30',
      watermarks: { 0: -17, 4: 12 },
      values: { a: ['ann', 1] },
      pipeline: (s) => s.pipe(withWatermark({ maxOutOfOrderness: 5 }), lists({ grace: 3 })),
    })
  })
})

describe('null from the aggregator deletes the key in that window, and its next record begins anew', () => {
  const values = {
    a: ['ann', 1],
    b: ['ann', 2],
    d: ['ann', -1],
    n: ['ann', null],
    p: { key: 'ann', value: 1, window: window(0, 10), timestamp: 9, final: false },
    q: { key: 'ann', value: null, window: window(0, 10), timestamp: 9, final: false },
    r: { key: 'ann', value: 2, window: window(0, 10), timestamp: 1, final: false },
    o: { key: 'ann', value: null, window: window(0, 10), timestamp: 0, final: false },
    x: { key: 'ann', value: 3, window: window(0, 10), timestamp: 3, final: true },
  } as const
  const added = (emit: 'update' | 'close') => (s: any) =>
    s.pipe(
      tumblingWindow(10),
      aggregate(
        reduce((a: number, b: number) => (b < 0 ? (null as never) : a + b)),
        { emit },
      ),
    )
  const listed = (emit: 'update' | 'close') => (s: any) =>
    s.pipe(
      tumblingWindow(10),
      aggregate(
        {
          init: () => [0],
          add: (acc: number[], r: StreamRecord<string, number>) => (r.value < 0 ? (null as never) : [...acc, r.value]),
          result: (acc: number[]) => acc.reduce((a, b) => a + b),
        },
        { emit },
      ),
    )

  describe.each([
    ['reduce', added],
    ['with a start', listed],
  ] as const)('%s', (_name, pipeline) => {
    test.each([
      { name: 'updates', emit: 'update', source: 'a@9--d@5--b@1-', out: 'p----q----r' },
      { name: 'on close', emit: 'close', source: '(adab@3)|', out: '--------(x|)' },
      { name: 'nothing comes of it on close', emit: 'close', source: '(ad)|', out: '----|' },
    ] as const)('$name', async ({ emit, source, out }) => {
      await runMarbles({ source, out, values, pipeline: pipeline(emit) })
    })
  })

  test('a first value of null is no start', async () => {
    await runMarbles({ source: 'n@0--b@1-', out: 'o----r', values, pipeline: added('update') })
  })

  const input = [5, -1, 4, 2, -1, 8, 3].map((value, i) => record(['ann', 'bob'][i % 2] as string, value, i * 3))
  for (const law of operatorLaws(() => added('update'), input)) test(law.name, law.run)
})

describe('against recomputing', () => {
  type Given = { key: string; time: number }
  const given = fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c'), time: fc.integer({ min: 0, max: 60 }) }), {
    maxLength: 40,
  })
  const options = fc.record({ size: fc.integer({ min: 1, max: 15 }), grace: fc.integer({ min: 0, max: 12 }) })

  /** Each record's fate by what came before it, then each window's content as a whole. */
  function recompute(records: readonly Given[], size: number, grace: number, bound: number | undefined) {
    const late: number[] = []
    const kept = new Map<string, { key: string; start: number; values: number[]; timestamp: number }>()
    records.forEach(({ key, time }, index) => {
      const newest = Math.max(...records.slice(0, index + 1).map((other) => other.time))
      const now = bound === undefined ? newest : newest - bound
      const start = Math.floor(time / size) * size
      if (start + size + grace <= now) {
        late.push(index)
        return
      }
      const id = `${start} ${key}`
      const found = kept.get(id) ?? { key, start, values: [], timestamp: 0 }
      kept.set(id, { ...found, values: [...found.values, index], timestamp: Math.max(found.timestamp, time) })
    })
    const results = [...kept.values()].sort((a, b) => a.start - b.start || (a.key < b.key ? -1 : 1))
    return {
      late,
      results: results.map(({ key, start, values, timestamp }) => ({
        key,
        value: values,
        timestamp,
        window: window(start, start + size),
        final: true,
      })),
    }
  }

  test.each([undefined, 4])('content, order, timestamps and late records (watermark %s)', async (bound) => {
    await fc.assert(
      fc.asyncProperty(given, options, async (records, { size, grace }) => {
        const lateOutput = sideOutput<StreamRecord<string, number>>('late')
        const source = from(records.map(({ key, time }, index) => record(key, index, time)))
        const timed = bound === undefined ? source : source.pipe(withWatermark({ maxOutOfOrderness: bound }))
        const windows = timed.pipe(
          tumblingWindow(size, { grace, late: lateOutput }),
          aggregate(collect(), { emit: 'close' }),
        )
        const late: number[] = []
        const results: WindowedRecord[] = []
        local(merge(windows, lateOutput.pipe(mapValues((value) => ({ late: value }))))).subscribe((r: any) =>
          r.value.late === undefined ? results.push(r) : late.push(r.value.late),
        )
        const expected = recompute(records, size, grace, bound)
        expect(late).toEqual(expected.late)
        expect(results).toEqualRecords(expected.results)
      }),
      { seed: 7, numRuns: 300 },
    )
  })

  test('the last update of each window is its result', async () => {
    await fc.assert(
      fc.asyncProperty(given, options, async (records, { size, grace }) => {
        const source = from(records.map(({ key, time }, index) => record(key, index, time)))
        const updates = await lastValueFrom(
          source.pipe(tumblingWindow(size, { grace }), aggregate(collect()), toArray()),
        )
        const last = new Map(updates.map((r) => [`${r.window.start} ${r.key}`, r]))
        const results = [...last.values()].sort((a, b) => a.window.start - b.window.start || (a.key < b.key ? -1 : 1))
        expect(results).toEqualRecords(
          recompute(records, size, grace, undefined).results.map((r) => ({ ...r, final: false })),
        )
      }),
      { seed: 8, numRuns: 200 },
    )
  })
})

describe('in an app', () => {
  test('late records reach a side output, and are counted', async () => {
    const t = await testApp(
      (app) => {
        const late = sideOutput<StreamRecord<string, number>>('late')
        const stream = app.stream<number>('in', { value: json() })
        app.run(
          'out',
          stream.pipe(tumblingWindow(10, { late }), aggregate(collect(), { emit: 'close' }), toTopic('out')),
        )
        app.run('late', late.pipe(toTopic('late')))
      },
      { topics: { in: 1, out: 1, late: 1 } },
    )
    await t.send(
      'in',
      [1, 25, 3].map((timestamp, value) => ({ key: 'a', value, timestamp })),
    )
    await t.settle()
    expect(await t.records('out')).toEqualRecords([{ key: 'a', value: [0], window: window(0, 10) }])
    expect(await t.records('late')).toEqualRecords([{ key: 'a', value: 2, timestamp: 3 }])
    expect(t.app.stats().tasks[0]?.dropped).toEqual([{ operator: 'aggregate', reason: 'late', count: 1 }])
    expect(t.errors).toEqual([])
    await t.stop()
  })

  test.each([
    [
      'a window over a window',
      'TWO_WINDOWS',
      (s: any) => s.pipe(tumblingWindow(10), tumblingWindow(20), aggregate(count())),
    ],
    [
      'a keyBy after a window',
      'LOST_WINDOW',
      (s: any) =>
        s.pipe(
          tumblingWindow(10),
          keyBy((r: any) => r.key),
          aggregate(count()),
        ),
    ],
    ['a sink after a window', 'LOST_WINDOW', (s: any) => s.pipe(tumblingWindow(10), toTopic('out'))],
    ['nothing after a window', 'LOST_WINDOW', (s: any) => s.pipe(tumblingWindow(10))],
    [
      'streams with different windows',
      'LOST_WINDOW',
      (s: any) => merge(s.pipe(tumblingWindow(10)), s.pipe(tumblingWindow(20))).pipe(aggregate(count()) as any),
    ],
  ])('%s is refused at planning', async (_name, code, pipeline) => {
    const app = testApp((a) => a.run('x', pipeline(a.stream('in', { value: json() }))), { topics: { in: 2, out: 2 } })
    await expect(app).rejects.toMatchObject({ code })
  })

  test.each(['0s', -1, 1.5, '5 m', 'm', Number.NaN])('a size of %s is refused', (size) => {
    expect(() => tumblingWindow(size as number)).toThrow(expect.objectContaining({ code: 'BAD_DURATION' }))
  })
})

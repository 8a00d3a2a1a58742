import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { from, merge } from 'rxjs'
import {
  avg,
  type Change,
  collect,
  count,
  local,
  mapValues,
  record,
  rollingAggregate,
  type StreamRecord,
  sideOutput,
  sum,
  toTable,
  tumblingWindow,
  withWatermark,
} from 'tidemark'
import { matchers, operatorLaws, runMarbles } from 'tidemark/testing'
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

describe('laws', () => {
  const times = [1, 4, 12, 9, 13, 21, 22, 22, 35, 33]
  const input = times.map((time, i) => record(['ann', 'bob'][i % 2] as string, i, time))
  for (const law of operatorLaws(() => rollingAggregate(10, collect<any>()), input)) test(law.name, law.run)
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

  test('several aggregators at once, those that fold the first value included', async () => {
    await runMarbles({
      source: 'a--b|',
      out: '   x--y|',
      values: {
        a: ['ann', 2],
        b: ['ann', 4],
        x: { key: 'ann', value: { n: 1, s: 2, m: 2 } },
        y: { key: 'ann', value: { n: 2, s: 6, m: 3 } },
      },
      pipeline: (s) =>
        s.pipe(rollingAggregate(10, { n: count(), s: sum((r: any) => r.value), m: avg((r: any) => r.value) })),
    })
  })

  test('its table shrinks with time, row by row at the time of each, and forgets empty rows', async () => {
    const change = (value: unknown, previous: unknown, timestamp: number) => ({
      key: 'ann',
      value,
      previous,
      timestamp,
    })
    await runMarbles({
      source: 'a--a--------------b----|',
      out: '   p--q--------------(rsu)(v|)',
      values: {
        a: ['ann', 0],
        b: ['bob', 0],
        p: change(1, null, 0),
        q: change(2, 1, 3),
        r: { key: 'bob', value: 1, previous: null, timestamp: 18 },
        s: change(1, 2, 10),
        u: change(null, 1, 13),
        v: { key: 'bob', value: null, previous: 1, timestamp: 28 },
      },
      pipeline: (s) => toTable('t', s.pipe(rollingAggregate(10, count()))).changes(),
    })
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

  test.each([undefined, 4])('each result and each late record (watermark %s)', (bound) => {
    fc.assert(
      fc.property(given, sizes, (records, size) => {
        const lateOutput = sideOutput<StreamRecord<string, number>>('late')
        const source = from(records.map(({ key, time }, index) => record(key, index, time)))
        const timed = bound === undefined ? source : source.pipe(withWatermark({ maxOutOfOrderness: bound }))
        const late: number[] = []
        const results: unknown[] = []
        local(
          merge(
            timed.pipe(rollingAggregate(size, collect(), { late: lateOutput })),
            lateOutput.pipe(mapValues((value) => ({ late: value }))),
          ),
        ).subscribe((r: any) => (r.value.late === undefined ? results.push(r) : late.push(r.value.late)))
        const expected = recompute(records, size, bound)
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

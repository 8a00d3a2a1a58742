import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { from } from 'rxjs'
import { aggregate, collect, dedup, json, record, sideOutput, toTopic, tumblingWindow, withWatermark } from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'
import { crashing, type Given, givenBound, givenRecords, recordsOf, timesOf } from './crashing.js'

expect.extend(matchers)

const values = {
  a: ['ann', 1],
  b: ['bob', 1],
  c: ['cid', 2],
  n: ['ann', null],
  k: [null, 1],
} as const

test('its diagram', async () => {
  const [source, out] = ['-a--a-b----ab---a--|', '-a----b----a-------|']
  expectDrawn('operators/dedup.ts', "dedup({ within: '10ms' })     a column is 1 ms", `in   ${source}`, `out  ${out}`)
  await runMarbles({ source, out, values, pipeline: (s) => s.pipe(dedup({ within: '10ms' })) })
})

describe('laws', () => {
  const times = [1, 4, 12, 9, 13, 21, 22, 35, 50, 41]
  const input = times.map((time, i) => record([['ann'], ['bob', 1]][i % 2] as any, i, time))
  for (const law of operatorLaws(() => dedup({ within: 10 }), input)) test(law.name, law.run)
})

describe('edges', () => {
  test.each([
    { name: 'an empty source', source: '|', out: '|' },
    { name: 'an error', source: 'aa#', out: 'a-#' },
    { name: 'one ms before the end is a repeat', source: 'a@5a@14|', out: 'a@5----|' },
    { name: 'at the end it is the first again', source: 'a@5-a@15-a@24|', out: 'a@5-a@15-----|' },
    { name: 'a repeat does not prolong it', source: 'a@5-a@12-a@15|', out: 'a@5------a@15|' },
    { name: 'equal timestamps', source: '(aab)|', out: '(ab)-|' },
    { name: 'a null key is dropped, and moves no time', source: 'a@20k@90a@15a@30|', out: 'a@20--------a@30|' },
    { name: 'a null value is a record like any other', source: 'na|', out: 'n-|' },
    { name: 'older than what has passed, within: a repeat', source: 'a@20a@11|', out: 'a@20----|' },
    { name: 'older by within: late without a watermark', source: 'a@20a@10|', out: 'a@20----|', late: '----a@10' },
    { name: 'another key in time is no repeat', source: 'a@20b@11|', out: 'a@20b@11|' },
    { name: 'another key too late', source: 'a@20b@10|', out: 'a@20----|', late: '----b@10' },
    {
      name: 'older than all that is remembered: late',
      source: 'a@1-c@90a@1|',
      out: 'a@1-c@90---|',
      late: '--------a@1',
    },
  ])('$name', async ({ source, out, late = '' }) => {
    await runMarbles({
      source,
      out,
      late,
      values,
      pipeline: (s, tools) => s.pipe(dedup({ within: 10, late: tools.late })),
    })
  })

  test.each([
    {
      name: 'older than what has passed by more: passes, and both are remembered',
      source: 'a@50a@30a@35a@45a@60|',
      out: '   a@50a@30--------a@60|',
    },
    { name: 'between two that have passed', source: 'a@50a@30a@40|', out: 'a@50a@30a@40|' },
    {
      name: 'what has passed is remembered as long as a record that is not late may repeat it',
      // Time is 65, and a repeat of 50 may still come at 57.
      source: 'a@50b@95a@57a@60|',
      out: '   a@50b@95----a@60|',
      bound: 30,
    },
  ])('out of order, with a watermark: $name', async ({ source, out, bound = 100 }) => {
    await runMarbles({
      source,
      out,
      late: '',
      values,
      pipeline: (s, { late }) => s.pipe(withWatermark({ maxOutOfOrderness: bound }), dedup({ within: 10, late })),
    })
  })

  test('by: what makes records equal; none is dropped', () => {
    const seen: unknown[] = []
    const ids = ['x', 'y', 'x', undefined, null, 'z']
    from(ids.map((id, i) => record(i % 2 === 0 ? null : 'k', { id }, i)))
      .pipe(dedup({ within: 10, by: (r) => r.value.id }))
      .subscribe((r) => seen.push(r.value.id))
    expect(seen).toEqual(['x', 'y', 'z'])
  })

  test('by: what is no key is BAD_KEY, with the place', () => {
    const errors: unknown[] = []
    from([record('a', { id: 1 }, 1, { topic: 't', offset: 3 })])
      .pipe(dedup({ within: 10, by: (r) => r.value as never }))
      .subscribe({ error: (error) => errors.push(error) })
    expect(errors).toMatchObject([{ code: 'BAD_KEY', place: { operator: 'dedup', topic: 't', offset: 3 } }])
  })

  test('a declared window stays', async () => {
    await runMarbles({
      source: 'a@1-a@4-a@15|',
      out: '   --------x---(y|)',
      values: {
        ...values,
        x: { value: [1], window: { start: 0, end: 10 } },
        y: { value: [1], window: { start: 10, end: 20 } },
      },
      pipeline: (s) => s.pipe(tumblingWindow(10), dedup({ within: 10 }), aggregate(collect(), { emit: 'close' })),
    })
  })

  test('within must be at least 1 ms', () => {
    expect(() => dedup({ within: 0 })).toThrow(expect.objectContaining({ code: 'BAD_DURATION' }))
  })
})

test('in an app: drops are counted, late ones come out beside, and state is freed by time', async () => {
  const late = sideOutput<any>('late')
  const t = await testApp(
    (app) => {
      const stream = app.stream<number>('in', { value: json() })
      app.run('out', stream.pipe(dedup({ within: 10, late, name: 'once' }), toTopic('out')))
      app.run('late', late.pipe(toTopic('late')))
    },
    { topics: { in: 1, out: 1, late: 1 } },
  )
  const send = (...sent: [key: string | null, timestamp: number][]) =>
    t.send(
      'in',
      sent.map(([key, timestamp], i) => ({ key, value: i, timestamp })),
    )
  await send(['a', 5], ['a', 7], ['b', 14], [null, 99], ['a', 6], ['a', 16])
  await t.settle()
  expect(await t.state('once')).toMatchObject([
    { key: 'a', value: [5, 16] },
    { key: 'b', value: [14] },
  ])
  expect(t.app.stats().tasks[0]?.dropped).toEqual([
    { operator: 'once', reason: 'duplicate', count: 2 },
    { operator: 'once', reason: 'null key', count: 1 },
  ])
  await send(['c', 35], ['a', 25])
  await t.settle()
  expect((await t.state('once')).map(({ key, value }) => [key, value]).sort()).toEqual([
    ['a', [16]],
    ['c', [35]],
  ])
  expect(await t.state('once.timers')).toHaveLength(2)
  expect(await t.records('late')).toEqualRecords([{ key: 'a', timestamp: 25 }])
  expect(await t.records('out')).toEqualRecords([
    { key: 'a', timestamp: 5 },
    { key: 'b', timestamp: 14 },
    { key: 'a', timestamp: 16 },
    { key: 'c', timestamp: 35 },
  ])
  await t.stop()
})

/** By the rule, with a memory that forgets nothing. */
function passingOf(records: readonly Given[], within: number, bound: number | null) {
  const times = timesOf(records, bound)
  const passing: { key: string; value: number; timestamp: number }[] = []
  records.forEach(({ key, time }, value) => {
    if (key === null || time <= (times[value] as number) - within) return
    if (passing.some((other) => other.key === key && Math.abs(other.timestamp - time) < within)) return
    passing.push({ key, value, timestamp: time })
  })
  return passing
}

describe('against recomputing with a memory that forgets nothing', () => {
  test('what passes, and that what passes lies apart', () => {
    fc.assert(
      fc.property(givenRecords, givenBound, fc.integer({ min: 1, max: 20 }), (records, bound, within) => {
        const source = from(recordsOf(records))
        const timed = bound === null ? source : source.pipe(withWatermark({ maxOutOfOrderness: bound }))
        const seen: any[] = []
        timed.pipe(dedup({ within })).subscribe((r) => seen.push(r))
        expect(seen).toEqualRecords(passingOf(records, within, bound))
        for (const key of ['a', 'b', 'c']) {
          const times = seen.filter((r) => r.key === key).map((r) => r.timestamp)
          times.sort((x, y) => x - y)
          expect(times.filter((time, i) => i > 0 && time - times[i - 1] < within)).toEqual([])
        }
      }),
      { seed: 63, numRuns: 400 },
    )
  })

  test('in an app that crashes', async () => {
    await fc.assert(
      fc.asyncProperty(givenRecords, givenBound, fc.nat(25), async (records, bound, crashAt) => {
        const out = await crashing(dedup({ within: 12, name: 'once' }), records, bound, crashAt)
        expect(out).toEqualRecords(passingOf(records, 12, bound))
      }),
      { seed: 64, numRuns: 40 },
    )
  })
})

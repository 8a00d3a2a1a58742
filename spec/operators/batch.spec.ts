import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { from } from 'rxjs'
import {
  aggregate,
  batch,
  collect,
  json,
  mapValues,
  record,
  selectKey,
  toTopic,
  tumblingWindow,
  withWatermark,
} from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'
import { crashing, type Given, givenBound, givenRecords, recordsOf, timesOf } from './crashing.js'

expect.extend(matchers)

test('its diagram', async () => {
  const [source, out] = ['-a-a--b-a--------c--|', '--------x--------y--(z|)']
  expectDrawn(
    'operators/batch.ts',
    "batch({ maxRecords: 3, within: '10ms' })     a column is 1 ms",
    `in   ${source}`,
    `out  ${out}`,
  )
  await runMarbles({
    source,
    out,
    values: {
      a: ['ann', 1],
      b: ['bob', 2],
      c: ['ann', 3],
      x: { key: 'ann', value: [1, 1, 1], timestamp: 8 },
      y: { key: 'bob', value: [2], timestamp: 6 },
      z: { key: 'ann', value: [3], timestamp: 17 },
    },
    pipeline: (s) => s.pipe(batch({ maxRecords: 3, within: '10ms' })),
  })
})

describe('laws', () => {
  const times = [1, 4, 12, 9, 13, 21, 22, 35, 50]
  const input = times.map((time, i) => record([['ann'], ['bob', 1]][i % 2] as any, i, time))
  for (const law of operatorLaws(() => batch({ maxRecords: 2, within: 10 }), input)) test(law.name, law.run)
  describe('without a bound of records', () => {
    for (const law of operatorLaws(() => batch({ within: 10 }), input)) test(law.name, law.run)
  })
})

describe('edges', () => {
  const values = {
    a: ['ann', 1],
    b: ['bob', 2],
    c: ['cid', 3],
    n: ['ann', null],
    k: [null, 1],
    w: ['ann', [1]],
    x: ['ann', [1, 1]],
    y: ['bob', [2]],
    m: ['ann', [null, 1]],
    z: { key: 'ann', value: [1, 1], timestamp: 9 },
  } as const
  test.each([
    { name: 'an empty source', source: '|', out: '|' },
    { name: 'an error: what waits is lost', source: 'a--#', out: '---#' },
    { name: 'completion gives what waits, by end and then key', source: '-(cba)|', out: '------(wyv|)' },
    { name: 'one record is full', source: 'ab|', out: 'wy|', maxRecords: 1 },
    { name: 'a null key is dropped', source: 'k|', out: '-|' },
    { name: 'a null key moves no time', source: 'ak@50-|', out: '------(w|)' },
    { name: 'a null value is in it', source: 'n-a|', out: '---(m|)' },
    { name: 'one ms before its end joins, also as the newest', source: 'a@0--a@9--b@10-|', out: '----------z----(y|)' },
    { name: 'at its end it opens the next', source: 'a@0--a@10--|', out: '-----w-----(w|)' },
    { name: 'out of order it joins', source: 'a@9--a@0--|', out: '----------(z|)' },
    { name: 'too old for any, it comes out alone, at once', source: 'b@50-a@1|', out: '-----w--(y|)' },
    { name: 'but joins the batch that is open', source: 'a@50-a@1|', out: '--------(x|)' },
  ])('$name', async ({ source, out, maxRecords }) => {
    await runMarbles({
      source,
      out,
      values: { ...values, v: ['cid', [3]] },
      pipeline: (s) => s.pipe(batch({ within: 10, ...(maxRecords !== undefined && { maxRecords }) })),
    })
  })

  test('with a watermark, it follows the watermark; a record past the end closes it all the same', async () => {
    await runMarbles({
      source: 'a@0--b@12--b@15--a@16-|',
      out: '   -----------w----------(xy|)',
      values: {
        ...values,
        x: { key: 'bob', value: [2, 2], timestamp: 15 },
        y: { key: 'ann', value: [1], timestamp: 16 },
      },
      pipeline: (s) => s.pipe(withWatermark({ maxOutOfOrderness: 5 }), batch({ within: 10 })),
    })
    await runMarbles({
      source: 'a@0--a@12-|',
      out: '   -----w----(w|)',
      values,
      pipeline: (s) => s.pipe(withWatermark({ maxOutOfOrderness: 5 }), batch({ within: 10 })),
    })
  })

  test('what follows sees no time beyond what waits: no batch is late for a window', async () => {
    // b's time would close the window of a's batch.
    await runMarbles({
      source: 'a@8-b@17-b@18-b@30-|',
      out: '   --------------(wu)-(v|)',
      values: {
        ...values,
        w: { key: 'ann', value: [[1]], window: { start: 0, end: 10 } },
        u: { key: 'bob', value: [[2, 2]], window: { start: 10, end: 20 } },
        v: { key: 'bob', value: [[2]], window: { start: 30, end: 40 } },
      },
      pipeline: (s) =>
        s.pipe(
          withWatermark({ maxOutOfOrderness: 0 }),
          batch({ within: 10 }),
          tumblingWindow(10),
          aggregate(collect(), { emit: 'close' }),
        ),
    })
  })

  test.each([{ maxRecords: 0 }, { maxRecords: 1.5 }, { within: 0 }, { within: '1 year' as never }])(
    '%j is refused',
    (options) => {
      const refused = expect.objectContaining({ code: expect.stringMatching(/BAD_OPTION|BAD_DURATION/) })
      expect(() => batch({ within: 10, ...options })).toThrow(refused)
    },
  )

  test('after a declared window it is LOST_WINDOW', () => {
    const codes: unknown[] = []
    from([record('a', 1, 1)])
      .pipe(tumblingWindow(10), batch({ within: 10 }))
      .subscribe({ error: (error) => codes.push(error.code) })
    expect(codes).toEqual(['LOST_WINDOW'])
  })
})

describe('in an app', () => {
  test('what waits is state, under its name, and free when it is out', async () => {
    const t = await testApp(
      (app) => {
        const stream = app.stream<number>('in', { value: json() })
        app.run('out', stream.pipe(batch({ within: 10, name: 'batches' }), toTopic('out')))
      },
      { topics: { in: 1, out: 1 } },
    )
    await t.send('in', [
      { key: 'a', value: 1, timestamp: 5 },
      { key: 'a', value: 2, timestamp: 3 },
    ])
    await t.settle()
    expect(await t.state('batches')).toMatchObject([{ key: 'a', value: { first: 5, values: [1, 2] } }])
    await t.send('in', { key: null, value: 0, timestamp: 99 })
    await t.send('in', { key: 'a', value: 3, timestamp: 100 })
    await t.settle()
    expect(await t.records('out')).toEqualRecords([{ key: 'a', value: [1, 2], timestamp: 5 }])
    expect(await t.state('batches')).toMatchObject([{ value: { values: [3] } }])
    expect(await t.state('batches.timers')).toHaveLength(1)
    expect(t.app.stats().tasks[0]?.dropped).toEqual([{ operator: 'batches', reason: 'null key', count: 1 }])
    await t.stop()
  })

  test('over whole partitions, behind selectKey', async () => {
    const t = await testApp(
      (app) => {
        const stream = app.stream<number>('in', { value: json() })
        const perPartition = stream.pipe(
          selectKey((r) => r.partition, { partitioned: true }),
          batch({ maxRecords: 3, within: '1h', name: 'batches' }),
        )
        app.run('out', perPartition.pipe(mapValues(String), toTopic('out', { key: json<number>() })))
      },
      { topics: { in: 2, out: { partitions: 1, key: json() } } },
    )
    await t.send(
      'in',
      [0, 1, 0, 0, 1, 1].map((partition, i) => ({ key: `k${i}`, value: i, timestamp: i, partition })),
    )
    await t.settle()
    const out = await t.records('out')
    expect(out.map((r) => [r.key, r.value]).sort()).toEqual([
      [0, '0,2,3'],
      [1, '1,4,5'],
    ])
    await t.stop()
  })
})

/** A batch, and where among the emissions it comes: behind which record, in which turn. */
interface Batch {
  readonly key: string
  readonly members: readonly number[]
  readonly order: readonly [index: number, turn: 0 | 1 | 2, end: number]
}

/** Cuts each key's records by themselves, then puts the pieces in order. */
function batchesOf(
  records: readonly Given[],
  max: number,
  within: number,
  bound: number | null,
  ends: boolean,
): Batch[] {
  const times = timesOf(records, bound)
  const found: Batch[] = []
  for (const key of ['a', 'b', 'c']) {
    let members: number[] = []
    let end = 0
    const cut = (index: number, turn: 0 | 1 | 2) => {
      found.push({ key, members, order: [index, turn, end] })
      members = []
    }
    records.forEach((given, index) => {
      if (given.key === key) {
        if (members.length > 0 && given.time >= end) cut(index, 0)
        if (members.length === 0) end = given.time + within
        members.push(index)
        if (members.length === max || (members.length === 1 && end <= (times[index] as number))) cut(index, 1)
      }
      if (members.length > 0 && (times[index] as number) >= end) cut(index, 2)
    })
    if (ends && members.length > 0) cut(records.length, 2)
  }
  const inOrder = (a: Batch, b: Batch) =>
    a.order[0] - b.order[0] || a.order[1] - b.order[1] || a.order[2] - b.order[2] || (a.key < b.key ? -1 : 1)
  return found.sort(inOrder)
}

const expectedOf = (records: readonly Given[], batches: readonly Batch[]) =>
  batches.map(({ key, members }) => ({
    key,
    value: [...members],
    timestamp: Math.max(...members.map((index) => (records[index] as Given).time)),
  }))

describe('against recomputing', () => {
  test('every batch, in order, to the end', () => {
    fc.assert(
      fc.property(givenRecords, givenBound, fc.integer({ min: 1, max: 4 }), (records, bound, maxRecords) => {
        const source = from(recordsOf(records))
        const timed = bound === null ? source : source.pipe(withWatermark({ maxOutOfOrderness: bound }))
        const seen: unknown[] = []
        timed.pipe(batch({ maxRecords, within: 15 })).subscribe((r) => seen.push(r))
        expect(seen).toEqualRecords(expectedOf(records, batchesOf(records, maxRecords, 15, bound, true)))
      }),
      { seed: 61, numRuns: 300 },
    )
  })

  test('in an app that crashes', async () => {
    await fc.assert(
      fc.asyncProperty(givenRecords, givenBound, fc.nat(25), async (records, bound, crashAt) => {
        const out = await crashing(batch({ maxRecords: 3, within: 15, name: 'b' }), records, bound, crashAt)
        expect(out).toEqualRecords(expectedOf(records, batchesOf(records, 3, 15, bound, false)))
      }),
      { seed: 62, numRuns: 40 },
    )
  })
})

import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { from } from 'rxjs'
import { aggregate, collect, json, latest, record, toTopic, tumblingWindow, withWatermark } from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'
import { crashing, type Given, givenBound, givenRecords, recordsOf, timesOf } from './crashing.js'

expect.extend(matchers)

test('its diagram', async () => {
  const [source, out] = ['-a-b---c--d-----a---e---|', '----------(cb)------(ad)(e|)']
  expectDrawn('operators/latest.ts', "latest({ every: '10ms' })     a column is 1 ms", `in   ${source}`, `out  ${out}`)
  await runMarbles({
    source,
    out,
    values: {
      a: ['ann', 1],
      b: { key: 'bob', value: 2, timestamp: 3 },
      c: { key: 'ann', value: 3, timestamp: 7 },
      d: { key: 'bob', value: 4, timestamp: 10 },
      e: { key: 'ann', value: 5, timestamp: 20 },
    },
    pipeline: (s) => s.pipe(latest({ every: '10ms' })),
  })
})

describe('laws', () => {
  const times = [1, 4, 12, 9, 13, 21, 22, 35, 50]
  const input = times.map((time, i) => record([['ann'], ['bob', 1]][i % 2] as any, i, time))
  for (const law of operatorLaws(() => latest({ every: 10 }), input)) test(law.name, law.run)
})

describe('edges', () => {
  const values = {
    a: ['ann', 1],
    b: ['bob', 2],
    c: ['ann', 3],
    n: ['ann', null],
    k: [null, 1],
  } as const
  test.each([
    { name: 'an empty source', source: '|', out: '|' },
    { name: 'an error: what waits is lost', source: 'a--#', out: '---#' },
    { name: 'completion gives what waits', source: 'a--|', out: '---(a|)' },
    { name: 'of equal timestamps the last to arrive', source: 'a@5-c@5|', out: '-------(c|)' },
    { name: 'by timestamp, not by arrival', source: 'a@6-c@5|', out: '-------(a|)' },
    { name: 'a key without news is silent', source: 'a@1-b@25-b@35|', out: '----a----b---(b|)' },
    { name: 'an interval holds its start and not its end', source: 'a@9-a@10-a@20|', out: '----a----a---(a|)' },
    { name: 'one whose interval is over is late', source: 'a@12-c@9-a@20|', out: '---------a---(a|)' },
    { name: 'a null key is dropped, and moves no time', source: 'a@5-k@50|', out: '--------(a|)' },
    { name: 'a null value is news', source: 'a@5-n@6|', out: '-------(n|)' },
  ])('$name', async ({ source, out }) => {
    await runMarbles({ source, out, values, pipeline: (s) => s.pipe(latest({ every: 10 })) })
  })

  test('with a watermark several intervals of a key are open; each gives its newest', async () => {
    await runMarbles({
      source: 'a@8-c@15-n@9-a@12-b@30-|',
      out: '   ------------------(nc)-(b|)',
      values: {
        ...values,
        n: { key: 'ann', value: null, timestamp: 9 },
        c: { key: 'ann', value: 3, timestamp: 15 },
      },
      pipeline: (s) => s.pipe(withWatermark({ maxOutOfOrderness: 10 }), latest({ every: 10 })),
    })
  })

  test('what comes out is the record as it was: headers, place, window', () => {
    const given = {
      ...record('a', 1, 5, { topic: 't', partition: 2, offset: 3, headers: [['h', new Uint8Array([7])]] }),
      window: { start: 0, end: 10 },
      final: true,
    }
    const seen: unknown[] = []
    from([given])
      .pipe(latest({ every: 10 }))
      .subscribe((r) => seen.push(r))
    expect(seen).toEqual([given])
  })

  test('what follows sees no time beyond what waits: no record is late for a window', async () => {
    await runMarbles({
      source: 'a@1-b@19-a@31-|',
      out: '   ---------(xy)-(z|)',
      values: {
        ...values,
        x: { value: [1], window: { start: 0, end: 5 } },
        y: { value: [2], window: { start: 15, end: 20 } },
        z: { value: [1], window: { start: 30, end: 35 } },
      },
      pipeline: (s) =>
        s.pipe(
          withWatermark({ maxOutOfOrderness: 0 }),
          latest({ every: 30 }),
          tumblingWindow(5),
          aggregate(collect(), { emit: 'close' }),
        ),
    })
  })

  test('every must be at least 1 ms', () => {
    expect(() => latest({ every: 0 })).toThrow(expect.objectContaining({ code: 'BAD_DURATION' }))
  })
})

test('in an app: what waits is state, and free once it is out; late ones are counted', async () => {
  const t = await testApp(
    (app) => {
      const stream = app.stream<number>('in', { value: json() })
      app.run('out', stream.pipe(latest({ every: 10, name: 'newest' }), toTopic('out')))
    },
    { topics: { in: 1, out: 1 } },
  )
  await t.send('in', [
    { key: 'a', value: 1, timestamp: 5 },
    { key: 'a', value: 2, timestamp: 7 },
    { key: 'b', value: 3, timestamp: 8 },
  ])
  await t.settle()
  expect(await t.records('out')).toEqual([])
  expect((await t.state('newest')).map(({ key }) => key)).toEqual(['a', 'b'])
  await t.send('in', [
    { key: 'b', value: 4, timestamp: 10 },
    { key: 'a', value: 5, timestamp: 9 },
  ])
  await t.settle()
  expect(await t.records('out')).toEqualRecords([
    { key: 'a', value: 2, timestamp: 7 },
    { key: 'b', value: 3, timestamp: 8 },
  ])
  expect((await t.state('newest')).map(({ key }) => key)).toEqual(['b'])
  expect(await t.state('newest.timers')).toHaveLength(1)
  expect(t.app.stats().tasks[0]?.dropped).toEqual([{ operator: 'newest', reason: 'late', count: 1 }])
  await t.stop()
})

test('what has come out is not restored, though a later interval of the key still waits', async () => {
  const t = await testApp(
    (app) => {
      const stream = app.stream<number>('in', { value: json(), watermark: { maxOutOfOrderness: 10 } })
      app.run('out', stream.pipe(latest({ every: 10, name: 'newest' }), toTopic('out')))
    },
    { topics: { in: 1, out: 1 } },
  )
  const steps = [
    ['a', 5, 18],
    ['b', 22],
    ['b', 45],
  ] as const
  for (const [key, ...times] of steps) {
    await t.send(
      'in',
      times.map((timestamp) => ({ key, value: 0, timestamp })),
    )
    await t.settle()
    await t.crash()
    await t.restart()
  }
  expect((await t.records('out')).map((r) => r.timestamp)).toEqual([5, 18, 22])
  expect((await t.state('newest')).map(({ key, value }) => [key, (value as unknown[]).length])).toEqual([['b', 1]])
  await t.stop()
})

/** For each key and interval the newest of the records that came in time; then in the order in which intervals end. */
function newestOf(records: readonly Given[], every: number, bound: number | null, ends: boolean) {
  const times = timesOf(records, bound)
  const found: { key: string; value: number; timestamp: number; at: number; end: number }[] = []
  for (const key of ['a', 'b', 'c']) {
    for (let end = every; end - every <= 60; end += every) {
      const inTime = records.flatMap(({ key: other, time: timestamp }, value) =>
        other === key && timestamp >= end - every && timestamp < end && end > (times[value] as number)
          ? [{ key, value, timestamp }]
          : [],
      )
      const [newest] = inTime.sort((a, b) => b.timestamp - a.timestamp || b.value - a.value)
      const over = times.findIndex((time) => time >= end)
      if (newest !== undefined && (over >= 0 || ends)) found.push({ ...newest, at: over < 0 ? Infinity : over, end })
    }
  }
  const order = (a: number, b: number) => (a === b ? 0 : a - b)
  found.sort((a, b) => order(a.at, b.at) || a.end - b.end || (a.key < b.key ? -1 : 1))
  return found.map(({ key, value, timestamp }) => ({ key, value, timestamp }))
}

describe('against recomputing', () => {
  test('every record that comes out, in order, to the end', () => {
    fc.assert(
      fc.property(givenRecords, givenBound, fc.integer({ min: 1, max: 30 }), (records, bound, every) => {
        const source = from(recordsOf(records))
        const timed = bound === null ? source : source.pipe(withWatermark({ maxOutOfOrderness: bound }))
        const seen: unknown[] = []
        timed.pipe(latest({ every })).subscribe((r) => seen.push(r))
        expect(seen).toEqualRecords(newestOf(records, every, bound, true))
      }),
      { seed: 65, numRuns: 400 },
    )
  })

  test('in an app that crashes', async () => {
    await fc.assert(
      fc.asyncProperty(givenRecords, givenBound, fc.nat(25), async (records, bound, crashAt) => {
        const out = await crashing(latest({ every: 12, name: 'newest' }), records, bound, crashAt)
        expect(out).toEqualRecords(newestOf(records, 12, bound, false))
      }),
      { seed: 66, numRuns: 40 },
    )
  })
})

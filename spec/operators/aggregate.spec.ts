import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { from } from 'rxjs'
import { aggregate, type Change, collect, count, json, local, record, reduce, string, sum, toTable } from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

expect.extend(matchers)

describe('its diagram', () => {
  const source = 'a--b--c--|'
  const values = {
    a: ['ann', 1],
    b: ['bob', 5],
    c: ['ann', 2],
    x: ['ann', 3],
    p: ['ann', { n: 1, s: 1 }],
    q: ['bob', { n: 1, s: 5 }],
    r: ['ann', { n: 2, s: 3 }],
  } as const
  const total = sum((r: { value: number }) => r.value)

  test('one aggregator', async () => {
    const out = 'a--b--x--|'
    expectDrawn('operators/aggregate.ts', `in                                    ${source}`)
    expectDrawn('operators/aggregate.ts', `aggregate(sum(r => r.value))          ${out}`)
    await runMarbles({ source, out, values, pipeline: (s) => s.pipe(aggregate(total)) })
  })

  test('several', async () => {
    const out = 'p--q--r--|'
    expectDrawn('operators/aggregate.ts', `aggregate({ n: count(), s: sum(…) })  ${out}`)
    await runMarbles({ source, out, values, pipeline: (s) => s.pipe(aggregate({ n: count(), s: total })) })
  })
})

describe('laws', () => {
  const input = [5, 1, 4, 2, 8, 3].map((time, i) => record([['ann'], ['bob', 1]][i % 2] as any, i, time))
  for (const law of operatorLaws(() => aggregate(collect()), input)) test(law.name, law.run)
  describe('without a start', () => {
    const join = () => aggregate(reduce((a: number, b: number) => a * 10 + b))
    for (const law of operatorLaws(join, input)) test(law.name, law.run)
  })
  describe('that deletes', () => {
    const drop = () => aggregate(reduce((a: number, b: number) => (b % 3 === 2 ? (null as never) : a * 10 + b)))
    for (const law of operatorLaws(drop, input)) test(law.name, law.run)
  })
})

describe('edges', () => {
  const values = {
    a: ['ann', 1],
    b: ['ann', 2],
    n: ['ann', null],
    k: [null, 1],
    d: ['ann', -1],
    x: ['ann', [1]],
    y: { key: 'ann', value: [1, 2], timestamp: 8 },
    z: { key: 'ann', value: [1, 2], timestamp: 0 },
    t: { key: 'ann', value: [2, 1], timestamp: 8 },
    e: ['ann', [2]],
  } as const
  test.each([
    { name: 'an empty source', source: '|', out: '|' },
    { name: 'one record', source: 'a|', out: 'x|' },
    { name: 'an error', source: 'a--#', out: 'x--#' },
    { name: 'a null key is dropped', source: 'k-a|', out: '--x|' },
    { name: 'a null value is dropped', source: 'n-a|', out: '--x|' },
    { name: 'equal timestamps', source: '(ab)|', out: '(xz)|' },
    { name: "a result's timestamp is the highest behind it", source: 'b@8--a@3-|', out: 'e----t---|' },
  ])('$name', async ({ source, out }) => {
    await runMarbles({ source, out, values, pipeline: (s) => s.pipe(aggregate(collect())) })
  })

  test('null deletes the key, its timestamp too, and the next value begins anew', async () => {
    await runMarbles({
      source: 'a@9--d@5--b@1|',
      out: '   p----q----r--|',
      values: {
        ...values,
        p: { key: 'ann', value: 1, timestamp: 9 },
        q: { key: 'ann', value: null, timestamp: 9 },
        r: { key: 'ann', value: 2, timestamp: 1 },
      },
      pipeline: (s) => s.pipe(aggregate(reduce((a: number, b: number) => (b < 0 ? (null as never) : a + b)))),
    })
  })

  test('what it drops is counted, by reason', async () => {
    const t = await testApp(
      (app) => app.run('x', app.stream<number>('in', { value: json() }).pipe(aggregate(count(), { name: 'n' }))),
      { topics: { in: 1 } },
    )
    await t.send('in', [
      { key: null, value: 1, timestamp: 1 },
      { key: 'a', value: null, timestamp: 1 },
      { key: 'b', value: null, timestamp: 1 },
    ])
    await t.settle()
    expect(t.app.stats().tasks[0]?.dropped).toEqual([
      { operator: 'n', reason: 'null key', count: 1 },
      { operator: 'n', reason: 'null value', count: 2 },
    ])
    await t.stop()
  })

  test("emit 'close' without a window is BAD_OPTION", async () => {
    const codes: unknown[] = []
    from([record('a', 1, 1)])
      .pipe(aggregate(count(), { emit: 'close', name: 'n' }))
      .subscribe({ error: (error) => codes.push(error.code) })
    expect(codes).toEqual(['BAD_OPTION'])
    const app = testApp(
      (a) =>
        a.run('x', a.stream<number>('in', { value: json() }).pipe(aggregate(count(), { emit: 'close', name: 'n' }))),
      { topics: { in: 1 } },
    )
    await expect(app).rejects.toMatchObject({ code: 'BAD_OPTION', place: { operator: 'n' } })
  })

  test('what throws in an aggregator comes out with the place', () => {
    const seen: unknown[] = []
    from([record('a', 1, 1, { topic: 't', partition: 2, offset: 3 })])
      .pipe(
        aggregate(
          sum(() => {
            throw new RangeError('boom')
          }),
          { name: 'totals' },
        ),
      )
      .subscribe({ error: (error) => seen.push(error) })
    expect(seen).toMatchObject([
      {
        code: 'OPERATOR_FAILED',
        place: { operator: 'totals', topic: 't', partition: 2, offset: 3, key: 'a' },
        cause: new RangeError('boom'),
      },
    ])
  })

  test('its result is a table: rows, changes with what was before, and no second state', async () => {
    const t = await testApp(
      (app) => {
        const lists = app.stream<number>('in', { value: json() }).pipe(aggregate(collect<any>(), { name: 'lists' }))
        const table = toTable('table', lists)
        app.run('changes', table.changes())
        return { table, description: app.describe() }
      },
      { topics: { in: { partitions: 2, key: string() } } },
    )
    await t.send('in', [
      { key: 'a', value: 1, timestamp: 1, partition: 0 },
      { key: 'b', value: 2, timestamp: 1, partition: 1 },
      { key: 'a', value: 3, timestamp: 2, partition: 0 },
    ])
    await t.settle()
    expect([...t.result.table.entries()].sort()).toEqual([
      ['a', [1, 3]],
      ['b', [2]],
    ])
    expect(t.result.table.get('c')).toBeUndefined()
    expect((await t.state('lists')).map(({ task, key, value }) => [task, key, value])).toEqual([
      ['in/0', 'a', [1, 3]],
      ['in/1', 'b', [2]],
    ])
    expect(await t.state('table')).toEqual([])
    await t.stop()
  })
})

test('against recomputing: every result, and every change', () => {
  const given = fc.array(
    fc.record({
      key: fc.option(fc.constantFrom('a', 'b', 'c')),
      value: fc.option(fc.integer({ min: 0, max: 99 }), { freq: 8 }),
      time: fc.nat(20),
    }),
    { maxLength: 30 },
  )
  fc.assert(
    fc.property(given, (records) => {
      const stream = from(records.map(({ key, value, time }) => record(key, value, time))).pipe(aggregate(collect()))
      const expected = records.flatMap(({ key, value }, index) => {
        if (key === null || value === null) return []
        const behind = records.slice(0, index + 1).filter((other) => other.key === key && other.value !== null)
        return [{ key, value: behind.map((other) => other.value), timestamp: Math.max(...behind.map((o) => o.time)) }]
      })
      const results: unknown[] = []
      stream.subscribe((r) => results.push(r))
      expect(results).toEqualRecords(expected)

      const changes: Change<string, any>[] = []
      local(toTable('t', stream as any).changes()).subscribe((c: any) => changes.push(c))
      expect(changes).toEqualRecords(
        expected.map((change) => ({
          ...change,
          previous: change.value.length === 1 ? null : change.value.slice(0, -1),
        })),
      )
    }),
    { seed: 21, numRuns: 200 },
  )
})

test('its time is the highest timestamp that it has accepted, null keys and values apart', async () => {
  const t = await testApp(
    (app) => {
      const numbers = app.stream<number>('in', { value: json() })
      app.run('counts', numbers.pipe(aggregate(count(), { name: 'of-keys' })))
    },
    { topics: { in: 1 } },
  )
  await t.send('in', { key: 'k', value: 1, timestamp: 7 })
  await t.send('in', { key: 'k', value: 1, timestamp: 5 })
  await t.send('in', { key: null, value: 1, timestamp: 20 })
  await t.send('in', { key: 'k', value: null, timestamp: 30 })
  await t.settle()
  expect(t.app.explain({ operator: 'of-keys' }).tasks.map(({ time }) => time)).toEqual([7])
  await t.stop()
})

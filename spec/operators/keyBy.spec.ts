import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { map } from 'rxjs'
import { aggregate, collect, json, keyBy, record, string, toTable, toTopic, tumblingWindow } from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

expect.extend(matchers)

test('its diagram', async () => {
  const [source, out] = ['a--b--c--|', 'x--y--z--|']
  expectDrawn('operators/keyBy.ts', `in                        ${source}`, `keyBy(r => r.value.user)  ${out}`)
  const [ann, bob] = [{ user: 'ann' }, { user: 'bob' }]
  await runMarbles({
    source,
    out,
    values: { a: [1, ann], b: [2, bob], c: [3, ann], x: ['ann', ann], y: ['bob', bob], z: ['ann', ann] },
    pipeline: (s) => s.pipe(keyBy((r) => r.value.user)),
  })
})

describe('laws', () => {
  const input = [3, 1, 2, 7, 5].map((time, i) => record('x', i, time))
  for (const law of operatorLaws(() => keyBy((r: { value: number }) => r.value % 2, { name: 'parity' }), input))
    test(law.name, law.run)
})

describe('edges', () => {
  test.each([
    { name: 'an empty source', source: '|', out: '|' },
    { name: 'an error', source: 'a#', out: 'x#' },
    { name: 'no key: dropped', source: 'na|', out: '-x|' },
    { name: 'a null value passes, and timestamps stay', source: 'v@9|', out: 'y@9|' },
  ])('$name', async ({ source, out }) => {
    const values = { a: ['ann', 1], n: [null, 1], v: ['bob', null], x: ['ANN', 1], y: ['BOB', null] } as const
    await runMarbles({ source, out, values, pipeline: (s) => s.pipe(keyBy((r) => r.key?.toUpperCase())) })
  })
})

describe('in an app', () => {
  const open = (keyOf: (r: any) => any, options: object = {}) =>
    testApp(
      (app) => {
        const stream = app.stream<number>('in', { value: json() })
        app.run('out', stream.pipe(keyBy(keyOf, { name: 'by', ...options }), toTopic('out', { key: json<any>() })))
      },
      { topics: { in: 3, out: { partitions: 1, key: json() } } },
    )

  test('records pass through an internal topic with as many partitions as the input, in the order of each key', async () => {
    const t = await open((r) => r.value % 2)
    await t.send(
      'in',
      [0, 1, 2, 3].map((value) => ({ value, timestamp: 10 + value, partition: 0 })),
    )
    await t.settle()
    expect((await t.broker.topics()).get('test-by-repartition')).toBe(3)
    const out = await t.records('out')
    expect(out.filter((r) => r.key === 0)).toEqualRecords([
      { key: 0, value: 0, timestamp: 10 },
      { key: 0, value: 2, timestamp: 12 },
    ])
    expect(out.filter((r) => r.key === 1)).toEqualRecords([{ value: 1 }, { value: 3 }])
    await t.stop()
  })

  test('options: partitions and key serde of the internal topic', async () => {
    const t = await open((r) => `k${r.value}`, { partitions: 5, key: string() })
    await t.send('in', { value: 1, timestamp: 1 })
    await t.settle()
    expect((await t.broker.topics()).get('test-by-repartition')).toBe(5)
    expect(await t.records('out')).toEqualRecords([{ key: 'k1', value: 1 }])
    await t.stop()
  })

  test('a record without a key is dropped and counted; headers of users stay, ours do not show', async () => {
    const t = await open((r) => (r.value === 0 ? null : 'k'))
    const headers = [['trace', new Uint8Array([7])]] as const
    await t.send(
      'in',
      [0, 1].map((value) => ({ value, timestamp: 1, headers })),
    )
    await t.settle()
    expect((await t.records('out')).map((r) => r.headers.map(([name, bytes]) => [name, [...(bytes ?? [])]]))).toEqual([
      [['trace', [7]]],
    ])
    const dropped = t.app.stats().tasks.flatMap((task) => task.dropped)
    expect(dropped).toEqual([{ operator: 'by', reason: 'null key', count: 1 }])
    await t.stop()
  })

  test('what was a windowed result in the topic that it is read from is a plain record', async () => {
    const t = await testApp(
      (app) => {
        const stream = app.stream<number>('in', { value: json() })
        app.run('results', stream.pipe(tumblingWindow(10), aggregate(collect(), { name: 'lists' }), toTopic('results')))
        const results = app.stream<number[]>('results', { value: json() })
        const latest = toTable('latest', results.pipe(keyBy((r) => r.key, { name: 'by' })))
        app.run('latest', latest.changes())
      },
      { topics: { in: 1, results: 1 } },
    )
    await t.send('in', { key: 'k', value: 1, timestamp: 5 })
    await t.settle()
    expect(t.errors).toEqual([])
    expect(await t.state('latest')).toMatchObject([{ key: 'k', value: [1] }])
    await t.stop()
  })

  test.each([Number.NaN, -1, Number.POSITIVE_INFINITY])('a timestamp of %s is BAD_TIMESTAMP', async (timestamp) => {
    const t = await testApp(
      (app) => {
        const stream = app.stream<number>('in', { value: json() })
        const bent = stream.pipe(map((r) => ({ ...r, timestamp })))
        app.run('x', bent.pipe(keyBy((r) => r.key, { name: 'by' })))
      },
      { topics: { in: 1 } },
    )
    await t.send('in', { key: 'k', value: 1, timestamp: 5 })
    const place = { operator: 'by', topic: 'in', partition: 0, offset: 0, key: 'k' }
    await expect(t.settle()).rejects.toMatchObject({ code: 'BAD_TIMESTAMP', place })
    await t.stop()
  })

  test('a shuffle makes no record late, however far apart the partitions are', async () => {
    // Partition 0 is a minute behind partition 1; by the newest timestamp of the reader all its records would be late.
    const far = 60_000
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 12 }), async (turns) => {
        const t = await testApp(
          (app) => {
            const stream = app.stream<number>('in', {
              value: json(),
              watermark: { maxOutOfOrderness: 0, idleTimeout: '1m' },
            })
            const windows = stream.pipe(
              keyBy(() => 'all', { name: 'all' }),
              tumblingWindow(100),
              aggregate(collect(), { emit: 'close' }),
            )
            app.run('out', windows.pipe(toTopic('out')))
          },
          { topics: { in: 2, out: 1 } },
        )
        const sent = turns.map((isFirst, i) => ({
          value: i,
          timestamp: 1_000 + i + (isFirst ? 0 : far),
          partition: isFirst ? 0 : 1,
        }))
        for (const one of sent) {
          await t.send('in', one)
          await t.settle()
        }
        await t.advance('3m')
        const seen = (await t.records('out')).flatMap((r) => r.value as number[])
        expect(seen.sort((a, b) => a - b)).toEqual(sent.map((one) => one.value))
        await t.stop()
      }),
      { seed: 5, numRuns: 15 },
    )
  })
})

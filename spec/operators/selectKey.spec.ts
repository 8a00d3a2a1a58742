import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { from } from 'rxjs'
import { aggregate, collect, json, peek, record, type StreamRecord, selectKey, toTopic, tumblingWindow } from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

expect.extend(matchers)

test('its diagram', async () => {
  const [source, out] = ['a--b--c--|', 'x--y--z--|']
  expectDrawn(
    'operators/selectKey.ts',
    `in                            ${source}`,
    `selectKey(r => r.value.user)  ${out}`,
  )
  const [ann, nobody] = [{ user: 'ann' }, { user: null }]
  await runMarbles({
    source,
    out,
    values: { a: [1, ann], b: [2, nobody], c: [3, ann], x: ['ann', ann], y: [null, nobody], z: ['ann', ann] },
    pipeline: (s) => s.pipe(selectKey((r) => r.value.user)),
  })
})

describe('laws', () => {
  const input = [3, 1, 2, 7, 5].map((time, i) => record('x', i, time))
  for (const law of operatorLaws(() => selectKey((r: { value: number }) => [r.value % 2, 'k']), input))
    test(law.name, law.run)
})

describe('edges', () => {
  test.each([
    { name: 'an empty source', source: '|', out: '|' },
    { name: 'an error', source: 'a#', out: 'x#' },
    { name: 'undefined is null', source: 'u|', out: 'm|' },
    { name: 'a null value passes, and timestamps stay', source: 'v@9|', out: 'y@9|' },
    { name: 'the window of a result stays', source: 'w|', out: 'z|' },
  ])('$name', async ({ source, out }) => {
    const window = { start: 0, end: 10 }
    const values = {
      a: ['ann', 1],
      u: [null, 1],
      v: ['bob', null],
      w: { key: 'ann', value: 1, window, final: true },
      x: ['ANN', 1],
      m: [null, 1],
      y: ['BOB', null],
      z: { key: 'ANN', value: 1, window, final: true },
    } as const
    await runMarbles({ source, out, values, pipeline: (s) => s.pipe(selectKey((r) => r.key?.toUpperCase())) })
  })

  test('a declared window stays', async () => {
    await runMarbles({
      source: 'ab----------a|',
      out: '   ------------x(y|)',
      values: {
        a: ['ann', 1],
        b: ['bob', 2],
        x: { key: 'all', value: [1, 2], window: { start: 0, end: 10 } },
        y: { key: 'all', value: [1], window: { start: 10, end: 20 } },
      },
      pipeline: (s) =>
        s.pipe(
          tumblingWindow(10),
          selectKey(() => 'all'),
          aggregate(collect(), { emit: 'close' }),
        ),
    })
  })

  test.each([Number.NaN, {}, ['a', undefined]])('%p is BAD_KEY, with the place', (key) => {
    const errors: unknown[] = []
    from([record('a', 1, 5, { topic: 't', offset: 2 })])
      .pipe(selectKey(() => key as never))
      .subscribe({ error: (error) => errors.push(error) })
    expect(errors).toMatchObject([{ code: 'BAD_KEY', place: { operator: 'selectKey', topic: 't', offset: 2 } }])
  })

  test('in an app records stay where they are, and a topic gets them by their new key', async () => {
    const seen: [key: string, partition: number][] = []
    const t = await testApp(
      (app) => {
        const stream = app.stream<string>('in', { value: json() })
        const byValue = stream.pipe(selectKey((r) => r.value))
        app.run(
          'out',
          byValue.pipe(
            peek((r) => seen.push([r.key, r.partition])),
            toTopic('out'),
          ),
        )
        return app.describe()
      },
      { topics: { in: 2, out: 3 } },
    )
    await t.send('in', [
      { value: 'x', timestamp: 1, partition: 0 },
      { value: 'x', timestamp: 2, partition: 1 },
    ])
    await t.settle()
    expect(t.result.match(/sub-topology/g)).toHaveLength(1)
    expect(seen.sort()).toEqual([
      ['x', 0],
      ['x', 1],
    ])
    const out = await t.records('out')
    expect(out).toEqualRecords([
      { key: 'x', timestamp: 1 },
      { key: 'x', timestamp: 2 },
    ])
    expect(new Set(out.map((r) => r.partition)).size).toBe(1)
    await t.stop()
  })
})

test('against recomputing: with partitioned: true, state by a key that the old one is part of is right, also after a crash', async () => {
  const given = fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd'), item: fc.nat(2) }), { maxLength: 20 })
  await fc.assert(
    fc.asyncProperty(given, fc.nat(20), async (records, crashAt) => {
      const t = await testApp(
        (app) => {
          const stream = app.stream<number>('in', { value: json() })
          const lists = stream.pipe(
            selectKey((r) => [r.key, r.value % 3], { partitioned: true }),
            aggregate(collect<StreamRecord<any, number>>(), { name: 'lists' }),
          )
          app.run('out', lists.pipe(toTopic('out', { key: json<any>() })))
        },
        { topics: { in: 3, out: { partitions: 1, key: json() } } },
      )
      for (const [i, { key, item }] of records.entries()) {
        await t.send('in', { key, value: item + 3 * i, timestamp: i })
        await t.settle({ checkpoint: i % 2 === 0 })
        if (i !== crashAt) continue
        await t.crash()
        await t.restart()
      }
      await t.settle()
      const out = await t.records('out')
      for (const key of ['a', 'b', 'c', 'd'])
        for (const item of [0, 1, 2]) {
          const numbers = records.flatMap((r, i) => (r.key === key && r.item === item ? [item + 3 * i] : []))
          expect(out.filter((r) => r.key[0] === key && r.key[1] === item)).toEqualRecords(
            numbers.map((_, i) => ({ value: numbers.slice(0, i + 1) })),
          )
        }
      expect(t.errors).toEqual([])
      await t.stop()
    }),
    { seed: 51, numRuns: 30 },
  )
})

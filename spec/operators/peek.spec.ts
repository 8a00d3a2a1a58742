import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { from, merge } from 'rxjs'
import { json, mapValues, peek, record, toTopic } from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

expect.extend(matchers)

const values = { a: ['ann', 1], b: ['bob', 2], n: [null, null] } as const

test('its diagram', async () => {
  const source = 'a--b--|'
  expectDrawn('operators/peek.ts', `in          ${source}`, `peek(look)  ${source}     look(a), look(b)`)
  const seen: unknown[] = []
  await runMarbles({ source, out: source, values, pipeline: (s) => s.pipe(peek((r) => seen.push([r.key, r.value]))) })
  expect(seen).toEqual([values.a, values.b])
})

describe('laws', () => {
  const input = [3, 1, 2, 7].map((time, i) => record(['ann', 'bob'][i % 2] as string, i, time))
  for (const law of operatorLaws(() => peek(() => {}), input)) test(law.name, law.run)
})

describe('edges', () => {
  test.each([
    { name: 'an empty source', source: '|' },
    { name: 'an error', source: 'a-#' },
    { name: 'null keys and values', source: 'an|' },
    { name: 'timestamps out of order', source: 'a@9-b@3|' },
  ])('$name', async ({ source }) => {
    await runMarbles({ source, out: source, values, pipeline: (s) => s.pipe(peek(() => {})) })
  })

  test('it comes before what follows, and records stay the same objects', () => {
    const steps: unknown[] = []
    const given = record('a', 1, 1)
    from([given])
      .pipe(peek((r) => steps.push('peek', r)))
      .subscribe((r) => steps.push('out', r))
    expect(steps).toEqual(['peek', given, 'out', given])
    expect(steps[3]).toBe(given)
  })

  test('what it throws comes out with the place', () => {
    const errors: unknown[] = []
    from([record('a', 1, 1, { topic: 't', partition: 2, offset: 3 })])
      .pipe(
        peek(() => {
          throw new RangeError('boom')
        }),
      )
      .subscribe({ error: (error) => errors.push(error) })
    expect(errors).toMatchObject([
      { code: 'OPERATOR_FAILED', place: { operator: 'peek', topic: 't', partition: 2, offset: 3, key: 'a' } },
    ])
  })
})

test('in an app: once per record, however many branches follow; again after a crash', async () => {
  const seen: number[] = []
  const t = await testApp(
    (app) => {
      const peeked = app.stream<number>('in', { value: json() }).pipe(peek((r) => seen.push(r.value)))
      app.run('both', merge(peeked, peeked.pipe(mapValues((v) => -v))).pipe(toTopic('out')))
    },
    { topics: { in: 1, out: 1 } },
  )
  await t.send('in', { key: 'k', value: 1 })
  await t.settle()
  await t.send('in', { key: 'k', value: 2 })
  await t.settle({ checkpoint: false })
  expect(seen).toEqual([1, 2])
  await t.crash()
  await t.restart()
  expect(seen).toEqual([1, 2, 2])
  expect((await t.records('out')).map((r) => r.value).sort()).toEqual([-1, -2, 1, 2])
  await t.stop()
})

test('against the list: each record is looked at once, right before it comes out', () => {
  const given = fc.array(
    fc.record({ key: fc.option(fc.string()), value: fc.option(fc.integer()), timestamp: fc.nat() }),
  )
  fc.assert(
    fc.property(given, (all) => {
      const records = all.map(({ key, value, timestamp }) => record(key, value, timestamp))
      const steps: unknown[] = []
      from(records)
        .pipe(peek((r) => steps.push(['looked at', r])))
        .subscribe((r) => steps.push(['out', r]))
      expect(steps).toEqual(
        records.flatMap((r) => [
          ['looked at', r],
          ['out', r],
        ]),
      )
    }),
    { seed: 65, numRuns: 100 },
  )
})

import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { from } from 'rxjs'
import { aggregate, collect, mapValues, record, tumblingWindow } from 'tidemark'
import { operatorLaws, runMarbles } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

test('its diagram', async () => {
  const [source, out] = ['a--b--|', 'x--y--|']
  expectDrawn('operators/mapValues.ts', `in                      ${source}`, `mapValues(v => v * 10)  ${out}`)
  await runMarbles({
    source,
    out,
    values: { a: ['ann', 1], b: ['bob', 2], x: ['ann', 10], y: ['bob', 20] },
    pipeline: (s) => s.pipe(mapValues((v) => v * 10)),
  })
})

describe('laws', () => {
  const input = [3, 1, 2].map((time, i) => record('ann', i, time))
  for (const law of operatorLaws(() => mapValues((v: number) => v + 1), input)) test(law.name, law.run)
})

describe('edges', () => {
  test.each([
    { name: 'an empty source', source: '|', out: '|' },
    { name: 'an error', source: 'a#', out: 'x#' },
    { name: 'null keys and values pass, and timestamps stay', source: '(nk@9)|', out: '(pq@9)|' },
  ])('$name', async ({ source, out }) => {
    const values = {
      a: ['ann', 1],
      n: ['ann', null],
      k: [null, 1],
      x: ['ann', '1'],
      p: ['ann', 'null'],
      q: [null, '1'],
    }
    await runMarbles({ source, out, values: values as any, pipeline: (s) => s.pipe(mapValues((v) => `${v}`)) })
  })

  test('a window stays declared, and a windowed result keeps its window', async () => {
    const x = { key: 'ann', value: 1, window: { start: 0, end: 10 }, final: true }
    await runMarbles({
      source: 'a|',
      out: '   -(x|)',
      values: { a: ['ann', 5], x },
      pipeline: (s) =>
        s.pipe(
          tumblingWindow(10),
          mapValues((v) => v + 1),
          aggregate(collect(), { emit: 'close' }),
          mapValues((list) => list.length),
        ),
    })
  })

  test('what the function throws comes out with the place', () => {
    const seen: unknown[] = []
    const boom = () => {
      throw new RangeError('boom')
    }
    from([record('a', 1, 1, { topic: 't', offset: 3 })])
      .pipe(mapValues(boom))
      .subscribe({ error: (error) => seen.push(error) })
    expect(seen).toMatchObject([
      { code: 'OPERATOR_FAILED', place: { operator: 'mapValues', topic: 't', offset: 3, key: 'a' } },
    ])
  })
})

test('against mapping the list: only the value is another', () => {
  const given = fc.array(
    fc.record({
      key: fc.option(fc.string()),
      value: fc.option(fc.integer()),
      timestamp: fc.nat(),
      partition: fc.nat(9),
      offset: fc.nat(),
    }),
  )
  fc.assert(
    fc.property(given, (all) => {
      const records = all.map(({ key, value, timestamp, ...place }) => record(key, value, timestamp, place))
      const seen: unknown[] = []
      from(records)
        .pipe(mapValues((value, { key }) => [value, key]))
        .subscribe((r) => seen.push(r))
      expect(seen).toEqual(records.map((r) => ({ ...r, value: [r.value, r.key] })))
    }),
    { seed: 64, numRuns: 100 },
  )
})

import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { from, map, merge } from 'rxjs'
import { local, mapValues, record, shared } from 'tidemark'
import { operatorLaws, runMarbles } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

test('its diagram', async () => {
  const source = 'a--b--|'
  expectDrawn('operators/shared.ts', `in        ${source}`, `shared()  ${source}`)
  await runMarbles({
    source,
    out: source,
    values: { a: ['ann', 1], b: ['bob', 2] },
    pipeline: (s) => s.pipe(shared()),
  })
})

describe('laws', () => {
  const input = [3, 1, 2, 7].map((time, i) => record(['ann', 'bob'][i % 2] as string, i, time))
  for (const law of operatorLaws(() => shared(), input)) test(law.name, law.run)
})

describe('edges', () => {
  test.each([
    ['an empty source', '|'],
    ['an error', 'a-#'],
    ['timestamps stay', 'a@9-a@3|'],
    ['null keys and values pass', 'n|'],
  ])('%s', async (_, source) => {
    const values = { a: ['ann', 1], n: [null, null] } as const
    await runMarbles({ source, out: source, values, pipeline: (s) => s.pipe(shared()) })
  })

  test('plain operators before it run once, however many branches follow', async () => {
    let runs = 0
    await runMarbles({
      source: 'a---b---|',
      out: '   (yx)(wz)|',
      values: { a: ['k', 1], b: ['k', 2], x: ['k', 1], y: ['k', -1], z: ['k', 2], w: ['k', -2] },
      pipeline: (s) => {
        const one = s.pipe(
          map((r) => {
            runs++
            return r
          }),
          shared(),
        )
        return merge(one, one.pipe(mapValues((v) => -v)))
      },
    })
    expect(runs).toBe(2)
  })
})

test('against mapping in each branch: every branch gets every record, before the next one comes', () => {
  const given = fc.array(fc.record({ key: fc.constantFrom('a', 'b'), value: fc.nat(9), time: fc.nat(20) }))
  fc.assert(
    fc.property(given, fc.integer({ min: 1, max: 4 }), (all, branches) => {
      const records = all.map(({ key, value, time }) => record(key, value, time))
      let runs = 0
      const one = from(records).pipe(
        map((r) => {
          runs++
          return r
        }),
        shared(),
      )
      const numbers = Array.from({ length: branches }, (_, n) => n)
      const seen: unknown[][] = []
      local(merge(...numbers.map((n) => one.pipe(mapValues((value) => [n, value]))))).subscribe(({ key, value }) =>
        seen.push([key, ...value]),
      )
      expect(runs).toBe(records.length)
      const inOrder = (a: unknown[], b: unknown[]) => Number(a[1]) - Number(b[1])
      const perRecord = records.map((_, i) => seen.slice(i * branches, (i + 1) * branches).sort(inOrder))
      expect(perRecord).toEqual(records.map(({ key, value }) => numbers.map((n) => [key, n, value])))
      expect(seen).toHaveLength(records.length * branches)
    }),
    { seed: 62, numRuns: 100 },
  )
})

import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { Observable } from 'rxjs'
import { json, record, type StreamRecord, tableMapValues, toStream, toTable, toTopic } from 'tidemark'
import { matchers, operatorLaws, runMarbles } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'
import { crashingTables, historyOf, upserts } from './crashingTables.js'

expect.extend(matchers)

type Rows = Observable<StreamRecord<string, number | null>>

const values = {
  a: ['ann', 1],
  b: ['bob', 2],
  d: ['ann', null],
  x: ['ann', 10],
  y: ['bob', 20],
  p: { key: 'ann', value: 10, previous: null },
  s: { key: 'ann', value: null, previous: 10 },
  n: { key: 'ann', value: null, previous: null },
  u: { key: 'bob', value: null, previous: null },
} as const

const tenfold = (name?: string) =>
  tableMapValues<string, number, undefined, number>((v) => v * 10, name === undefined ? {} : { name })

test('its diagram', async () => {
  const [source, out] = ['a--b--d--|', 'x--y--d--|']
  expectDrawn('tables/tableMapValues.ts', `table  ${source}`, `out    ${out}`)
  await runMarbles({ source, out, values, pipeline: (s) => toTable('t', s as Rows).pipe(tenfold(), toStream()) })
})

describe('laws', () => {
  const input = [6, 2, null, 7, 8, 1, 9, null].map((value, i) => record(['ann', 'bob'][i % 2] as string, value, i))
  for (const name of ['tenfold', undefined]) {
    const chain = () => (s: Rows) => toTable('t', s).pipe(tenfold(name), toStream())
    for (const law of operatorLaws(chain, input)) test(`${name ?? 'unnamed'}: ${law.name}`, law.run)
  }
})

describe('edges', () => {
  test.each([
    { name: 'an empty table', source: '|', out: '|' },
    { name: 'an error', source: 'a#', out: 'p#' },
    { name: 'what was before is mapped too', source: 'ad', out: 'ps' },
    { name: 'a delete of nothing passes on', source: 'd', out: 'n' },
    { name: 'timestamps stay', source: 'a@9', out: 'p@9' },
  ])('$name', async ({ source, out }) => {
    await runMarbles({
      source,
      out,
      values,
      pipeline: (s) =>
        toTable('t', s as Rows)
          .pipe(tenfold())
          .changes(),
    })
  })

  test("what was before isn't known where the table doesn't know it, unless it keeps rows itself", async () => {
    const changes = async (name: string | undefined) => {
      const { records } = await runMarbles({
        source: 'ad',
        values: { a: ['ann', 1], d: ['ann', null] },
        pipeline: (s) =>
          toTable(undefined, s as Rows)
            .pipe(tenfold(name))
            .changes(),
      })
      return records.map(({ previous }) => previous)
    }
    expect(await changes(undefined)).toEqual([undefined, undefined])
    expect(await changes('tenfold')).toEqual([null, 10])
  })

  test('null from it is a delete; it is called for no delete', async () => {
    const called: number[] = []
    await runMarbles({
      source: 'abd',
      out: '   pus',
      values,
      pipeline: (s) =>
        toTable('t', s as Rows)
          .pipe(
            tableMapValues((v) => {
              called.push(v)
              return v === 2 ? null : v * 10
            }),
          )
          .changes(),
    })
    expect(called).toEqual([1, 2, 1])
  })
})

test.each([['tenfold'], [undefined]])('against recomputing, in an app with crashes: %s', async (name) => {
  await fc.assert(
    fc.asyncProperty(upserts(['rows']), fc.nat(25), async (records, crashAt) => {
      const { out, read, state } = await crashingTables(
        ['rows'],
        (app) => {
          const mapped = app.table<number>('rows', { value: json(), name: 'rows' }).pipe(tenfold(name))
          app.run('out', mapped.pipe(toStream(), toTopic('out')))
          return mapped
        },
        records,
        crashAt,
        (mapped) => [...mapped.entries()].sort(),
        { state: name },
      )
      const present: [string, number][] = []
      for (const key of ['a', 'b', 'c']) {
        const own = records.filter((one) => one.key === key)
        expect(out.filter((r) => r.key === key)).toEqualRecords(
          own.map(({ value, time }) => ({ value: value === null ? null : value * 10, timestamp: time })),
        )
        const last = historyOf(records, 'rows', key).at(-1)?.after ?? null
        if (last !== null) present.push([key, last * 10])
      }
      expect(read).toEqual(present)
      expect(state.map(({ key, value }) => [key, value]).sort()).toEqual(name === undefined ? [] : present)
    }),
    { seed: 52, numRuns: 25 },
  )
})

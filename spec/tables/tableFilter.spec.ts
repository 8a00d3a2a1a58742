import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { Observable } from 'rxjs'
import { json, record, type StreamRecord, tableFilter, toStream, toTable, toTopic } from 'tidemark'
import { matchers, operatorLaws, runMarbles } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'
import { crashingTables, historyOf, upserts } from './crashingTables.js'

expect.extend(matchers)

type Rows = Observable<StreamRecord<string, number | null>>

const values = {
  a: ['ann', 6],
  b: ['bob', 3],
  c: ['ann', 1],
  d: ['ann', 2],
  e: ['ann', null],
  f: ['ann', 7],
  x: ['ann', null],
  y: ['bob', null],
} as const

const large = () => tableFilter<string, number, undefined>(({ value }) => value > 4)

const run = (name: string | undefined, source: string, out: string) =>
  runMarbles({
    source,
    out,
    values,
    pipeline: (s) => toTable(name, s as Rows).pipe(large(), toStream()),
  })

describe('its diagram', () => {
  const source = 'a--b--c--d--e--|'
  test.each([
    ['knows what was', 't', 'a-----x--------|'],
    ["doesn't know it", undefined, 'a--y--x--x--x--|'],
  ])('%s', async (label, name, out) => {
    expectDrawn('tables/tableFilter.ts', `table                ${source}`, `${label.padEnd(20)} ${out}`)
    await run(name, source, out)
  })
})

describe('laws', () => {
  const input = [6, 2, null, 7, 8, 1, 9, null].map((value, i) => record(['ann', 'bob'][i % 2] as string, value, i))
  for (const name of ['known', undefined]) {
    const chain = () => (s: Rows) => toTable(name, s).pipe(large(), toStream())
    for (const law of operatorLaws(chain, input)) test(`${name ?? 'unknown'}: ${law.name}`, law.run)
  }
  const named = () => (s: Rows) =>
    toTable('t', s).pipe(
      tableFilter(({ value }) => value > 4, { name: 'large' }),
      toStream(),
    )
  for (const law of operatorLaws(named, input)) test(`named: ${law.name}`, law.run)
})

describe('edges', () => {
  test.each([
    { name: 'an empty table', known: 't', source: '|', out: '|' },
    { name: 'an error', known: 't', source: 'a#', out: 'a#' },
    { name: 'a delete of nothing', known: 't', source: 'e', out: '-' },
    { name: 'a delete of nothing that is known', known: undefined, source: 'e', out: 'x' },
    { name: 'another value that passes', known: 't', source: 'af', out: 'af' },
    { name: 'one that passes again', known: 't', source: 'aca', out: 'axa' },
    { name: 'timestamps stay, also of deletes', known: 't', source: 'a@9-c@3', out: 'a@9-x@3' },
  ])('$name', async ({ known, source, out }) => {
    await run(known, source, out)
  })

  test('what the predicate throws comes out with the place', async () => {
    const { error } = await runMarbles({
      source: 'a',
      values,
      pipeline: (s) =>
        toTable('t', s as Rows)
          .pipe(
            tableFilter(() => {
              throw new RangeError('boom')
            }),
          )
          .changes(),
    })
    expect(error).toMatchObject({ code: 'OPERATOR_FAILED', place: { operator: 'tableFilter', key: 'ann' } })
  })
})

describe('against recomputing, in an app with crashes', () => {
  test.each([
    ['knows what was', 'rows', undefined],
    ['knows it and keeps its own rows', 'rows', 'large'],
    ["doesn't know it", undefined, undefined],
    ["doesn't know it, but keeps its own rows", undefined, 'large'],
  ])('%s', async (_, tableName, name) => {
    await fc.assert(
      fc.asyncProperty(upserts(['rows']), fc.nat(25), async (records, crashAt) => {
        const { out, read, state } = await crashingTables(
          ['rows'],
          (app) => {
            const table = app.table<number>('rows', { value: json(), ...(tableName && { name: tableName }) })
            const filtered = table.pipe(tableFilter(({ value }) => value > 4, name === undefined ? {} : { name }))
            app.run('out', filtered.pipe(toStream(), toTopic('out')))
            return filtered
          },
          records,
          crashAt,
          (filtered) => ((tableName ?? name) === undefined ? [] : [...filtered.entries()].sort()),
          { state: name },
        )
        const passed = (value: number | null) => (value !== null && value > 4 ? value : null)
        const present: [string, number][] = []
        for (const key of ['a', 'b', 'c']) {
          const history = historyOf(records, 'rows', key)
          const expected = records.flatMap((one, i) => {
            const { before, after } = history[i] as { before: number | null; after: number | null }
            if (one.key !== key) return []
            if (tableName !== undefined && passed(before) === null && passed(after) === null) return []
            return [{ value: passed(after), timestamp: one.time }]
          })
          expect(out.filter((r) => r.key === key)).toEqualRecords(expected)
          const last = passed(history[history.length - 1]?.after ?? null)
          if (last !== null) present.push([key, last])
        }
        if ((tableName ?? name) !== undefined) expect(read).toEqual(present)
        expect(state.map(({ key, value }) => [key, value]).sort()).toEqual(name === undefined ? [] : present)
      }),
      { seed: 51, numRuns: 25 },
    )
  })
})

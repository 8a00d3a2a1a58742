import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { from } from 'rxjs'
import { type Aggregator, aggregate, local, record, sessionWindow, tableGroupBy, toTable } from 'tidemark'
import { Fold } from './aggregatorLaws.js'
import { EACH } from './each.js'

type Any = Aggregator<any, any, any>

/** Each by itself, and one beside another. */
const all: [name: string, make: () => Any][] = Object.entries(EACH).map(([name, make]) => [
  name,
  () => make({ retractable: true }),
])

const resultOf = (make: () => Any, values: readonly number[]) => new Fold(make()).addAll(values).result()

describe('in sessions, of which records make one', () => {
  const GAP = 4
  const times = fc.array(fc.nat(60), { minLength: 1, maxLength: 25 })

  test.each(all)('%s', (_name, make) => {
    fc.assert(
      fc.property(times, (given) => {
        // Where the order of records counts it is that of their timestamps.
        const ordered = make().commutes === true ? given : [...given].sort((a, b) => a - b)
        const results: unknown[] = []
        from(ordered.map((time) => record('ann', (time * 7) % 5, time)))
          .pipe(sessionWindow(GAP, { grace: 100 }), aggregate(make(), { emit: 'close' }))
          .subscribe(({ value }) => results.push(value))
        const sorted = [...given].sort((a, b) => a - b)
        const sessions: number[][] = []
        sorted.forEach((time, i) => {
          if (i === 0 || time - (sorted[i - 1] as number) > GAP) sessions.push([])
          sessions.at(-1)?.push((time * 7) % 5)
        })
        expect(results).toEqual(sessions.map((values) => resultOf(make, values)))
      }),
      { seed: 41, numRuns: 60 },
    )
  })
})

describe('in groups of a table whose rows change', () => {
  type Given = { key: string; row: { team: string; n: number } | null }
  const changes = fc.array(
    fc.record({
      key: fc.constantFrom('a', 'b', 'c', 'd'),
      row: fc.option(fc.record({ team: fc.constantFrom('x', 'y'), n: fc.nat(4) }), { freq: 4 }),
    }),
    { maxLength: 25 },
  )
  const retractable = all.filter(([, make]) => make().remove !== undefined)

  test.each(retractable)('%s', (_name, make) => {
    fc.assert(
      fc.property(changes, (given: readonly Given[]) => {
        const source = from(given.map(({ key, row }, i) => record(key, row, i)))
        const teams = toTable('rows', source).pipe(
          tableGroupBy(({ value }) => value.team, make(), { name: 'teams', select: ({ value }) => value.n }),
        )
        const results = new Map<string, unknown>()
        local(teams.changes()).subscribe(({ key, value }) => {
          if (value === null) results.delete(key)
          else results.set(key, value)
        })
        // A row that is written again comes last.
        const rows = new Map<string, { team: string; n: number }>()
        const known = new Set<string>()
        for (const { key, row } of given) {
          rows.delete(key)
          if (row === null) continue
          rows.set(key, row)
          known.add(row.team)
        }
        for (const team of known) {
          const values = [...rows.values()].filter((row) => row.team === team).map(({ n }) => n)
          const emptied = new Fold(make()).add(1).remove(1)
          if (values.length > 0) expect(results.get(team) ?? null).toEqual(resultOf(make, values))
          else expect(results.get(team) ?? null).toEqual(emptied.acc === null ? null : emptied.result())
        }
      }),
      { seed: 43, numRuns: 60 },
    )
  })
})

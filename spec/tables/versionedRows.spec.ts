import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { VersionedRows } from '../../lib/tables/versionedRows.js'
import { SeriesState } from '../../lib/task/seriesState.js'

/** A home that keeps what was committed, in no particular order. */
const home = (entries = new Map<string, Uint8Array>()) => ({
  entries,
  tracked: true,
  restored: (name: string) =>
    [...entries].reverse().map(([key, value]) => [key.slice(`s/${name}/`.length), value] as const),
})

interface Version {
  readonly key: string
  readonly at: number
  readonly value: number | null
}

const KEYS = ['a', 'b', '']

/** All versions that were ever put, and what follows from them by looking at each. */
class Model {
  versions: Version[] = []
  newest = Number.NEGATIVE_INFINITY

  constructor(private readonly history: number) {}

  get bound(): number {
    return this.newest - this.history
  }

  of(key: string): Version[] {
    return this.versions.filter((one) => one.key === key).sort((a, b) => a.at - b.at)
  }

  valid(key: string, time: number): Version | undefined {
    return this.of(key).findLast(({ at }) => at <= time)
  }

  set(key: string, at: number, value: number | null): void {
    this.versions = [...this.versions.filter((one) => one.key !== key || one.at !== at), { key, at, value }]
  }

  asOf(key: string, time: number): number | null {
    const latest = this.of(key).at(-1)
    if (latest !== undefined && latest.at <= time) return latest.value
    return time < this.bound ? null : (this.valid(key, time)?.value ?? null)
  }

  /** Versions without which some look-up, or the place of some late record, would come out wrong. */
  needed(): Version[] {
    return KEYS.flatMap((key) =>
      this.of(key).filter(({ at, value }, i, all) => {
        const next = all[i + 1]?.at ?? Number.POSITIVE_INFINITY
        return value === null ? at > this.bound : next > this.bound
      }),
    )
  }
}

/** Time goes on by 3 with each step; `off`: how far from there. */
const step = fc.record({
  op: fc.constantFrom('put', 'put', 'put', 'put', 'put', 'end', 'restart'),
  key: fc.constantFrom(...KEYS),
  off: fc.constantFrom(0, 0, 0, -3, -3, -6, -9, -15, -24, 6),
  value: fc.option(fc.nat(99), { freq: 3 }),
})

test.each([0, 7, 20, 100])('against a scan of all versions, with restarts: history of %s', (history) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const stored = home()
      const model = new Model(history)
      let series = new SeriesState<number | null>('v', stored)
      let rows = new VersionedRows<number>(series, history, Number.NEGATIVE_INFINITY)
      for (const [i, { op, key, off, value }] of steps.entries()) {
        const at = Math.max(0, 3 * i + off)
        const latest = model.of(key).at(-1)
        if (op === 'put') {
          const put = rows.put(key, undefined, value, at)
          if (at < model.bound) expect(put).toBeUndefined()
          else {
            expect(put).toEqual({ previous: latest?.value ?? null, isLatest: (latest?.at ?? -1) <= at })
            model.newest = Math.max(model.newest, at)
            model.set(key, at, value)
          }
        } else if (op === 'end') {
          // As a time to live does it: the present row, some time after its own timestamp.
          if (latest === undefined || latest.value === null) continue
          rows.end(key, latest.at + 3)
          model.set(key, latest.at + 3, null)
        } else {
          const changes: [string, Uint8Array | null][] = []
          series.takeChanges(changes as never)
          for (const [name, bytes] of changes)
            bytes === null ? stored.entries.delete(name) : stored.entries.set(name, bytes)
          series = new SeriesState('v', stored)
          rows = new VersionedRows(series, history, model.newest)
        }
        const present = KEYS.flatMap((one) => {
          const last = model.of(one).at(-1)
          return last === undefined || last.value === null
            ? []
            : [{ key: one, window: undefined, value: last.value, timestamp: last.at }]
        })
        expect(
          Array.from(rows.entries(), ({ key, window, value, timestamp }) => ({ key, window, value, timestamp })).sort(
            (a, b) => KEYS.indexOf(a.key as string) - KEYS.indexOf(b.key as string),
          ),
        ).toEqual(present)
        expect(rows.size).toBe(present.length)
        for (const one of KEYS) {
          expect(rows.get(one)?.value).toBe(present.find((row) => row.key === one)?.value)
          for (let time = Math.max(0, at - 30); time < at + 12; time += 3) {
            const found = rows.at(one, time)
            expect(found?.value ?? null).toBe(model.asOf(one, time))
            if (found !== undefined) expect(found.timestamp).toBe(model.valid(one, time)?.at)
          }
        }
        expect(series.size).toBe(model.needed().length)
      }
    }),
    { seed: 56, numRuns: 60 },
  )
})

test('of versions that are overwritten again and again nothing is remembered', () => {
  const rows = new VersionedRows<number>(new SeriesState('v', home()), 10, Number.NEGATIVE_INFINITY)
  for (let n = 0; n < 1_000; n++) {
    rows.put('a', undefined, n, 1)
    rows.put('a', undefined, null, 1)
  }
  expect((rows as unknown as { endings: { size: number } }).endings.size).toBeLessThan(100)
})

test('with many versions of one key, what is kept stays small', () => {
  const series = new SeriesState<number | null>('v', home())
  const rows = new VersionedRows<number>(series, 10, Number.NEGATIVE_INFINITY)
  let most = 0
  for (let time = 0; time < 20_000; time++) {
    rows.put('a', undefined, time % 3 === 0 ? null : time, time)
    rows.put(`once ${time}`, undefined, 1, time)
    rows.put(`once ${time}`, undefined, null, time)
    most = Math.max(most, series.size)
  }
  expect(most).toBeLessThan(40)
})

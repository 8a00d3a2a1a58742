import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { SeriesState } from '../../lib/task/seriesState.js'

/** A home that keeps what was committed, in no particular order. */
function home(entries = new Map<string, Uint8Array>()) {
  return {
    entries,
    tracked: true,
    restored: (name: string) =>
      [...entries].reverse().map(([key, value]) => [key.slice(`s/${name}/`.length), value] as const),
  }
}

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('insert'),
      key: fc.constantFrom('a', 'b/c', ''),
      at: fc.integer({ min: -6, max: 18 }).map((n) => n / 2),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ op: fc.constant('remove'), key: fc.constantFrom('a', 'b/c', ''), at: fc.nat(30) }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('restart'), key: fc.constant(''), at: fc.constant(0) }) },
)

test('against a plain list: ranges, the earliest, removals, restarts', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const stored = home()
      let state = new SeriesState<number>('s', stored)
      let model: { key: string; at: number; value: number }[] = []
      steps.forEach(({ op, key, at }, value) => {
        if (op === 'insert') {
          state.insert(key, at, value, value)
          model.push({ key, at, value })
        } else if (op === 'remove') {
          const cells = state.of(key)
          const cell = cells[at % Math.max(1, cells.length)]
          if (cell !== undefined) state.remove(cell)
          model = model.filter((entry) => entry.value !== cell?.value)
        } else {
          const changes: [string, Uint8Array | null][] = []
          state.takeChanges(changes as never)
          for (const [name, bytes] of changes)
            bytes === null ? stored.entries.delete(name) : stored.entries.set(name, bytes)
          state = new SeriesState('s', stored)
        }
        const sorted = model.toSorted((a, b) => a.at - b.at || a.value - b.value)
        for (const k of ['a', 'b/c', '']) {
          const mine = sorted.filter((entry) => entry.key === k)
          expect(state.of(k).map((cell) => cell.value)).toEqual(mine.map((entry) => entry.value))
          const inside = mine.filter((entry) => entry.at >= 0 && entry.at <= 5)
          expect(state.between(k, 0, 5).map((cell) => cell.value)).toEqual(inside.map((entry) => entry.value))
          expect(state.lastUntil(k, 4)?.value).toBe(mine.findLast((entry) => entry.at <= 4)?.value)
          expect(state.before(k, 4)?.value).toBe(mine.findLast((entry) => entry.at < 4)?.value)
          expect(state.after(k, 4)?.value).toBe(mine.find((entry) => entry.at > 4)?.value)
        }
        const lasts = ['a', 'b/c', ''].flatMap((k) => sorted.findLast((entry) => entry.key === k)?.value ?? [])
        expect([...state.lasts()].map((cell) => cell.value).sort()).toEqual(lasts.sort())
        const byKey = model.toSorted(
          (a, b) => a.at - b.at || (a.key < b.key ? -1 : a.key > b.key ? 1 : a.value - b.value),
        )
        expect(state.first()?.value).toBe(byKey[0]?.value)
        expect(state.size).toBe(model.length)
        expect([...state.all()]).toHaveLength(model.length)
      })
    }),
    { seed: 5, numRuns: 200 },
  )
})

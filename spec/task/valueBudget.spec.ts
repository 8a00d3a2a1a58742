import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { SeriesState } from '../../lib/task/seriesState.js'
import { type Cell, CellState, type Cells, type StateHome, WindowState } from '../../lib/task/state.js'
import { encode, standIn } from '../../lib/task/storedValue.js'
import type { TaskValues } from '../../lib/task/taskValues.js'
import { ValueBudget } from '../../lib/task/valueBudget.js'

/** A task over a store that outlives it. */
function home(stored: Map<string, Uint8Array>, budget: ValueBudget): StateHome {
  return {
    tracked: true,
    restored: (name) =>
      [...stored].reverse().map(([key, bytes]) => [key.slice(`s/${name}/`.length), standIn(bytes)] as const),
    values: budget.task((key) => {
      const bytes = stored.get(key)
      if (bytes === undefined) throw new Error(`no ${key} in the store`)
      return bytes
    }),
  }
}

/** What is done with a state, whatever its kind, by a place that tells a cell from all others. */
interface Subject {
  readonly state: Cells<any, any>
  cell(place: number): Cell<any> | undefined
  insert(place: number, value: unknown, timestamp: number): void
  remove(cell: Cell<any>): void
  all(): Iterable<Cell<any>>
  placeOf(cell: any): number
}

const KEYS = ['a', 'b/c', '', 'ß']
const kinds: Record<string, (home: StateHome) => Subject> = {
  'by key'(given) {
    const state = new CellState<string, unknown>('x', given)
    return {
      state,
      cell: (place) => state.cell(`k${place}`),
      insert: (place, value, timestamp) => state.touch(state.insert(`k${place}`, value, timestamp)),
      remove: (cell) => state.remove(cell),
      all: () => state.all(),
      placeOf: ({ key }) => Number(key.slice(1)),
    }
  },
  'by window and key'(given) {
    const state = new WindowState<unknown>('x', given)
    const windowOf = (place: number) => state.window(Math.floor(place / KEYS.length) * 10)
    const keyOf = (place: number) => KEYS[place % KEYS.length] as string
    return {
      state,
      cell: (place) => state.cell(windowOf(place), keyOf(place)),
      insert: (place, value, timestamp) => state.touch(state.insert(windowOf(place), keyOf(place), value, timestamp)),
      remove: (cell) => state.remove(cell as never),
      all: () => state.all(),
      placeOf: ({ start, key }) => (start / 10) * KEYS.length + KEYS.indexOf(key),
    }
  },
  'by time and key'(given) {
    const state = new SeriesState<unknown>('x', given)
    const keyOf = (place: number) => KEYS[place % KEYS.length] as string
    return {
      state,
      cell: (place) => state.of(keyOf(place)).find(({ at }) => at === place / 2),
      insert: (place, value, timestamp) => void state.insert(keyOf(place), place / 2, value, timestamp),
      remove: (cell) => state.remove(cell as never),
      all: () => state.all(),
      placeOf: ({ at }) => at * 2,
    }
  },
}

const value = fc.oneof(
  fc.constantFrom<unknown>(0, -1.5, 1e300, true, false, null, Number.POSITIVE_INFINITY),
  fc.string(),
  fc.array(fc.oneof(fc.integer(), fc.string(), fc.constant(null)), { maxLength: 4 }),
  fc.record({ n: fc.integer(), text: fc.string({ unit: 'grapheme' }) }),
)
const place = fc.nat(11)
const timestamp = fc.constantFrom(0, 5, -5, 1.5, 1_700_000_000_000, 1e21)
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ op: fc.constant('put' as const), place, value, timestamp }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('read' as const), place }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('change' as const), place, n: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('retime' as const), place, timestamp }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('remove' as const), place }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('walk' as const) }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('checkpoint' as const) }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('written' as const) }) },
  { weight: 6, arbitrary: fc.record({ op: fc.constant('sweep' as const) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('restart' as const) }) },
)

type Model = Map<number, { value: unknown; timestamp: number }>
const copy = (model: Model): Model => structuredClone(model)

describe.each(Object.entries(kinds))('a state %s', (_kind, make) => {
  test('is what a plain Map is, whatever leaves memory and whenever', () => {
    let reads = 0
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: 'max' }), fc.constantFrom(1, 30, 100), (steps, maxBytes) => {
        const stored = new Map<string, Uint8Array>()
        let budget = new ValueBudget(maxBytes)
        let subject = make(home(stored, budget))
        let model: Model = new Map()
        let committed: Model = new Map()
        /** A checkpoint that has been taken and is not in the store yet. */
        let underWay: { readonly entries: [string, Uint8Array | null][]; readonly model: Model } | undefined
        const commit = () => {
          if (underWay === undefined) return
          for (const [key, bytes] of underWay.entries) bytes === null ? stored.delete(key) : stored.set(key, bytes)
          committed = underWay.model
          underWay = undefined
          subject.state.written()
        }
        for (const one of steps) {
          if (one.op === 'put') {
            const cell = subject.cell(one.place)
            if (cell === undefined) subject.insert(one.place, one.value, one.timestamp)
            else {
              cell.value = one.value
              cell.timestamp = one.timestamp
              subject.state.touch(cell)
            }
            model.set(one.place, structuredClone({ value: one.value, timestamp: one.timestamp }))
          } else if (one.op === 'read') {
            const cell = subject.cell(one.place)
            expect(cell?.value).toEqual(model.get(one.place)?.value)
            expect(cell?.timestamp).toBe(model.get(one.place)?.timestamp)
          } else if (one.op === 'change') {
            // In place, as accumulators do.
            const held = model.get(one.place)?.value
            if (!Array.isArray(held)) continue
            const cell = subject.cell(one.place) as Cell<unknown[]>
            cell.value.push(one.n)
            subject.state.touch(cell)
            held.push(one.n)
          } else if (one.op === 'retime') {
            const cell = subject.cell(one.place)
            if (cell === undefined) continue
            cell.timestamp = one.timestamp
            subject.state.touch(cell)
            ;(model.get(one.place) as { timestamp: number }).timestamp = one.timestamp
          } else if (one.op === 'remove') {
            const cell = subject.cell(one.place)
            if (cell === undefined) continue
            subject.remove(cell)
            // Who takes it out reads it afterwards.
            expect(cell.value).toEqual(model.get(one.place)?.value)
            model.delete(one.place)
          } else if (one.op === 'walk') {
            const found = Array.from(subject.all(), (cell) => [subject.placeOf(cell), cell.value])
            expect(new Map(found as never)).toEqual(new Map([...model].map(([at, held]) => [at, held.value])))
          } else if (one.op === 'checkpoint') {
            if (underWay !== undefined) continue
            const entries: [string, Uint8Array | null][] = []
            subject.state.takeChanges(entries as never)
            underWay = { entries, model: copy(model) }
          } else if (one.op === 'written') commit()
          else if (one.op === 'sweep') budget.sweep()
          else {
            reads += budget.reads
            underWay = undefined
            budget = new ValueBudget(maxBytes)
            subject = make(home(stored, budget))
            model = copy(committed)
          }
        }
        // All is written, so all of it can leave.
        commit()
        underWay = { entries: [], model: copy(model) }
        subject.state.takeChanges(underWay.entries as never)
        commit()
        budget.sweep()
        expect(budget.bytes).toBeLessThanOrEqual(maxBytes)
        for (const [at, held] of model) expect(subject.cell(at)?.value).toEqual(held.value)
        reads += budget.reads
      }),
      { seed: 31, numRuns: 100 },
    )
    expect(reads).toBeGreaterThan(500)
  })
})

describe('of a budget', () => {
  const text = (n: number) => 'x'.repeat(n)
  const sizeOf = (n: number) => encode({ key: 'k', value: text(n), timestamp: 0 }, 'x').length

  function filled(maxBytes: number, keys: readonly string[], letters: number) {
    const stored = new Map<string, Uint8Array>()
    const budget = new ValueBudget(maxBytes)
    const values = home(stored, budget)
    const state = new CellState<string, string>('x', values)
    for (const key of keys) state.put(key, text(letters))
    const checkpoint = () => {
      const entries: [string, Uint8Array | null][] = []
      state.takeChanges(entries as never)
      for (const [key, bytes] of entries) bytes === null ? stored.delete(key) : stored.set(key, bytes)
    }
    const cold = () => [...keys].filter((key) => state.cell(key)?.isCold)
    return { stored, budget, state, values, checkpoint, cold }
  }

  test('what the store has yet to get stays, then as much as fits, the longest unused leaving first', () => {
    const keys = ['a', 'b', 'c', 'd']
    const { budget, state, checkpoint, cold } = filled(2 * sizeOf(100), keys, 100)
    budget.sweep()
    checkpoint()
    budget.sweep()
    expect(cold()).toEqual([])
    expect(budget.bytes).toBe(4 * sizeOf(100))
    state.written()
    budget.sweep()
    expect(cold()).toEqual(['a', 'b'])
    expect(budget.bytes).toBe(2 * sizeOf(100))
    expect(state.get('c')).toBe(text(100))
    expect(state.get('a')).toBe(text(100))
    budget.sweep()
    expect(cold()).toEqual(['b', 'd'])
    expect(budget.reads).toBe(1)
  })

  test('one that changes again while a checkpoint is written stays until the next one is', () => {
    const { budget, state, checkpoint, cold } = filled(1, ['a'], 10)
    checkpoint()
    state.put('a', 'later')
    state.written()
    budget.sweep()
    expect(cold()).toEqual([])
    checkpoint()
    budget.sweep()
    expect(cold()).toEqual([])
    state.written()
    budget.sweep()
    expect(cold()).toEqual(['a'])
    expect(state.get('a')).toBe('later')
  })

  test('numbers, booleans and null take no more than what would stand for them, and stay', () => {
    const { budget, state, checkpoint } = filled(1, [], 0)
    const all = state as unknown as CellState<string, unknown>
    for (const small of [1, 1.5, true, null]) all.put(`${small}`, small)
    checkpoint()
    state.written()
    budget.sweep()
    expect([...all.all()].map((cell) => cell.isCold)).toEqual([false, false, false, false])
    expect(budget.bytes).toBe(0)
  })

  test('who walks over all values brings none of them back for good', () => {
    const { budget, state, checkpoint, cold } = filled(
      1_000,
      Array.from({ length: 50 }, (_, n) => `k${n}`),
      100,
    )
    checkpoint()
    state.written()
    budget.sweep()
    const before = cold()
    expect(before).toHaveLength(41)
    for (const [, held] of state.entries()) {
      expect(held).toBe(text(100))
      expect(budget.bytes).toBeLessThan(1_200)
    }
    expect(cold()).toEqual(before)
  })

  test('one that has been removed is read without coming back, as it could not leave before the next checkpoint', () => {
    const { budget, state, checkpoint } = filled(1, ['a', 'b'], 100)
    checkpoint()
    state.written()
    budget.sweep()
    const removed = [...state.all()]
    for (const cell of removed) {
      state.remove(cell)
      expect(cell.value).toBe(text(100))
      expect(cell.isCold).toBe(true)
    }
    expect(budget.bytes).toBe(0)
    checkpoint()
    state.written()
    expect(budget.bytes).toBe(0)
  })

  test('one that is walked over and changed meanwhile stays, be its change on its way to the store', () => {
    const { budget, state, checkpoint } = filled(1, ['a'], 10)
    checkpoint()
    state.written()
    budget.sweep()
    const walk = state.all()
    const { value: cell } = walk.next() as IteratorYieldResult<Cell<string>>
    expect(cell.value).toBe(text(10))
    cell.value = 'later'
    state.touch(cell)
    const entries: unknown[] = []
    state.takeChanges(entries as never)
    expect(walk.next().done).toBe(true)
    expect(cell.value).toBe('later')
  })

  test('what leaves memory by itself does so after the running dispatch', async () => {
    const { budget, state, checkpoint, cold } = filled(1, ['a', 'b'], 10)
    checkpoint()
    state.written()
    budget.sweep()
    expect(cold()).toEqual(['a', 'b'])
    state.get('a')
    state.get('b')
    expect(cold()).toEqual([])
    await Promise.resolve()
    expect(cold()).toEqual(['a', 'b'])
  })

  test('what has changed counts for what it takes: its own size where that is known, else that of others of its state', () => {
    const stored = new Map<string, Uint8Array>()
    const given = home(stored, new ValueBudget(1))
    const task = given.values as TaskValues
    const [large, small] = ['large', 'small'].map((name) => new CellState<string, unknown>(name, given)) as [
      CellState<string, unknown>,
      CellState<string, unknown>,
    ]
    const checkpoint = () => {
      for (const state of [large, small]) {
        state.takeChanges([] as never)
        state.written()
      }
    }
    for (let n = 0; n < 100; n++) large.put(`k${n}`, text(20_000))
    for (let n = 0; n < 100; n++) small.put(`k${n}`, n)
    checkpoint()
    for (let n = 0; n < 100; n++) small.delete(`k${n}`)
    expect(task.changedBytes).toBe(0)
    checkpoint()
    for (let n = 100; n < 150; n++) large.put(`k${n}`, text(20_000))
    for (let n = 100; n < 150; n++) small.put(`k${n}`, n)
    expect(task.changedBytes).toBeGreaterThan(50 * 20_000)
    expect(task.changedBytes).toBeLessThan(51 * 20_000)
    checkpoint()
    large.put('odd', text(500_000))
    checkpoint()
    large.put('odd', text(500_001))
    expect(task.changedBytes).toBe(sizeOf(500_000))
    checkpoint()
    expect(task.changedBytes).toBe(0)
  })

  test('what comes late to a task that has ended, as the end of its checkpoint does, counts nowhere', () => {
    const { budget, state, values, checkpoint } = filled(1_000, ['a', 'b'], 100)
    checkpoint()
    state.written()
    budget.sweep()
    state.put('a', text(200))
    state.put('c', text(200))
    checkpoint()
    values.values?.close()
    state.written()
    expect(state.get('b')).toBe(text(100))
    checkpoint()
    expect(budget.bytes).toBe(0)
  })

  test('a task that ends gives back what it took', () => {
    const { budget, state, values, checkpoint } = filled(10_000, ['a', 'b'], 100)
    checkpoint()
    state.written()
    state.put('c', 'new')
    checkpoint()
    expect(budget.bytes).toBeGreaterThan(200)
    values.values?.close()
    expect(budget.bytes).toBe(0)
    budget.sweep()
  })
})

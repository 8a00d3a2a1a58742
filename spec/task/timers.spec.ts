import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { Key } from 'tidemark'
import { Heap } from '../../lib/task/heap.js'
import { CellState } from '../../lib/task/state.js'
import { TimerQueue } from '../../lib/task/timers.js'

test('a heap gives the smallest first, whatever comes in between', () => {
  const steps = fc.array(fc.oneof(fc.integer({ min: 0, max: 50 }), fc.constant('pop' as const)), { maxLength: 100 })
  fc.assert(
    fc.property(steps, (list) => {
      const heap = new Heap<number>((a, b) => a - b)
      let model: number[] = []
      for (const step of list) {
        if (step === 'pop') {
          expect(heap.pop()).toBe(model[0])
          model = model.slice(1)
        } else {
          heap.push(step)
          model = [...model, step].sort((a, b) => a - b)
        }
        expect(heap.peek()).toBe(model[0])
        expect(heap.size).toBe(model.length)
      }
    }),
    { seed: 1, numRuns: 300 },
  )
})

const home = { tracked: false, restored: () => [] }

function queue(time: () => number, handler: (timestamp: number, key: Key) => void) {
  const state = new CellState<Key, 1>('timers', home)
  const timers: TimerQueue = new TimerQueue(state, 'mine', time, handler, () => {})
  return { timers, state }
}

describe('timers', () => {
  test('fire as a list of what is set and not cancelled would, by timestamp and then key', () => {
    const step = fc.record({
      kind: fc.constantFrom<'at' | 'cancel' | 'fire'>('at', 'at', 'cancel', 'fire'),
      time: fc.nat(6),
      key: fc.constantFrom('a', 'b', 'c'),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const fired: string[] = []
        const { timers, state } = queue(
          () => 0,
          (timestamp, key) => fired.push(`${timestamp} ${key}`),
        )
        let model = new Set<string>()
        const expected: string[] = []
        for (const { kind, time, key } of steps) {
          const id = `${time} ${key}`
          if (kind === 'at') {
            timers.at(time, key)
            model.add(id)
          } else if (kind === 'cancel') {
            timers.cancel(time, key)
            model.delete(id)
          } else if (timers.due() < Number.POSITIVE_INFINITY) {
            timers.fireNext()
            const [next, ...rest] = [...model].sort()
            expected.push(next as string)
            model = new Set(rest)
          }
          const [next] = [...model].sort()
          expect(timers.due()).toBe(next === undefined ? Number.POSITIVE_INFINITY : Number(next.split(' ')[0]))
          expect(state.size).toBe(model.size)
        }
        expect(fired).toEqual(expected)
      }),
      { seed: 2, numRuns: 300 },
    )
  })

  test('that are cancelled take no room for long, and the rest fire as they would', () => {
    const fired: number[] = []
    const { timers } = queue(
      () => 0,
      (timestamp) => fired.push(timestamp),
    )
    const size = () => (timers as unknown as { heap: Heap<unknown> }).heap.size
    timers.at(1, 'first')
    for (let n = 0; n < 10_000; n++) {
      timers.at(1_000 + n, 'k')
      if (n >= 50) timers.cancel(1_000 + n - 50, 'k')
    }
    expect(size()).toBeLessThanOrEqual(51 + 65)
    while (timers.due() < Number.POSITIVE_INFINITY) timers.fireNext()
    expect(fired).toEqual([1, ...Array.from({ length: 50 }, (_, n) => 10_950 + n)])
  })

  test('that set others at the present for ever are TIMER_LOOP, with the operator', () => {
    // A state of its own kind: a million entries of the real one take ten times as long.
    const set = new Set<number>()
    const state = {
      all: () => [],
      cell: ([time]: [number]) => (set.has(time) ? {} : undefined),
      put: ([time]: [number]) => set.add(time),
      delete: ([time]: [number]) => set.delete(time),
    }
    const timers: TimerQueue = new TimerQueue(
      state as never,
      'mine',
      () => 5,
      (timestamp, key) => timers.at((timestamp + 1) % 3, key),
      () => {},
    )
    timers.at(0, 'a')
    const loop = () => {
      for (let n = 0; n < 2_000_000; n++) timers.fireNext()
    }
    expect(loop).toThrow(expect.objectContaining({ code: 'TIMER_LOOP', place: { operator: 'mine' } }))
  })
})

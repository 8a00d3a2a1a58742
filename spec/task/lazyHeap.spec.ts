import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { LazyHeap } from '../../lib/task/lazyHeap.js'

const step = fc.record({ op: fc.constantFrom('push', 'push', 'kill', 'pop'), value: fc.nat(20) })

test('against a plain list: the smallest of what is live, however much has died', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 600 }), (steps) => {
      const live = new Set<{ readonly value: number }>()
      let cleared = 0
      const heap = new LazyHeap<{ readonly value: number }>((a, b) => a.value - b.value, {
        get size() {
          return live.size
        },
        isLive: (item) => live.has(item),
        all() {
          cleared++
          return live
        },
      })
      let died = 0
      for (const { op, value } of steps) {
        if (op === 'push') {
          const item = { value }
          live.add(item)
          heap.push(item)
        } else if (op === 'kill') {
          const item = [...live][value % Math.max(1, live.size)]
          if (item !== undefined) {
            live.delete(item)
            died++
            heap.sweep()
          }
        } else {
          const first = heap.peek()
          if (first !== undefined) {
            heap.pop()
            live.delete(first)
          }
        }
        expect(heap.peek()?.value).toBe(live.size === 0 ? undefined : Math.min(...[...live].map((item) => item.value)))
      }
      // Once for its beginning, and at most once for 64 that have died.
      expect(cleared).toBeLessThanOrEqual(1 + died / 64)
    }),
    { seed: 8, numRuns: 200 },
  )
})

test('what has died is cleared out where it is most of it', () => {
  const live = new Set<number>()
  let cleared = 0
  const heap = new LazyHeap<number>((a, b) => a - b, {
    get size() {
      return live.size
    },
    isLive: (item) => live.has(item),
    all() {
      cleared++
      return live
    },
  })
  for (let n = 0; n < 100; n++) {
    live.add(n)
    heap.push(n)
  }
  for (let n = 99; n >= 36; n--) {
    live.delete(n)
    heap.sweep()
  }
  expect(cleared).toBe(1)
  live.delete(35)
  heap.sweep()
  expect(cleared).toBe(2)
  expect(heap.peek()).toBe(0)
})

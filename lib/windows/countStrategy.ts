import type { Key } from '../record/key.js'
import type { Strategy } from './strategy.js'
import { type HeldUntil, WindowsByEnd } from './windowsByEnd.js'

/**
 * Windows over the numbers of a key's records, counted from 0: `[start, start + size)` with `start = n·every`. Full ones close; time doesn't
 * matter.
 */
export const countStrategy = (size: number, every: number): Strategy<HeldUntil, WindowsByEnd> => ({
  open: (context) => new WindowsByEnd(context.series()),

  taker({ context, open, results, time }) {
    const counts = context.cells<Key, number>('counts')
    return (record) => {
      const { key, timestamp } = record
      time.accept(timestamp)
      const number = counts.get(key) ?? 0
      counts.put(key, number + 1)
      const last = number - (number % every)
      const first = last - Math.floor((size - 1 - (number - last)) / every) * every
      for (let start = Math.max(0, first); start <= last; start += every) {
        const window = { start, end: start + size }
        results.add(open.find(key, window), window, record)
        if (number + 1 === window.end) {
          const full = open.find(key, window)
          if (full !== undefined) results.close(full)
        }
      }
      return 0
    }
  },
})

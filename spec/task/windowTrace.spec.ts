import { expect, test } from '@jest/globals'
import { WindowTrace } from '../../lib/task/windowTrace.js'

test('records of a sliding window are remembered as long as a window may hold them, and no longer', () => {
  let events = 0
  const trace = new WindowTrace('slidingWindow', 5, () => ++events)
  const closes = (timestamp: number) => timestamp + 1 + 5
  for (let n = 0; n < 20_000; n++) {
    const window = { start: n - 10, end: n + 1 }
    trace.changed(n, window, { event: -n, timestamp: n })
    trace.handled()
  }
  expect(trace.size).toBe(20_000 + 20_000)
  for (let n = 0; n < 20_000; n++) trace.removed(n, { start: n - 10, end: n + 1 }, undefined)
  trace.closeUntil(closes(9_999))
  trace.settled()
  // The last window that may hold a record at t is [t, t + 11).
  expect(trace.size).toBe(20_000 - (9_999 - 10 + 1))
  trace.closeUntil(closes(19_999 + 10))
  expect(trace.size).toBe(0)
})

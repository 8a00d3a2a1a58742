import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { retry } from '../../lib/index.js'
import { pauseMs } from '../../lib/task/retry.js'

test.each([{ backoff: 0 }, { maxBackoff: 0 }, { backoff: -1 }, { maxBackoff: 'soon' }])(
  '%j is BAD_DURATION',
  (wrong) => {
    expect(() => retry({ times: 1, ...(wrong as object) })).toThrow(expect.objectContaining({ code: 'BAD_DURATION' }))
  },
)

test.each([{ times: 0 }, { times: 1.5 }, { jitter: -0.1 }, { jitter: 1.1 }])('%j is BAD_OPTION', (wrong) => {
  expect(() => retry({ times: 1, ...wrong })).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }))
})

describe('a pause', () => {
  test('doubles, up to the longest', () => {
    const policy = retry({ times: 5, backoff: 100, maxBackoff: '1s', jitter: 0 })
    expect([0, 1, 2, 3, 4, 2_000].map((tries) => pauseMs(policy, tries, 7))).toEqual([100, 200, 400, 800, 1_000, 1_000])
  })

  test('is whole milliseconds, at least one, and no shorter than jitter makes it', () => {
    const whole = fc.record({
      backoff: fc.integer({ min: 1, max: 100 }),
      maxBackoff: fc.integer({ min: 1, max: 1_000 }),
      jitter: fc.double({ min: 0, max: 1, noNaN: true }),
    })
    fc.assert(
      fc.property(whole, fc.nat(100), fc.nat(), (options, tries, seed) => {
        const ms = pauseMs(retry({ times: 1, ...options }), tries, seed)
        const full = Math.min(options.maxBackoff, options.backoff * 2 ** tries)
        expect(Number.isInteger(ms)).toBe(true)
        expect(ms).toBeGreaterThanOrEqual(Math.max(1, full * (1 - options.jitter)))
        expect(ms).toBeLessThanOrEqual(full)
      }),
      { seed: 1, numRuns: 1_000 },
    )
  })
})

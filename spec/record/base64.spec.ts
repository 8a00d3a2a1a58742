import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { base64 } from '../../lib/record/base64.js'

test('bytes are text and come back, whatever else is in their memory; null stays null', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), fc.nat({ max: 50 }), (memory, start) => {
      const bytes = memory.subarray(start)
      const text = base64.encode(bytes) as string
      expect(text).toBe(btoa(String.fromCharCode(...bytes)))
      expect([...(base64.decode(text) as Uint8Array)]).toEqual([...bytes])
    }),
    { seed: 1, numRuns: 200 },
  )
  expect(base64.encode(null)).toBeNull()
  expect(base64.decode(null)).toBeNull()
})

import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { Key } from 'tidemark'
import { rowKey, splitRowKey } from '../../lib/tables/rows.js'

test('the key of a row gives back its key and window, whatever the key is', () => {
  const mark = (rowKey('k', { start: 0, end: 1 }) as readonly Key[]).at(-1) as Key
  const part = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.bigInt(), fc.constant(mark))
  // Of four parts is the key of a row with a window too.
  const key: fc.Arbitrary<Key> = fc.oneof(part, fc.array(part, { minLength: 3, maxLength: 5 }))
  const window = fc.option(fc.record({ start: fc.nat(), end: fc.nat() }), { nil: undefined })
  fc.assert(
    fc.property(key, window, (k, w) => {
      const isLikeOne = Array.isArray(k) && k.length === 4 && k[3] === mark
      if (w === undefined && isLikeOne) return
      expect(splitRowKey(rowKey(k, w))).toEqual({ key: k, window: w })
    }),
    { seed: 71, numRuns: 500 },
  )
})

test('a list that only looks like one is a key', () => {
  const mark = (rowKey('k', { start: 0, end: 1 }) as readonly Key[]).at(-1) as Key
  for (const key of [['k', 0, 1, mark, 'more'], ['k', 0, 1, 'other'], ['k', 0, mark], 'four'])
    expect(splitRowKey(key)).toEqual({ key, window: undefined })
})

import fc from 'fast-check'
import { assignSlots } from '../../../lib/brokers/rules/assignSlots.js'

const spread = (slots: number, owned: Record<string, number[]>) =>
  Object.fromEntries(
    Array.from(
      assignSlots(slots, Object.keys(owned), (member) => owned[member] ?? []),
      ([member, own]) => [member, [...own].sort((a, b) => a - b)],
    ),
  )

test('a newcomer takes its share, the others keep theirs', () => {
  expect(spread(5, { a: [0, 1, 2, 3, 4], b: [] })).toEqual({ a: [0, 1, 2], b: [3, 4] })
  expect(spread(5, { a: [0, 1, 2], b: [3, 4], c: [] })).toEqual({ a: [0, 1], b: [3, 4], c: [2] })
})

test('what a leaver had goes to those with the least', () => {
  expect(spread(6, { a: [0, 1], c: [4, 5] })).toEqual({ a: [0, 1, 2], c: [3, 4, 5] })
})

test('members beyond the slots get nothing', () => {
  expect(spread(1, { a: [], b: [0], c: [] })).toEqual({ a: [], b: [0], c: [] })
})

test('any members and claims: every slot once, shares as equal as can be, no needless move', () => {
  const claims = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.uniqueArray(fc.nat(19)), { minKeys: 1 })
  fc.assert(
    fc.property(fc.nat(16), claims, (slots, owned) => {
      const given = spread(slots, owned)
      expect(
        Object.values(given)
          .flat()
          .sort((a, b) => a - b),
      ).toEqual([...Array(slots).keys()])
      const sizes = Object.values(given).map(({ length }) => length)
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
      expect(spread(slots, given)).toEqual(given)
    }),
  )
})

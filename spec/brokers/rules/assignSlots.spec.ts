import fc from 'fast-check'
import { assignSlots, assignStandbys } from '../../../lib/brokers/rules/assignSlots.js'

const spread = (slots: number, owned: Record<string, number[]>, warm: Record<string, number[]> = {}) =>
  Object.fromEntries(
    Array.from(
      assignSlots(slots, Object.keys(owned), (member) => ({ owned: owned[member] ?? [], warm: warm[member] ?? [] })),
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

test('a free slot goes to the member that has a copy of its state', () => {
  expect(spread(4, { b: [2, 3], c: [], d: [] }, { d: [0], c: [1] })).toEqual({ b: [2, 3], c: [1], d: [0] })
  expect(spread(4, { a: [], b: [] }, { a: [2, 3] })).toEqual({ a: [2, 3], b: [0, 1] })
})

test('what a member gives away is rather what a newcomer has a copy of', () => {
  expect(spread(4, { a: [0, 1, 2, 3], b: [] }, { b: [0, 1] })).toEqual({ a: [2, 3], b: [0, 1] })
})

const copies = (assigned: Record<string, number[]>, count: number, warm: Record<string, number[]> = {}) =>
  Object.fromEntries(
    Array.from(
      assignStandbys(
        new Map(Object.entries(assigned).map(([member, slots]) => [member, new Set(slots)])),
        count,
        (member) => warm[member] ?? [],
      ),
      ([member, slots]) => [member, [...slots].sort((a, b) => a - b)],
    ),
  )

test('copies of a slot are kept by others than its owner, by those that have one already, and evenly', () => {
  expect(copies({ a: [0, 1], b: [2, 3], c: [4, 5] }, 1)).toEqual({ a: [2, 4], b: [0, 5], c: [1, 3] })
  expect(copies({ a: [0, 1], b: [2], c: [3] }, 1, { c: [0, 1] })).toEqual({ a: [2], b: [3], c: [0, 1] })
  expect(copies({ a: [0, 1] }, 1)).toEqual({ a: [] })
  expect(copies({ a: [0], b: [1] }, 5)).toEqual({ a: [1], b: [0] })
})

test('members beyond the slots get nothing', () => {
  expect(spread(1, { a: [], b: [0], c: [] })).toEqual({ a: [], b: [0], c: [] })
})

test('any members and claims: every slot once, shares as equal as can be, no needless move', () => {
  const claims = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.uniqueArray(fc.nat(19)), { minKeys: 1 })
  fc.assert(
    fc.property(fc.nat(16), claims, claims, (slots, owned, warm) => {
      const given = spread(slots, owned, warm)
      expect(
        Object.values(given)
          .flat()
          .sort((a, b) => a - b),
      ).toEqual([...Array(slots).keys()])
      const sizes = Object.values(given).map(({ length }) => length)
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
      expect(spread(slots, given, warm)).toEqual(given)
    }),
    { seed: 87 },
  )
})

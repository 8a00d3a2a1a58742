import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { emptyTally, mergeTallies, tallyDown, tallyUp } from '../../lib/aggregates/tally.js'

type Value = number | string

const tallyOf = (list: readonly Value[]) => {
  const tally = emptyTally<Value>()
  for (const value of list) tallyUp(tally, value)
  return tally
}

/** The same by sorting. */
const counted = (list: readonly Value[]) => {
  const values = [...new Set(list)].sort((a, b) => (a < b ? -1 : 1))
  return [values, values.map((value) => list.filter((other) => other === value).length)]
}

const lists = fc.oneof(
  fc.array(fc.integer({ min: -4, max: 4 })),
  fc.array(fc.constantFrom('', 'B', 'a', 'aa', 'ä', '\u{1F600}', '\uFFFD')),
)
const check = (holds: (list: Value[], other: Value[]) => void) =>
  fc.assert(
    fc.property(lists, lists, (list, other) => {
      holds(list, typeof list[0] === typeof other[0] ? other : [])
    }),
    { seed: 13, numRuns: 300 },
  )

describe('a tally', () => {
  test('has each value once, ascending, with its count', () => {
    check((list) => expect(tallyOf(list)).toEqual(counted(list)))
  })

  test('of two has the values of both, each once', () => {
    check((one, two) => expect(mergeTallies(tallyOf(one), tallyOf(two))).toEqual(counted([...one, ...two])))
  })

  test('forgets a value with its last, and nothing else', () => {
    check((list, gone) => {
      const tally = tallyOf(list)
      const left = [...list]
      for (const value of gone) {
        tallyDown(tally, value)
        if (left.includes(value)) left.splice(left.indexOf(value), 1)
        expect(tally).toEqual(counted(left))
      }
    })
  })
})

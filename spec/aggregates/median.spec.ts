import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { median } from 'tidemark'
import { aggregatorLaws, expectDiagram, Fold } from './aggregatorLaws.js'
import { expectWithin, quantileOf, seededNumbers } from './samples.js'

const make = (relativeError?: number) =>
  median((r: { value: number }) => r.value, relativeError === undefined ? {} : { relativeError })

test('its diagram', () =>
  expectDiagram('median', {
    call: 'median(r => r.value)',
    source: 'a--b--c--|',
    out: 'p--p--q--|',
    make,
    values: { a: 10, b: 30, c: 20, p: 10, q: 20 },
    shown: Math.round,
  }))

describe('laws', () => {
  const laws = aggregatorLaws({
    make,
    values: fc.integer({ min: -50, max: 50 }),
    of: (values) => quantileOf(values, 0.5),
    can: ['remove', 'merge', 'commutes'],
    none: null,
    same: (came, expected: number) => expectWithin(came, expected, 0.01),
  })
  for (const law of laws) test(law.name, law.run)
})

describe('its error, on 5,000 numbers', () => {
  test.each(Object.entries(seededNumbers(5_000)))('%s', (_name, numbers) => {
    for (const relativeError of [0.1, 0.0001])
      expectWithin(new Fold(make(relativeError)).addAll(numbers).result(), quantileOf(numbers, 0.5), relativeError)
  })
})

describe('edges', () => {
  test('of an even number it is the lower of the two in the middle', () => {
    expectWithin(new Fold(make(0.0001)).addAll([4, 1, 3, 2]).result(), 2, 0.0001)
  })

  test('an error out of range, and NaN, are refused in its name', () => {
    expect(() => make(1)).toThrow(/BAD_OPTION: median: relativeError/)
    expect(() => new Fold(make()).add(Number.NaN)).toThrow(/NOT_A_NUMBER: median got/)
  })
})

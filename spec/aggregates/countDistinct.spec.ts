import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { countDistinct, type Key } from 'tidemark'
import { aggregatorLaws, expectDiagram, Fold } from './aggregatorLaws.js'

const make = () => countDistinct((r: { value: Key }) => r.value)

test('its diagram', () =>
  expectDiagram('countDistinct', {
    call: 'countDistinct(r => r.value)',
    source: 'x--y--x--|',
    out: '1--2--2--|',
    make,
  }))

describe('laws', () => {
  const laws = aggregatorLaws({
    make,
    values: fc.constantFrom<Key>(1, '1', true, 'a', ['a', 1], ['a', '1'], '__proto__', 'constructor', ''),
    of: (values) => new Set(values.map((value) => JSON.stringify(value))).size,
    can: ['remove', 'merge', 'commutes'],
    none: 0,
  })
  for (const law of laws) test(law.name, law.run)
})

describe('edges', () => {
  test('what was never added is not taken back', () => {
    expect(new Fold(make()).add('a').remove('b').result()).toBe(1)
  })

  test('what is no key is refused', () => {
    expect(() => new Fold(make()).add({})).toThrow(expect.objectContaining({ code: 'BAD_KEY' }))
  })
})

import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { count } from 'tidemark'
import { aggregatorLaws, expectDiagram, Fold } from './aggregatorLaws.js'

test('its diagram', () =>
  expectDiagram('count', { call: 'count()', source: 'a--a--a--|', out: '1--2--3--|', make: count }))

describe('laws', () => {
  const laws = aggregatorLaws({
    make: count,
    values: fc.nat(),
    of: (values) => values.length,
    can: ['remove', 'merge', 'commutes'],
    none: 0,
  })
  for (const law of laws) test(law.name, law.run)
})

test('counts null values, which a window lets through', () => {
  expect(new Fold(count()).add(null).result()).toBe(1)
})

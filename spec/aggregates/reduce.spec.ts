import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { reduce } from 'tidemark'
import { aggregatorLaws, expectDiagram, Fold } from './aggregatorLaws.js'

const product = () => reduce((a: number, b: number) => a * b)

test('its diagram', () =>
  expectDiagram('reduce', {
    call: 'reduce((a, b) => a * b)',
    source: '2--3--1--|',
    out: '2--6--6--|',
    make: product,
  }))

describe('laws', () => {
  const laws = aggregatorLaws({
    // Tells all that it got, and in which order.
    make: () => reduce((a: string, b: string) => `${a}${b}`),
    values: fc.constantFrom('a', 'b', 'c'),
    of: (values) => values.join(''),
    can: ['merge'],
  })
  for (const law of laws) test(law.name, law.run)
})

test('its reducer merges, the earlier one first', () => {
  const later = new Fold(reduce((a: number, b: number) => a - b)).addAll([4, 1])
  expect(new Fold(reduce((a: number, b: number) => a - b)).addAll([9, 2]).merge(later).result()).toBe(4)
})

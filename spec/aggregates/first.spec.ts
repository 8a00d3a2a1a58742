import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { first } from 'tidemark'
import { aggregatorLaws, expectDiagram, Fold } from './aggregatorLaws.js'

test('its diagram', () =>
  expectDiagram('first', { call: 'first()', source: 'x--y--z--|', out: 'x--x--x--|', make: first }))

describe('laws', () => {
  const laws = aggregatorLaws({
    make: first,
    values: fc.oneof(fc.nat(5), fc.record({ n: fc.nat(5) })),
    of: (values) => values[0],
    can: ['merge'],
  })
  for (const law of laws) test(law.name, law.run)
})

describe('edges', () => {
  test('takes a null value, which a window lets through', () => {
    const fold = new Fold(first()).add(null)
    expect(fold.result()).toBe(null)
    expect(fold.merge(new Fold(first())).result()).toBe(null)
  })

  test('of what is made of each record', () => {
    const doubled = first((r: { value: number }) => r.value * 2)
    expect(new Fold(doubled).addAll([1, 2, 3]).result()).toBe(2)
  })
})

import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { last } from 'tidemark'
import { aggregatorLaws, expectDiagram, Fold } from './aggregatorLaws.js'

test('its diagram', () =>
  expectDiagram('last', { call: 'last()', source: 'x--y--z--|', out: 'x--y--z--|', make: last }))

describe('laws', () => {
  const laws = aggregatorLaws({
    make: last,
    values: fc.oneof(fc.nat(5), fc.record({ n: fc.nat(5) })),
    of: (values) => values[values.length - 1],
    can: ['merge'],
  })
  for (const law of laws) test(law.name, law.run)
})

describe('edges', () => {
  test('takes a null value, which a window lets through', () => {
    const fold = new Fold(last()).add(null)
    expect(fold.result()).toBe(null)
    expect(fold.merge(new Fold(last())).result()).toBe(null)
  })

  test('of what is made of each record', () => {
    const doubled = last((r: { value: number }) => r.value * 2)
    expect(new Fold(doubled).addAll([1, 2, 3]).result()).toBe(6)
  })
})

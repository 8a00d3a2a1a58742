import { describe, expect, test } from '@jest/globals'
import { avg } from 'tidemark'
import { aggregatorLaws, expectDiagram, Fold } from './aggregatorLaws.js'
import { exactTotal, uneven } from './exactly.js'

const make = () => avg((r: { value: number }) => r.value)

test('its diagram', () =>
  expectDiagram('avg', { call: 'avg(r => r.value)', source: '2--4--0--|', out: '2--3--2--|', make }))

describe('laws', () => {
  const laws = aggregatorLaws({
    make,
    values: uneven,
    of: (values) => exactTotal(values) / values.length,
    can: ['remove', 'merge', 'commutes'],
    none: null,
  })
  for (const law of laws) test(law.name, law.run)
})

test.each([Number.NaN, Number.POSITIVE_INFINITY, undefined])('%p is refused', (x) => {
  expect(() => new Fold(make()).add(x)).toThrow(/NOT_A_NUMBER: avg got/)
  expect(() => new Fold(make()).addAll([1, 2]).remove(x)).toThrow(/NOT_A_NUMBER: avg got/)
})

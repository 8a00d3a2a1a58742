import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { max } from 'tidemark'
import { aggregatorLaws, expectDiagram, Fold } from './aggregatorLaws.js'

const make = () => max((r: { value: number }) => r.value)
const retractable = () => max((r: { value: number }) => r.value, { retractable: true })
const text = () => max((r: { value: string }) => r.value)

describe.each([make, retractable])('its diagram', (make) => {
  test('as drawn', () =>
    expectDiagram('max', { call: 'max(r => r.value)', source: '2--3--1--|', out: '2--3--3--|', make }))
})

describe('laws', () => {
  const laws = aggregatorLaws({
    make,
    values: fc.integer({ min: -5, max: 5 }),
    of: (values) => Math.max(...values) + 0,
    can: ['merge', 'commutes'],
  })
  for (const law of laws) test(law.name, law.run)
})

describe('laws, retractable', () => {
  const laws = aggregatorLaws({
    make: retractable,
    values: fc.integer({ min: -5, max: 5 }),
    of: (values) => Math.max(...values) + 0,
    can: ['remove', 'merge', 'commutes'],
    none: null,
  })
  for (const law of laws) test(law.name, law.run)
})

describe('edges', () => {
  test('strings go by code unit', () => {
    expect(new Fold(text()).addAll(['a', 'B', 'b']).result()).toBe('b')
  })

  test.each([Number.NaN, Number.NEGATIVE_INFINITY, undefined, null])('%p is refused', (x) => {
    expect(() => new Fold(make()).add(x)).toThrow(/NOT_A_NUMBER: max got/)
    expect(() => new Fold(retractable()).add(x)).toThrow(/NOT_A_NUMBER: max got/)
  })

  test('what was never added is not taken back', () => {
    expect(new Fold(retractable()).addAll([1, 3]).remove(2).result()).toBe(Math.max(1, 3))
  })

  test('the retractable one keeps each value once', () => {
    expect(new Fold(retractable()).addAll([2, 1, 2, 2]).acc).toEqual([
      [1, 2],
      [1, 3],
    ])
  })
})

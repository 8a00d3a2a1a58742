import { describe, expect, test } from '@jest/globals'
import { sum } from 'tidemark'
import { aggregatorLaws, expectDiagram, Fold } from './aggregatorLaws.js'
import { exactTotal, uneven } from './exactly.js'

const make = () => sum((r: { value: number }) => r.value)

test('its diagram', () =>
  expectDiagram('sum', { call: 'sum(r => r.value)', source: '2--3--1--|', out: '2--5--6--|', make }))

describe('laws', () => {
  const laws = aggregatorLaws({ make, values: uneven, of: exactTotal, can: ['remove', 'merge', 'commutes'], none: 0 })
  for (const law of laws) test(law.name, law.run)
})

describe('edges', () => {
  test.each<[name: string, added: number[], removed: number[], expected: number]>([
    ['of none, after all has been taken back', [4], [4], 0],
    ['fractions are rounded once', Array(10).fill(0.1), [], 1],
    ['what is small outlives what is large', [1, 1e100, 1], [1e100], 2],
    ['beyond 2^53, one by one', [2 ** 53, 1, 1, 1], [], 2 ** 53 + 4],
    ['halfway between two doubles, to the even one', [2 ** 53, 1], [], 2 ** 53],
    ['halfway and a little more', [2 ** 53, 1, 2 ** -60], [], 2 ** 53 + 2],
    ['halfway and a little less', [2 ** 53 + 2, 1, -(2 ** -60)], [], 2 ** 53 + 2],
    ['the smallest double', [5e-324, 5e-324], [], 1e-323],
  ])('%s', (_name, added, removed, expected) => {
    const fold = new Fold(make()).addAll(added)
    for (const x of removed) fold.remove(x)
    expect(fold.result()).toBe(expected)
  })

  test('whole numbers are kept as one number', () => {
    expect(new Fold(make()).addAll([1, 2, 3]).acc).toBe(6)
  })

  test.each([Number.NaN, Number.POSITIVE_INFINITY, undefined, null, '5'])('%p is refused', (x) => {
    expect(() => new Fold(make()).add(x)).toThrow(expect.objectContaining({ code: 'NOT_A_NUMBER' }))
    expect(() => new Fold(make()).add(1).remove(x)).toThrow(expect.objectContaining({ code: 'NOT_A_NUMBER' }))
  })

  test('a sum beyond all doubles is refused, whether it was one number or several', () => {
    for (const start of [[Number.MAX_VALUE], [Number.MAX_VALUE, 1]])
      expect(() => new Fold(make()).addAll(start).add(Number.MAX_VALUE)).toThrow(/NOT_A_NUMBER: a sum/)
  })
})

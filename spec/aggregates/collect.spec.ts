import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { collect } from 'tidemark'
import { aggregatorLaws, expectDiagram, Fold } from './aggregatorLaws.js'

test('its diagram', () =>
  expectDiagram('collect', {
    call: 'collect()',
    source: 'x--y--z--|',
    out: 'p--q--r--|',
    make: collect,
    values: { p: ['x'], q: ['x', 'y'], r: ['x', 'y', 'z'] },
  }))

describe('laws', () => {
  const laws = aggregatorLaws({
    make: collect,
    values: fc.oneof(fc.uniqueArray(fc.nat(9), { maxLength: 3 }), fc.record({ n: fc.nat(), m: fc.nat() })),
    of: (values) => [...values],
    can: ['remove', 'merge'],
    none: [],
  })
  for (const law of laws) test(law.name, law.run)
})

describe('edges', () => {
  const objects = { a: { n: 1, m: [1, 2] }, b: { m: [1, 2], n: 1 }, c: { n: 1, m: [2, 1] }, d: { n: 1 } }

  test.each<[name: string, added: unknown[], removed: unknown, left: unknown[]]>([
    ['of equal ones the first', [1, 2, 1, 3], 1, [2, 1, 3]],
    ['the order of members makes no difference', [objects.c, objects.a], objects.b, [objects.c]],
    ['a member more is another value', [objects.a, objects.d], objects.d, [objects.a]],
    ['a member less too', [objects.d, objects.a], objects.a, [objects.d]],
    ['a member that is undefined is none', [objects.d], { n: 1, m: undefined }, []],
    ['arrays are no objects', [[], {}], {}, [[]]],
    ['nor is null', [null, {}], {}, [null]],
    ['null', [{}, null], null, [{}]],
    ['the length of arrays counts', [[1, 2], [1]], [1], [[1, 2]]],
    ['what was never added', [1], 2, [1]],
  ])('takes back: %s', (_name, added, removed, left) => {
    expect(new Fold(collect()).addAll(added).remove(removed).result()).toEqual(left)
  })

  test('takes a null value, which a window lets through', () => {
    expect(new Fold(collect()).add(null).result()).toEqual([null])
  })

  test('of what is made of each record', () => {
    expect(new Fold(collect((r: { value: number }) => r.value * 2)).addAll([1, 2]).result()).toEqual([2, 4])
  })
})

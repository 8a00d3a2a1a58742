import { describe, expect, test } from '@jest/globals'
import { stddev } from 'tidemark'
import { aggregatorLaws, expectDiagram, Fold } from './aggregatorLaws.js'
import { expectNear, spreadOf, uneven } from './exactly.js'

type Kind = 'population' | 'sample'

const make = (kind?: Kind) => stddev((r: { value: number }) => r.value, kind === undefined ? {} : { kind })

test('its diagram', () =>
  expectDiagram('stddev', {
    call: 'stddev(r => r.value)',
    source: '2--6--4--|',
    out: '0--2--x--|',
    make,
    values: { x: Math.sqrt(8 / 3) },
  }))

describe.each(['population', 'sample'] as const)('laws (%s)', (kind) => {
  const laws = aggregatorLaws({
    make: () => make(kind),
    values: uneven,
    of(values) {
      const variance = spreadOf(values, kind)
      return variance === null ? null : Math.sqrt(variance)
    },
    can: ['remove', 'merge', 'commutes'],
    none: null,
    same: expectNear,
  })
  for (const law of laws) test(law.name, law.run)
})

describe('edges', () => {
  test.each<[name: string, kind: Kind, added: number[], expected: number | null]>([
    ['of one', 'population', [5], 0],
    ['a sample of one', 'sample', [5], null],
    ['the textbook one', 'population', [2, 4, 4, 4, 5, 5, 7, 9], 2],
    ['a sample', 'sample', [1e9 + 1, 1e9 + 2, 1e9 + 3], 1],
  ])('%s', (_name, kind, added, expected) => {
    expect(new Fold(make(kind)).addAll(added).result()).toBe(expected)
  })

  test.each([Number.NaN, undefined])('%p is refused', (x) => {
    expect(() => new Fold(make()).add(x)).toThrow(/NOT_A_NUMBER: stddev got/)
    expect(() => new Fold(make()).addAll([1, 2]).remove(x)).toThrow(/NOT_A_NUMBER: stddev got/)
  })
})

import { describe, expect, test } from '@jest/globals'
import { variance } from 'tidemark'
import { aggregatorLaws, expectDiagram, Fold } from './aggregatorLaws.js'
import { expectNear, spreadOf, uneven } from './exactly.js'

type Kind = 'population' | 'sample'

const make = (kind?: Kind) => variance((r: { value: number }) => r.value, kind === undefined ? {} : { kind })

test.each([undefined, 'population'] as const)('its diagram (kind %s)', (kind) =>
  expectDiagram('variance', {
    call: 'variance(r => r.value)',
    source: '3--3--0--|',
    out: '0--0--2--|',
    make: () => make(kind),
  }),
)

describe.each(['population', 'sample'] as const)('laws (%s)', (kind) => {
  const laws = aggregatorLaws({
    make: () => make(kind),
    values: uneven,
    of: (values) => spreadOf(values, kind),
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
    ['a sample of two', 'sample', [1, 3], 2],
    ['large numbers that differ little', 'population', [1e9 + 1, 1e9 + 2, 1e9 + 3, 1e9 + 2], 0.5],
    ['fractions that differ little', 'sample', [1e15 + 0.25, 1e15 + 0.5, 1e15 + 0.75], 0.0625],
    ['equal fractions', 'population', [0.1, 0.1, 0.1], 0],
  ])('%s', (_name, kind, added, expected) => {
    expect(new Fold(make(kind)).addAll(added).result()).toBe(expected)
  })

  test('what was far off leaves no trace', () => {
    expect(new Fold(make()).addAll([1, 1e100, 3]).remove(1e100).result()).toBe(1)
  })

  test.each([Number.NaN, undefined, 1e200])('%p is refused', (x) => {
    expect(() => new Fold(make()).add(x)).toThrow(expect.objectContaining({ code: 'NOT_A_NUMBER' }))
  })
})

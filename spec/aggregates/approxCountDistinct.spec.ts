import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { approxCountDistinct, type Key } from 'tidemark'
import { aggregatorLaws, expectDiagram, Fold } from './aggregatorLaws.js'

const make = (precision?: number) =>
  approxCountDistinct((r: { value: Key }) => r.value, precision === undefined ? {} : { precision })

const standardError = (precision: number) => 1.04 / Math.sqrt(2 ** precision)

test('its diagram', () =>
  expectDiagram('approxCountDistinct', {
    call: 'approxCountDistinct(r => r.value)',
    source: 'x--y--x--|',
    out: '1--2--2--|',
    make,
  }))

// 4: sixteen registers, which are soon kept as a text.
describe.each([undefined, 4])('laws (precision %s)', (precision) => {
  const laws = aggregatorLaws({
    make: () => make(precision),
    values: fc.constantFrom<Key>(1, '1', true, 'a', ['a', 1], ['a', '1'], '__proto__', '', 'ä', '\ud800'),
    of: (values) => new Set(values.map((value) => JSON.stringify(value))).size,
    can: ['merge', 'commutes'],
    same: (came, expected: number) =>
      expect(Math.abs(came - expected)).toBeLessThanOrEqual(precision === undefined ? 0 : 6),
  })
  for (const law of laws) test(law.name, law.run)
})

describe('its error', () => {
  const COUNTS = [10, 100, 300, 1_000, 3_000, 10_000, 30_000]
  const KINDS: Record<string, (n: number) => Key> = {
    'numbers in a row': (n) => n,
    'names that differ at the end': (n) => `https://example.com/users/${n}`,
    'names that differ at the start': (n) => `${n}@example.com`,
    pairs: (n) => [n % 100, `${Math.floor(n / 100)}`],
  }

  test.each(Object.entries(KINDS))('stays beneath three standard errors: %s', (_name, nth) => {
    const fold = new Fold(make())
    let added = 0
    for (const count of COUNTS) {
      for (; added < count; added++) fold.add(nth(added))
      expect(Math.abs(fold.result() / count - 1)).toBeLessThanOrEqual(3 * standardError(12))
    }
  })

  test.each([4, 8, 10, 14, 16])('is the standard error, over 40 sets: precision %s', (precision) => {
    const sets = 40
    const count = 2_000
    let squares = 0
    let sum = 0
    for (let set = 0; set < sets; set++) {
      const fold = new Fold(make(precision))
      for (let n = 0; n < count; n++) fold.add(`${set} ${n}`)
      const off = fold.result() / count - 1
      squares += off ** 2
      sum += off
    }
    // Of 40 draws the root mean square is within a third of the true one in all but one of a thousand cases.
    expect(Math.sqrt(squares / sets)).toBeLessThanOrEqual(standardError(precision) * 1.35)
    expect(Math.abs(sum / sets)).toBeLessThanOrEqual((standardError(precision) / Math.sqrt(sets)) * 3.3)
  })

  test('a few dozen values are counted to within one', () => {
    let off = 0
    for (let set = 0; set < 50; set++) {
      const fold = new Fold(make())
      for (let n = 0; n < 50; n++) if (Math.abs(fold.add(`${set} ${n}`).result() - n - 1) > 1) off++
    }
    // Two of fifty that choose one register are missed: with 4,096 registers that is rare.
    expect(off / (50 * 50)).toBeLessThan(0.01)
  })
})

describe('edges', () => {
  test('repeats change nothing, however many', () => {
    const fold = new Fold(make()).addAll(['a', 'b', 'c'])
    const before = JSON.stringify(fold.acc)
    expect(JSON.stringify(fold.addAll(Array(1000).fill('b')).acc)).toBe(before)
  })

  test('a few values take little room, and many no more than 4 kB', () => {
    const size = (values: number) =>
      JSON.stringify(new Fold(make()).addAll(Array.from({ length: values }, (_, n) => n)).acc).length
    expect(size(10)).toBeLessThan(400)
    expect(size(500)).toBeLessThan(5_500)
    expect(size(100_000)).toBeLessThan(4_500)
  })

  test.each([3, 17, 4.5, Number.NaN])('a precision of %p is refused', (precision) => {
    expect(() => make(precision)).toThrow(
      expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining('precision must') }),
    )
  })

  test('what is no key is refused', () => {
    expect(() => new Fold(make()).add({})).toThrow(expect.objectContaining({ code: 'BAD_KEY' }))
  })
})

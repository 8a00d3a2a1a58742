import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { compareKeys, type Key } from 'tidemark'
import { keyIdentity, keyText, parseKey } from '../../lib/record/key.js'

const anyString = fc.string({ unit: 'binary', maxLength: 6 })
const loneSurrogates = fc
  .array(fc.integer({ min: 0xd7ff, max: 0xe001 }), { maxLength: 3 })
  .map((units) => String.fromCharCode(...units))
const { key: keys } = fc.letrec<{ key: Key }>((tie) => ({
  key: fc.oneof(
    { maxDepth: 3 },
    anyString,
    loneSurrogates,
    fc.constantFrom('\u0000', '\u0000a', '__proto__', '', 's', 'n1'),
    fc.double({ noNaN: true }),
    fc.integer(),
    fc.bigInt(),
    fc.boolean(),
    fc.array(tie('key') as fc.Arbitrary<Key>, { maxLength: 3 }),
  ),
}))

/** Equal by value; -0 and 0 are one key. */
const isSame = (a: Key, b: Key): boolean =>
  Array.isArray(a) && Array.isArray(b) ? a.length === b.length && a.every((part, i) => isSame(part, b[i])) : a === b

describe('order', () => {
  test('of strings is that of their UTF-8 bytes', () => {
    const fromBytes = (a: string, b: string) => Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b)))
    const char = fc.oneof(
      fc.constantFrom(
        'a',
        '\u007f',
        '\u0080',
        '\u07ff',
        '\u0800',
        '\ud7ff',
        '\ue000',
        '\uffff',
        '😀',
        '\u{10000}',
        '\u{10ffff}',
      ),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
    )
    const string = fc.array(char, { maxLength: 4 }).map((chars) => chars.join(''))
    fc.assert(
      fc.property(string, string, (a, b) => {
        expect(Math.sign(compareKeys(a, b))).toBe(fromBytes(a, b))
      }),
      { seed: 1, numRuns: 3_000 },
    )
  })

  test('is total: antisymmetric, transitive, and 0 for equal keys only', () => {
    fc.assert(
      fc.property(keys, keys, keys, (a, b, c) => {
        expect(Math.sign(compareKeys(a, b))).toBe(-Math.sign(compareKeys(b, a)) + 0)
        expect(compareKeys(a, b) === 0).toBe(isSame(a, b))
        const [x, y, z] = [a, b, c].sort(compareKeys) as [Key, Key, Key]
        expect(compareKeys(x, z)).toBeLessThanOrEqual(0)
        expect(compareKeys(x, y)).toBeLessThanOrEqual(0)
        expect(compareKeys(y, z)).toBeLessThanOrEqual(0)
      }),
      { seed: 2, numRuns: 2_000 },
    )
  })

  test.each<[string, Key[]]>([
    ['types', [false, true, -1, 5, 1n, '', 'a', [], [1]]],
    ['numbers', [Number.NEGATIVE_INFINITY, -1, 0, 0.5, 10, Number.POSITIVE_INFINITY]],
    ['bigints', [-(2n ** 70n), -1n, 0n, 2n ** 70n]],
    ['strings', ['B', 'a', 'ab', 'ä', '\uffff', '😀']],
    ['arrays, part by part', [[1], [1, 'a'], [1, 'b'], [2], [[]]]],
  ])('%s', (_name, sorted) => {
    expect([...sorted].reverse().sort(compareKeys)).toEqual(sorted)
  })
})

describe('text', () => {
  test('is turned back, and equal for equal keys only', () => {
    fc.assert(
      fc.property(keys, keys, (a, b) => {
        expect(isSame(parseKey(keyText(a)), a)).toBe(true)
        expect(keyText(a).isWellFormed()).toBe(true)
        expect(keyText(a) === keyText(b)).toBe(isSame(a, b))
      }),
      { seed: 3, numRuns: 2_000 },
    )
  })

  test('has one form for 0 and -0', () => {
    expect(keyText(-0)).toBe(keyText(0))
    expect(keyText([-0])).toBe(keyText([0]))
  })

  test.each(['', 'x', 'q1'])('%j is no key of ours', (text) => {
    expect(() => parseKey(text)).toThrow(expect.objectContaining({ code: 'BAD_KEY' }))
  })
})

test('identity: a Map tells keys apart just as they are equal', () => {
  fc.assert(
    fc.property(keys, keys, (a, b) => {
      const map = new Map([[keyIdentity(a), 1]])
      expect(map.has(keyIdentity(b))).toBe(isSame(a, b))
    }),
    { seed: 4, numRuns: 2_000 },
  )
})

test.each([Number.NaN, undefined, null, {}, new Date(0), Symbol.iterator, [Number.NaN], [null]])(
  '%p is refused as a key',
  (key) => {
    expect(() => keyText(key as never)).toThrow(expect.objectContaining({ code: 'BAD_KEY' }))
    expect(() => keyIdentity(key as never)).toThrow(expect.objectContaining({ code: 'BAD_KEY' }))
  },
)

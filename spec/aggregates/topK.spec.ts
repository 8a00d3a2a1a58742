import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { topK } from 'tidemark'
import { aggregatorLaws, expectDiagram, Fold } from './aggregatorLaws.js'

interface Score {
  readonly name: string
  readonly points: number
}
type Scored = { readonly value: Score }

const numbers = (retractable: boolean) => topK(2, (r: { value: number }) => r.value, { retractable })
const scores = (retractable: boolean) =>
  topK(3, (r: Scored) => r.value, { by: (r: Scored) => r.value.points, retractable })

/** Few points and many names, so that most ranks are shared. */
const score = fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd'), points: fc.nat(4) })

const best = (values: readonly Score[]) =>
  values
    .map((value, arrival) => ({ value, arrival }))
    .sort((one, other) => other.value.points - one.value.points || one.arrival - other.arrival)
    .slice(0, 3)
    .map(({ value }) => value)

test.each([false, true])('its diagram (retractable %s)', (retractable) =>
  expectDiagram('topK', {
    call: 'topK(2, r => r.value)',
    source: '2--3--1--3--|',
    out: 'p--q--q--r--|',
    make: () => numbers(retractable),
    values: { p: [2], q: [3, 2], r: [3, 3] },
  }),
)

describe('laws', () => {
  const laws = aggregatorLaws({ make: () => scores(false), values: score, of: best, can: ['merge'] })
  for (const law of laws) test(law.name, law.run)
})

describe('laws, retractable', () => {
  const laws = aggregatorLaws({
    make: () => scores(true),
    values: score,
    of: best,
    can: ['remove', 'merge'],
    none: [],
  })
  for (const law of laws) test(law.name, law.run)
})

describe('edges', () => {
  const a = { name: 'a', points: 1 }
  const b = { name: 'b', points: 1 }

  test('strings go by code unit', () => {
    const words = topK(2, (r: { value: string }) => r.value)
    expect(new Fold(words).addAll(['a', 'B', 'b', 'A']).result()).toEqual(['b', 'a'])
  })

  test('of equal ranks, the entry that is equal is taken back', () => {
    expect(new Fold(scores(true)).addAll([a, b, a]).remove(b).result()).toEqual([a, a])
  })

  test('what was never added is not taken back, whatever its rank', () => {
    const fold = new Fold(scores(true)).addAll([a])
    expect(fold.remove(b).remove({ name: 'a', points: 2 }).result()).toEqual([a])
  })

  test('the top of one, of which one is kept', () => {
    const fold = new Fold(topK(1, (r: { value: number }) => r.value)).addAll([1, 3, 2])
    expect(fold.result()).toEqual([3])
    expect(fold.acc).toHaveLength(1)
  })

  test('what fell out comes in again', () => {
    expect(new Fold(numbers(true)).addAll([1, 2, 3]).remove(3).result()).toEqual([2, 1])
  })

  test('keeps k entries, and all where it is retractable', () => {
    expect(new Fold(numbers(false)).addAll([1, 2, 3]).acc).toHaveLength(2)
    expect(new Fold(numbers(true)).addAll([1, 2, 3]).acc).toHaveLength(3)
  })

  test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('k = %p is refused', (k) => {
    expect(() => topK(k, (r: { value: number }) => r.value)).toThrow(
      expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining('topK: k') }),
    )
  })

  test.each([Number.NaN, undefined])('a rank of %p is refused', (points) => {
    expect(() => new Fold(numbers(false)).add(points)).toThrow(/NOT_A_NUMBER: topK got/)
    expect(() => new Fold(scores(false)).add({ name: 'a', points })).toThrow(/NOT_A_NUMBER: topK got/)
  })
})

import { expect } from '@jest/globals'

/** Numbers from 0 to 1, the same ones each time. Marsaglia's xorshift, 32 bit. */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

/** Many numbers of several distributions. */
export function seededNumbers(length: number): Record<string, number[]> {
  const next = seeded(7)
  const list = (make: (i: number) => number) => Array.from({ length }, (_, i) => make(i))
  return {
    uniform: list(() => next() * 1000),
    'around 0': list(() => (next() + next() + next() - 1.5) * 50),
    'with a long tail': list(() => 1 / (1 - next())),
    'over thirty powers of ten': list(() => 10 ** (next() * 30 - 15)),
    'few different ones': list(() => Math.floor(next() * 4) - 1),
    ascending: list((i) => i),
    'all below 0': list(() => -Math.exp(next() * 20)),
  }
}

/** The quantile as it is documented. */
export function quantileOf(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(q * (sorted.length - 1))] as number
}

/** Not further off than the share of what is expected; the rounding of doubles is allowed for. */
export function expectWithin(came: number, expected: number, share: number): void {
  expect(Math.abs(came - expected)).toBeLessThanOrEqual(Math.abs(expected) * share * (1 + 1e-9))
}

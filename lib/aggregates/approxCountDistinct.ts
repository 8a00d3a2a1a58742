import { show, TidemarkError } from '../record/errors.js'
import { type Key, keyText } from '../record/key.js'
import { utf8 } from '../record/serde.js'
import type { Aggregator } from './aggregator.js'
import { murmur3 } from './murmur3.js'

export interface ApproxCountDistinctOptions {
  /** 2^precision registers are kept, from 4 to 16. Default 12. */
  readonly precision?: number
}

/** The highest rank seen by each register that saw any: by its number, or, where these are many, a text with a character for each register. */
type Ranks = { [register: number]: number } | string

interface Sketch {
  readonly ranks: Ranks
  /** How many registers have each rank, from 0. */
  readonly counts: number[]
}

/**
 * Estimates how many different values of a key the records have, in a few kilobytes whatever their number.
 *
 * ```
 * in                                 x--y--x--|
 * approxCountDistinct(r => r.value)  1--2--2--|
 * ```
 *
 * Its standard error is `1.04 / √(2^precision)`: 1.6 % with the default of 12, which takes up to 4 kB for each key, and 0.8 % with 14 and
 * 16 kB; a few dozen values are counted to within one. Values are equal as keys are. A value's 64 bits of MurmurHash3 choose a register and
 * a rank, one more than the zeros that the rest begins with, and each register keeps the highest: HyperLogLog, with the estimator of Otmar Ertl, "New
 * cardinality estimation algorithms for HyperLogLog sketches" (2017), which needs no tables and has no bias for small or large numbers. Merges, to
 * what all records would have given. Takes none back: use {@link countDistinct} where rows change. To change the precision is to begin anew: give the
 * state another name.
 *
 * @throws TidemarkError `BAD_OPTION` if `precision` isn't a whole number from 4 to 16; `BAD_KEY` for what isn't a key
 */
export function approxCountDistinct<R>(
  of: (record: R) => Key,
  { precision = 12 }: ApproxCountDistinctOptions = {},
): Aggregator<R, number, unknown> {
  if (!Number.isInteger(precision) || precision < 4 || precision > 16) {
    throw new TidemarkError(
      'BAD_OPTION',
      `approxCountDistinct: precision must be a whole number from 4 to 16; got ${show(precision)}`,
    )
  }
  const registers = 2 ** precision
  const top = 65 - precision

  function sketchOf(ranks: readonly number[]): Sketch {
    const counts = new Array<number>(top + 1).fill(0)
    for (const rank of ranks) (counts[rank] as number)++
    return { ranks: packed(ranks, registers - (counts[0] as number)), counts }
  }

  function raise(sketch: Sketch, register: number, rank: number): Sketch {
    const { ranks, counts } = sketch
    const before = rankOf(ranks, register)
    if (rank <= before) return sketch
    ;(counts[before] as number)--
    ;(counts[rank] as number)++
    if (typeof ranks === 'string') {
      const text = ranks.slice(0, register) + String.fromCharCode(ZERO + rank) + ranks.slice(register + 1)
      return { ranks: text, counts }
    }
    ranks[register] = rank
    const used = registers - (counts[0] as number)
    return used > registers / SPARSE ? { ranks: packed(unpacked(ranks, registers), used), counts } : sketch
  }

  const aggregator: Aggregator<R, number, Sketch> = {
    holds: `approxCountDistinct ${precision}`,
    init: () => ({ ranks: {}, counts: [registers, ...new Array<number>(top).fill(0)] }),
    add(sketch, record) {
      const bytes = utf8.encode(keyText(of(record)))
      const high = murmur3(bytes, 0)
      const rest = (high << precision) >>> 0
      const zeros = rest === 0 ? 32 - precision + Math.clz32(murmur3(bytes, 1)) : Math.clz32(rest)
      return raise(sketch, high >>> (32 - precision), zeros + 1)
    },
    merge(a, b) {
      const others = unpacked(b.ranks, registers)
      return sketchOf(unpacked(a.ranks, registers).map((rank, register) => Math.max(rank, others[register] as number)))
    },
    commutes: true,
    result: ({ counts }) => Math.round(estimate(counts, registers)),
  }
  return aggregator
}

/** Beyond this share of used registers a character for each of all is shorter. */
const SPARSE = 8
const ZERO = 48

const rankOf = (ranks: Ranks, register: number): number =>
  typeof ranks === 'string' ? ranks.charCodeAt(register) - ZERO : (ranks[register] ?? 0)

const unpacked = (ranks: Ranks, registers: number): number[] =>
  Array.from({ length: registers }, (_, register) => rankOf(ranks, register))

function packed(ranks: readonly number[], used: number): Ranks {
  if (used > ranks.length / SPARSE) return ranks.map((rank) => String.fromCharCode(ZERO + rank)).join('')
  const sparse: { [register: number]: number } = {}
  ranks.forEach((rank, register) => {
    if (rank > 0) sparse[register] = rank
  })
  return sparse
}

/** Ertl's improved raw estimator, from how many registers have each rank. */
function estimate(counts: readonly number[], registers: number): number {
  const top = counts.length - 1
  let z = registers * tau(1 - (counts[top] as number) / registers)
  for (let rank = top - 1; rank >= 1; rank--) z = (z + (counts[rank] as number)) / 2
  z += registers * sigma((counts[0] as number) / registers)
  return registers ** 2 / (2 * Math.LN2 * z)
}

/** `x + Σ x^(2^k)·2^(k-1)` over k from 1. */
function sigma(share: number): number {
  if (share === 1) return Number.POSITIVE_INFINITY
  let [sum, before, power, factor] = [share, -1, share, 1]
  while (sum !== before) {
    power *= power
    before = sum
    sum += power * factor
    factor *= 2
  }
  return sum
}

/** `(1 - x - Σ (1 - x^(2^-k))²·2^-k) / 3` over k from 1. */
function tau(share: number): number {
  if (share === 0 || share === 1) return 0
  let [sum, before, root, factor] = [1 - share, -1, share, 1]
  while (sum !== before) {
    root = Math.sqrt(root)
    before = sum
    factor /= 2
    sum -= (1 - root) ** 2 * factor
  }
  return sum / 3
}

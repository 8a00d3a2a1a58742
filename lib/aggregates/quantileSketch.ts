import { show, TidemarkError } from '../record/errors.js'
import type { Aggregator } from './aggregator.js'
import { finite } from './finite.js'
import { emptyTally, mergeTallies, type Tally, tallyDown, tallyUp } from './tally.js'

export interface QuantileOptions {
  /** How far a result may be from the true one, as a share of it. Default 0.01. */
  readonly relativeError?: number
}

/** How many numbers lie below 0, at it and above, by the exponent of their magnitude. */
interface Sketch {
  readonly below: Tally<number>
  zeros: number
  readonly above: Tally<number>
}

/** Magnitudes under it, of which doubles keep ever fewer digits, are taken for 0. */
const SMALLEST = 1e-307

/**
 * An aggregator over a DDSketch with all its counts kept: of x, it counts the i with `γ^(i-1) < |x| <= γ^i`, where `γ = (1 + e) / (1 - e)`;
 * all of these lie within e of `(1 + e)·γ^(i-1)`. `read` makes the result with a function that gives the sketch's quantiles.
 */
export function quantileSketch<R, Out>(
  name: string,
  of: (record: R) => number,
  { relativeError = 0.01 }: QuantileOptions,
  read: (quantile: (q: number) => number) => Out,
): Aggregator<R, Out, Sketch> {
  if (!(relativeError >= 0.0001 && relativeError <= 0.5)) {
    throw new TidemarkError(
      'BAD_OPTION',
      `${name}: relativeError must be from 0.0001 to 0.5; got ${show(relativeError)}`,
    )
  }
  const logGamma = Math.log((1 + relativeError) / (1 - relativeError))

  function change(sketch: Sketch, record: R, tally: typeof tallyUp, sign: 1 | -1): void {
    const x = finite(of(record), name)
    const magnitude = Math.abs(x)
    if (magnitude < SMALLEST) sketch.zeros += sign
    else tally(x < 0 ? sketch.below : sketch.above, Math.ceil(Math.log(magnitude) / logGamma) + 0)
  }

  const magnitudeOf = (exponent: number) =>
    Math.min((1 + relativeError) * Math.exp((exponent - 1) * logGamma), Number.MAX_VALUE)

  function quantile({ below, zeros, above }: Sketch, q: number): number {
    let place = Math.floor(q * (total(below) + zeros + total(above) - 1))
    for (let i = below[0].length - 1; i >= 0; i--) {
      place -= below[1][i] as number
      if (place < 0) return -magnitudeOf(below[0][i] as number)
    }
    place -= zeros
    let i = 0
    while (place >= 0) place -= above[1][i++] as number
    return i === 0 ? 0 : magnitudeOf(above[0][i - 1] as number)
  }

  return {
    holds: `quantiles ${relativeError}`,
    init: () => ({ below: emptyTally(), zeros: 0, above: emptyTally() }),
    add(sketch, record) {
      change(sketch, record, tallyUp, 1)
      return sketch
    },
    remove(sketch, record) {
      change(sketch, record, tallyDown, -1)
      const isEmpty = sketch.zeros === 0 && sketch.below[0].length === 0 && sketch.above[0].length === 0
      return isEmpty ? null : sketch
    },
    merge: (a, b) => ({
      below: mergeTallies(a.below, b.below),
      zeros: a.zeros + b.zeros,
      above: mergeTallies(a.above, b.above),
    }),
    commutes: true,
    result: (sketch) => read((q) => quantile(sketch, q)),
  }
}

const total = ([, counts]: Tally<number>) => counts.reduce((sum, count) => sum + count, 0)

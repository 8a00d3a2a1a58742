import { show, TidemarkError } from '../record/errors.js'
import type { Aggregator } from './aggregator.js'
import { type ExactSum, plus, plusSum, rounded } from './exactSum.js'
import { finite } from './finite.js'

export interface HistogramOptions {
  /** The upper bounds of the buckets, ascending; each belongs to its bucket. */
  readonly buckets: readonly number[]
}

export interface Histogram {
  /** How many numbers lie in each bucket; the last is for those above all bounds. */
  readonly counts: readonly number[]
  /** How many there are. */
  readonly count: number
  /** What they add up to. */
  readonly sum: number
}

/**
 * Counts a number of each record by buckets, of which each has an upper bound.
 *
 * ```
 * in                                            2--3--9--|     p: 1, 0, 0   q: 1, 1, 0   r: 1, 1, 1
 * histogram(r => r.value, { buckets: [2, 5] })  p--q--r--|     count 1, 2, 3   sum 2, 5, 14
 * ```
 *
 * With bounds b, `counts[i]` is of the numbers `b[i - 1] < x <= b[i]`; the first has none below it, and one more bucket has those above the
 * last. OpenTelemetry's explicit buckets, and Prometheus' `le` (whose counts are running totals of these). Keeps the counts and the sum, which is
 * that of {@link sum}. Takes records back, and merges. To change the buckets is to begin anew: give the state another name.
 *
 * @throws TidemarkError `BAD_OPTION` if `buckets` is empty, doesn't ascend or isn't finite; `NOT_A_NUMBER` for NaN or infinity
 */
export function histogram<R>(
  of: (record: R) => number,
  options: HistogramOptions,
): Aggregator<R, Histogram, { readonly counts: number[]; readonly sum: ExactSum }> {
  const bounds = [...options.buckets]
  if (
    bounds.length === 0 ||
    bounds.some((bound, i) => !Number.isFinite(bound) || bound <= (bounds[i - 1] ?? -Infinity))
  )
    throw new TidemarkError(
      'BAD_OPTION',
      `histogram: buckets must be finite upper bounds that ascend; got ${show(options.buckets)}`,
    )
  return {
    holds: `histogram ${bounds}`,
    init: () => ({ counts: new Array<number>(bounds.length + 1).fill(0), sum: 0 }),
    add({ counts, sum }, record) {
      const x = finite(of(record), 'histogram')
      ;(counts[bucketOf(bounds, x)] as number)++
      return { counts, sum: plus(sum, x) }
    },
    remove({ counts, sum }, record) {
      const x = finite(of(record), 'histogram')
      ;(counts[bucketOf(bounds, x)] as number)--
      return { counts, sum: plus(sum, -x) }
    },
    merge: (a, b) => ({
      counts: a.counts.map((count, i) => count + (b.counts[i] as number)),
      sum: plusSum(a.sum, b.sum),
    }),
    commutes: true,
    result: ({ counts, sum }) => ({
      counts: counts.slice(),
      count: counts.reduce((total, count) => total + count),
      sum: rounded(sum),
    }),
  }
}

/** The first bucket whose bound isn't below x. */
function bucketOf(bounds: readonly number[], x: number): number {
  let [low, high] = [0, bounds.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((bounds[middle] as number) < x) low = middle + 1
    else high = middle
  }
  return low
}

import { wholeNumber } from '../record/wholeNumber.js'
import type { Aggregator } from './aggregator.js'
import { comparable } from './finite.js'
import { sameData } from './sameData.js'

export interface TopKOptions<R> {
  /** What the entries are ranked by (strings by code unit). Without it they are ranked by themselves. */
  readonly by?: (record: R) => number | string
  /** Keeps all entries, not only the k largest, so that records can be taken back. Default false. */
  readonly retractable?: boolean
}

/** An entry that is its own rank isn't kept twice. */
type Ranked = readonly [rank: number | string, entry?: unknown]

/**
 * The `k` largest of what `of` makes of each record, the largest first; with `by`, those of the largest ranks.
 *
 * ```
 * in                     2--3--1--3--|
 * topK(2, r => r.value)  p--q--q--r--|     p: [2]   q: [3, 2]   r: [3, 3]
 * ```
 *
 * Of equal ranks the one that arrived first stands, and stays, before the other. Keeps `k` entries; merges, the earlier session's
 * standing first. With `retractable` it keeps them all, and takes records back (of equal entries the first): for a leaderboard over a
 * table whose rows change. The top of none is empty.
 *
 * @throws TidemarkError `BAD_OPTION` if `k` isn't a whole number above 0; `NOT_A_NUMBER` for a rank that is NaN or infinity
 */
export function topK<R, V extends number | string>(
  k: number,
  of: (record: R) => V,
  options?: TopKOptions<R> & { readonly by?: never },
): Aggregator<R, readonly V[], unknown>
export function topK<R, V>(
  k: number,
  of: (record: R) => V,
  options: TopKOptions<R> & { readonly by: (record: R) => number | string },
): Aggregator<R, readonly V[], unknown>
export function topK<R>(
  k: number,
  of: (record: R) => unknown,
  { by, retractable = false }: TopKOptions<R> = {},
): Aggregator<R, readonly unknown[], Ranked[]> {
  wholeNumber(k, 'topK: k', 1)
  const most = retractable ? Number.POSITIVE_INFINITY : k
  const ranked = (record: R): Ranked =>
    by === undefined
      ? [comparable(of(record) as number | string, 'topK')]
      : [comparable(by(record), 'topK'), of(record)]

  function insert(kept: Ranked[], one: Ranked): Ranked[] {
    const at = firstBelow(kept, one[0])
    if (at < most) kept.splice(at, 0, one)
    if (kept.length > most) kept.pop()
    return kept
  }

  return {
    holds: `topK ${most}${by === undefined ? '' : ' by'}`,
    init: () => [],
    add: (kept, record) => insert(kept, ranked(record)),
    ...(retractable && {
      remove(kept: Ranked[], record: R) {
        const one = ranked(record)
        let at = firstBelow(kept, one[0]) - 1
        let found = -1
        for (; at >= 0 && (kept[at] as Ranked)[0] === one[0]; at--) if (sameData(kept[at], one)) found = at
        if (found >= 0) kept.splice(found, 1)
        return kept
      },
    }),
    merge(a, b) {
      for (const one of b) insert(a, one)
      return a
    },
    result: (kept) => kept.slice(0, k).map(([rank, entry]) => (by === undefined ? rank : entry)),
  }
}

/** Where, among entries of falling rank, those of a smaller rank begin. */
function firstBelow(kept: readonly Ranked[], rank: number | string): number {
  let [low, high] = [0, kept.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((kept[middle] as Ranked)[0] < rank) high = middle
    else low = middle + 1
  }
  return low
}

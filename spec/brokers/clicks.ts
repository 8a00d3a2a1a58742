import type { Window } from '../../lib/index.js'

/* The input of tabs.chromium.spec.ts, and what a plain loop over it gives. */

export interface Click {
  readonly user: string
  readonly n: number
  /** Event time, ms. */
  readonly at: number
}

export const SENDERS = 2
/** Clicks of each sender; the last one is long after the others, and closes their windows. */
export const CLICKS = 600
export const WINDOW_MS = 10_000
export const LATENESS_MS = 2_000

/** The n-th click of a sender, always the same: up to `LATENESS_MS` out of order, about 40 of them in a window. */
export function click(sender: number, n: number): Click {
  if (n === CLICKS - 1) return { user: `${sender}-0`, n, at: CLICKS * 1_000 }
  const chance = ((n * 7_919 + sender * 104_729 + 12_345) * 2_654_435_761) >>> 8
  return { user: `${sender}-${chance % 3}`, n, at: LATENESS_MS + n * 250 - (chance % LATENESS_MS) }
}

export interface Outcome {
  /** All that was clicked, by user, in order. */
  readonly seen: Record<string, number[]>
  /** By user, what each closed window holds. */
  readonly windows: Record<string, [Window['start'], number[]][]>
  /** By user, at the end. */
  readonly totals: Record<string, { clicks: number; sum: number }>
}

export function plainLoop(): Outcome {
  const outcome: Outcome = { seen: {}, windows: {}, totals: {} }
  for (let sender = 0; sender < SENDERS; sender++) {
    const open = new Map<string, Map<number, number[]>>()
    for (let i = 0; i < CLICKS; i++) {
      const { user, n, at } = click(sender, i)
      outcome.seen[user] = [...(outcome.seen[user] ?? []), n]
      const total = outcome.totals[user] ?? { clicks: 0, sum: 0 }
      outcome.totals[user] = { clicks: total.clicks + 1, sum: total.sum + n }
      const start = Math.floor(at / WINDOW_MS) * WINDOW_MS
      const windows = open.get(user) ?? new Map<number, number[]>()
      open.set(user, windows)
      windows.set(start, [...(windows.get(start) ?? []), n])
    }
    for (const [user, windows] of open)
      outcome.windows[user] = [...windows]
        .filter(([start]) => start + WINDOW_MS <= CLICKS * 1_000 - LATENESS_MS)
        .sort(([a], [b]) => a - b)
  }
  return outcome
}

/** Wall-clock time for the few things that follow it: idleness, commits, time-outs. Tests own it. */
export interface Clock {
  /** ms since the epoch. */
  now(): number
  /** Calls back once, after `ms`; returns what cancels it. */
  after(ms: number, callback: () => void): () => void
  /** Calls back soon, after I/O has had its turn. */
  soon(callback: () => void): void
}

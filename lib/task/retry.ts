import { type Duration, durationMs } from '../record/duration.js'
import { show, TidemarkError } from '../record/errors.js'
import type { FinalPolicy } from './errorPolicy.js'

export interface RetryOptions {
  /** How often it is tried again; `Infinity`: until it succeeds. */
  readonly times: number
  /** Before the first time; doubles with each. At least 1 ms. Default 100 ms. */
  readonly backoff?: Duration
  /** It grows no longer than this. At least 1 ms. Default 1 m. */
  readonly maxBackoff?: Duration
  /** How much of a pause may be taken off it, from 0 to 1, so that calls which failed together don't come together again. Default 0.5. */
  readonly jitter?: number
  /** What becomes of a record for which no time has helped. Default `fail`. */
  readonly orElse?: FinalPolicy
}

/** Tries a record again. */
export interface Retry {
  readonly is: 'retry'
  readonly times: number
  readonly backoffMs: number
  readonly maxBackoffMs: number
  readonly jitter: number
  readonly orElse: FinalPolicy
}

/**
 * A policy for records that go wrong: the record is tried again, later and later.
 *
 * ```ts
 * const priced = orders.pipe(
 *   mapAsync((order) => lookUp(order.value.userId), {
 *     name: 'prices',
 *     onError: retry({ times: 5, orElse: deadLetter('orders-dead') }),
 *   }),
 * )
 * ```
 *
 * The n-th pause is `backoff · 2^(n - 1)`, at most `maxBackoff`, less a part of up to `jitter` that follows from the record's place and n, rounded up to whole ms: a
 * test sees the same each time. In `mapAsync` the other calls go on meanwhile; in any other stage the record's task waits.
 *
 * @throws TidemarkError `BAD_OPTION`, `BAD_DURATION`
 */
export function retry(options: RetryOptions): Retry {
  const { times, backoff = 100, maxBackoff = '1m', jitter = 0.5, orElse = 'fail' } = options
  if (times !== Number.POSITIVE_INFINITY && (!Number.isInteger(times) || times < 1))
    throw new TidemarkError(
      'BAD_OPTION',
      `retry: times must be a whole number of at least 1, or Infinity; got ${show(times)}`,
    )
  if (!(jitter >= 0 && jitter <= 1))
    throw new TidemarkError('BAD_OPTION', `retry: jitter must be a number from 0 to 1; got ${show(jitter)}`)
  return {
    is: 'retry',
    times,
    backoffMs: durationMs(backoff, 'retry: backoff', 1),
    maxBackoffMs: durationMs(maxBackoff, 'retry: maxBackoff', 1),
    jitter,
    orElse,
  }
}

/**
 * The pause before a record is tried again, in ms.
 *
 * @param tries how often it has been tried again already
 * @param seed tells records apart
 */
export function pauseMs({ backoffMs, maxBackoffMs, jitter }: Retry, tries: number, seed: number): number {
  const full = Math.min(maxBackoffMs, backoffMs * 2 ** tries)
  // Two rounds of a multiplicative hash: neighbouring offsets come far apart.
  let hash = Math.imul(seed ^ Math.imul(tries + 1, 0x9e3779b1), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35)
  // Rounded up, so never 0: where the clock stands still, as in a test, a record would be tried for ever at one go.
  return Math.ceil(full * (1 - (jitter * (hash >>> 8)) / 2 ** 24))
}

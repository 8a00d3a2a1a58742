import { show, TidemarkError } from './errors.js'

/** The last ms that a `Date` can hold, in the year 275760; far beyond it sums of ms are no longer exact, and windows would never end. */
const LAST_MS = 8.64e15

export const isTimestamp = (timestamp: unknown): timestamp is number =>
  typeof timestamp === 'number' && timestamp >= 0 && timestamp <= LAST_MS

/** @param from what gave it: nothing for a record */
export function badTimestamp(timestamp: unknown, from = 'a timestamp'): TidemarkError {
  return new TidemarkError(
    'BAD_TIMESTAMP',
    `${from} must be a number of ms since the epoch, from 0 to ${LAST_MS}; got ${typeof timestamp === 'number' ? timestamp : show(timestamp)}`,
  )
}

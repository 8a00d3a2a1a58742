import { TidemarkError } from './errors.js'

export const isTimestamp = (timestamp: unknown): timestamp is number =>
  typeof timestamp === 'number' && timestamp >= 0 && timestamp < Number.POSITIVE_INFINITY

/** @param from what gave it: nothing for a record */
export function badTimestamp(timestamp: unknown, from = 'a timestamp'): TidemarkError {
  return new TidemarkError(
    'BAD_TIMESTAMP',
    `${from} must be a number of ms since the epoch, not negative; got ${String(timestamp)}`,
  )
}

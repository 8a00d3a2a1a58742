import { show, TidemarkError } from './errors.js'

/**
 * Checks an option that counts something.
 *
 * @param what names the parameter in the error, as `batch: maxRecords`
 * @throws TidemarkError `BAD_OPTION` if it isn't a whole number of at least `least`
 */
export function wholeNumber(count: number, what: string, least: number): number {
  if (Number.isInteger(count) && count >= least) return count
  throw new TidemarkError('BAD_OPTION', `${what} must be a whole number of at least ${least}; got ${show(count)}`)
}

import { show, TidemarkError } from '../../record/errors.js'

/** What a consumer's owner has thrown at a call of its listener, as a `TidemarkError`. */
export function ownerThrew(error: unknown): TidemarkError {
  return error instanceof TidemarkError
    ? error
    : new TidemarkError('BAD_STATE', `the consumer's owner threw: ${show(String(error))}`, {}, { cause: error })
}

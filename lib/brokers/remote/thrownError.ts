import { TidemarkError } from '../../record/errors.js'
import type { WireError } from '../rules/bridgeMessages.js'

/** An error that the bridge has told. */
export function thrownError({ code, reason, place }: WireError): TidemarkError {
  return new TidemarkError(code, reason, place ?? {})
}

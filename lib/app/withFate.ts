import { TidemarkError } from '../record/errors.js'
import type { ErrorStage, FinalPolicy } from '../task/errorPolicy.js'

/** The error of a record, with what becomes of that by the policy of its stage: `again` is for a retry that has tries left. */
export function withFate(error: TidemarkError, stage: ErrorStage, policy: FinalPolicy | 'again'): TidemarkError {
  const fate = typeof policy === 'string' ? FATES[policy] : `the record goes to the topic ${policy.topic}`
  const { code, reason, place, cause } = error
  return new TidemarkError(
    code,
    `${reason}; onError at stage ${stage}: ${fate}`,
    place,
    cause === undefined ? {} : { cause },
  )
}

const FATES = { fail: 'the app fails', skip: 'the record is skipped', again: 'it is tried again' }

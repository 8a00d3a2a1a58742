import { TidemarkError } from '../record/errors.js'

/** Outside an app, a part of the pipeline was subscribed behind records that it should have had. */
export function lateBranch(operator: string): TidemarkError {
  return new TidemarkError(
    'LATE_BRANCH',
    'a branch, side output or table was subscribed after records had passed; wrap the pipeline in local(...), so that they wait until all of it is there',
    { operator },
  )
}

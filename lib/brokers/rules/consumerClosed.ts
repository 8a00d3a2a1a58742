import { show, TidemarkError } from '../../record/errors.js'

/** The error of a commit by a consumer that has been closed. */
export const consumerClosed = (group: string) =>
  new TidemarkError('BAD_STATE', `consumer of group ${show(group)} is closed`)

import { show, TidemarkError } from '../../record/errors.js'

/** The error of a transactional producer, or a transaction of it, that is asked for what it can't do now. */
export const badTransaction = (id: string, what: string) =>
  new TidemarkError('BAD_STATE', `transactional producer ${show(id)}: ${what}`)

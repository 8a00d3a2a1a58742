import { type ErrorPlace, TidemarkError } from './errors.js'

/** The error for what has thrown, which is its cause. */
export const operatorFailed = (cause: unknown, place: ErrorPlace = {}): TidemarkError =>
  new TidemarkError('OPERATOR_FAILED', cause instanceof Error ? cause.message : String(cause), place, { cause })

import type { TidemarkError } from '../record/errors.js'

const PASSING: ReadonlySet<string> = new Set(['FENCED', 'BROKER_UNAVAILABLE', 'STORE_UNAVAILABLE'])

/** Whether it may pass, and what was stored before it is still good: who hears it lets go of what it has, and joins again. */
export const isPassing = ({ code }: TidemarkError): boolean => PASSING.has(code)

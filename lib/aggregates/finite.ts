import { show, TidemarkError } from '../record/errors.js'

/** A number that an aggregator can go on with and a checkpoint gives back: JSON has no NaN, no infinity and no -0. */
export function finite(value: number, aggregator: string): number {
  if (Number.isFinite(value)) return value + 0
  throw new TidemarkError(
    'NOT_A_NUMBER',
    `${aggregator} got ${typeof value === 'number' ? value : show(value)} where it needs a finite number; filter such records out before it, or give it a number for them`,
  )
}

/** The same for what may also be a string. */
export function comparable<V extends number | string>(value: V, aggregator: string): V {
  return typeof value === 'string' ? value : (finite(value as number, aggregator) as V)
}

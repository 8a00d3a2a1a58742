import { show, TidemarkError } from './errors.js'
import type { Serde } from './serde.js'

/**
 * Checks an option that is a serde, as plain JavaScript doesn't.
 *
 * @param what names the parameter in the error, as `app.stream orders: value`
 * @throws TidemarkError `BAD_OPTION`
 */
export function checkSerde(given: unknown, what: string): void {
  const { serialize, deserialize } = (given ?? {}) as Partial<Serde<unknown>>
  if (typeof serialize === 'function' && typeof deserialize === 'function') return
  const got = typeof given === 'function' ? 'a function: call it, as in json()' : show(given)
  throw new TidemarkError('BAD_OPTION', `${what} must be a serde, such as json(); got ${got}`)
}

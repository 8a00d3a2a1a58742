/**
 * What happened to one row of a table. `value: null`: it was deleted. `previous`: what it was before; null if there was
 * none, undefined if it isn't known. `timestamp` in ms.
 */
export interface Change<K, V> {
  readonly key: K
  readonly value: V | null
  readonly previous: V | null | undefined
  readonly timestamp: number
}

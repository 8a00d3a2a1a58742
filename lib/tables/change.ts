/**
 * What happened to one row of a table. `value: null`: it was deleted. `previous`: what it was before; null if there was
 * none, undefined if it isn't known. `timestamp` in ms. `window`: of the row, in a table of windowed results. `isLatest`: false for
 * a change of a versioned table that came too late to be the key's present row, which stays `previous`. `final`: true where the
 * window has closed and nothing follows.
 */
export interface Change<K, V, W = undefined> {
  readonly key: K
  readonly value: V | null
  readonly previous: V | null | undefined
  readonly timestamp: number
  readonly window: W
  readonly isLatest: boolean
  readonly final?: boolean
}

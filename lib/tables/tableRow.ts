/**
 * A row as functions of tables' operators get it. It has no timestamp: what such a function gives for a row must be the same when the row comes to
 * be and when it goes, and what was before isn't known with its time.
 */
export interface TableRow<K, V, W = undefined> {
  readonly key: K
  readonly value: V
  readonly window: W
}

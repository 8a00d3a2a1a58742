import type { Key } from '../record/key.js'

/** A table's rows in one task, as its node publishes them. */
export interface Rows<K extends Key, V> {
  readonly size: number
  get(key: K): V | undefined
  entries(): IterableIterator<[K, V]>
}

import type { Key } from '../record/key.js'
import type { Window } from '../record/record.js'
import type { Cell } from '../task/state.js'

/**
 * What windows hold before they close: a cell for each key and window, in whatever structure finds them fast. A strategy has its own
 * ways in besides.
 */
export interface OpenWindows<C extends Cell<unknown>> {
  /** A new cell, listed for the next checkpoint. */
  insert(key: Key, window: Window, acc: unknown, timestamp: number): C
  touch(cell: C): void
  remove(cell: C): void
  find(key: Key, window: Window): C | undefined
  windowOf(cell: C): Window
  all(): IterableIterator<C>
  /** End of the window that ends first; +Infinity if there is none. */
  firstEnd(): number
  /** Takes out what ends first, or some of it; in the order in which it is to come out, if that is asked for. */
  takeFirst(isSorted: boolean): readonly C[]
}

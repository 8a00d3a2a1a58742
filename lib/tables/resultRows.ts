import { type Key, keyIdentity } from '../record/key.js'
import type { Window } from '../record/record.js'
import { Heap } from '../task/heap.js'
import type { CellState } from '../task/state.js'
import { KeptRows } from './keptRows.js'
import { rowKey, splitRowKey } from './rows.js'

/** At most so many rows are freed with each change: more than can come to be by it, and a step that is short for windows of any size. */
const FREED_AT_ONCE = 4

/**
 * The rows that a named table keeps of results that could be worked out anew. Those of windows are freed, earliest end first, once they could not:
 * the tables before have let the window go, so nothing more happens to it.
 */
export class ResultRows<V> extends KeptRows<V> {
  private readonly ends = new Heap<number>((a, b) => a - b)
  private readonly byEnd = new Map<number, Map<unknown, Key>>()

  /** @param isBacked whether there still is what a row is worked out from */
  constructor(
    cells: CellState<Key, V>,
    private readonly isBacked: (row: Key) => boolean,
  ) {
    super(cells)
    for (const cell of cells.all()) {
      const { key, window } = splitRowKey(cell.key)
      this.watch(key, window)
    }
  }

  override put(key: Key, window: Window | undefined, value: V | null, timestamp: number): V | null {
    const previous = super.put(key, window, value, timestamp)
    this.watch(key, window)
    for (let n = 0; n < FREED_AT_ONCE && this.freeFirst(); n++);
    return previous
  }

  private watch(key: Key, window: Window | undefined): void {
    if (window === undefined) return
    const row = rowKey(key, window)
    const rows = this.byEnd.get(window.end)
    if (rows !== undefined) rows.set(keyIdentity(row), row)
    else {
      this.byEnd.set(window.end, new Map([[keyIdentity(row), row]]))
      this.ends.push(window.end)
    }
  }

  private freeFirst(): boolean {
    const end = this.ends.peek()
    if (end === undefined) return false
    const rows = this.byEnd.get(end) as Map<unknown, Key>
    const [identity, row] = rows.entries().next().value as [unknown, Key]
    if (this.isBacked(row)) return false
    rows.delete(identity)
    if (rows.size === 0) {
      this.ends.pop()
      this.byEnd.delete(end)
    }
    this.remove(row)
    return true
  }
}

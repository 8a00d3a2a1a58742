import type { Key } from '../record/key.js'
import type { Window } from '../record/record.js'
import type { CellState } from '../task/state.js'
import { CellRow, type CountedRows, type Row, type RowEntry, rowKey, splitRowKey } from './rows.js'

/** The rows of a table that keeps the last value of each key (and window) in a state of its own. */
export class KeptRows<V> implements CountedRows<V> {
  constructor(private readonly cells: CellState<Key, V>) {}

  get size(): number {
    return this.cells.size
  }

  get(row: Key): Row<V> | undefined {
    return this.cells.cell(row)
  }

  /** Puts a value, or deletes the row with null. @returns what it was before */
  put(key: Key, window: Window | undefined, value: V | null, timestamp: number): V | null {
    const previous = this.cells.get(rowKey(key, window)) ?? null
    this.set(key, window, value, timestamp)
    return previous
  }

  /** The same where nobody asks what it was before. */
  set(key: Key, window: Window | undefined, value: V | null, timestamp: number): void {
    const row = rowKey(key, window)
    if (value !== null) this.cells.put(row, value, timestamp)
    else this.cells.delete(row)
  }

  protected remove(row: Key): void {
    this.cells.delete(row)
  }

  *times(): IterableIterator<readonly [row: Key, timestamp: number]> {
    for (const { key, timestamp } of this.cells.all()) yield [key, timestamp]
  }

  *entries(): IterableIterator<RowEntry<V>> {
    for (const cell of this.cells.all()) {
      const { key, window } = splitRowKey(cell.key)
      yield new CellRow(key, window, cell)
    }
  }
}

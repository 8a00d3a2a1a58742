import type { Key } from '../record/key.js'
import type { Window } from '../record/record.js'
import { type Cell, peek } from '../task/state.js'

/** The present state of a row. `timestamp` is that of the newest record behind it, in ms. */
export interface Row<V> {
  readonly value: V
  readonly timestamp: number
}

export interface RowEntry<V> extends Row<V> {
  readonly key: Key
  readonly window: Window | undefined
  /** It is another row by now, or none. */
  readonly isGone?: boolean
}

/** A row as a cell has it. The value is read when it is asked for, and doesn't stay in memory by that. */
export class CellRow<V> implements RowEntry<V> {
  constructor(
    readonly key: Key,
    readonly window: Window | undefined,
    private readonly cell: Cell<any>,
    private readonly resultOf: (value: any) => V = (value) => value,
  ) {}

  get timestamp(): number {
    return this.cell.timestamp
  }

  get value(): V {
    return this.resultOf(peek(this.cell))
  }

  get isGone(): boolean {
    return this.cell.deleted
  }
}

/** A table's rows in one task, as its node publishes them. A row is found by its {@link rowKey}. */
export interface Rows<V> {
  get(row: Key): Row<V> | undefined
  /** The row as it was at that time (ms); undefined where there was none, or it is no longer known. Only a versioned table has it. */
  at?(row: Key, timestamp: number): Row<V> | undefined
  /** Values are read as they are asked for, where they may have left memory. */
  entries(): IterableIterator<RowEntry<V>>
}

/** Rows of which the number is known. */
export interface CountedRows<V> extends Rows<V> {
  readonly size: number
}

const WINDOW = '\u0000window'

/** What tells a row from all others: its key, and its window if it has one. In the order of key, start, end. */
export const rowKey = (key: Key, window: Window | undefined): Key =>
  window === undefined ? key : [key, window.start, window.end, WINDOW]

/** The key and window that {@link rowKey} put together. */
export function splitRowKey(row: Key): { readonly key: Key; readonly window: Window | undefined } {
  if (typeof row !== 'object' || row.length !== 4 || row[3] !== WINDOW) return { key: row, window: undefined }
  return { key: row[0] as Key, window: { start: row[1] as number, end: row[2] as number } }
}

import { TidemarkError } from '../record/errors.js'
import { compareKeys, type Key } from '../record/key.js'
import type { Window } from '../record/record.js'
import type { Definition } from '../task/definition.js'
import { publishedBy } from '../task/readers.js'
import { type RowEntry, type Rows, rowKey } from './rows.js'

/** What a node of a table publishes that keeps no rows. */
export const NO_ROWS = Symbol('no rows')

/** A row as it is read: with its window, if rows have one. */
export type Entry<K, V, W> = W extends Window ? [key: K, value: V, window: Window] : [key: K, value: V]

/** What a node has published, which must be rows. @throws TidemarkError `NO_ROWS` */
export function rowsShown<V>(shown: unknown, owner: Definition): Rows<V> {
  if (shown !== NO_ROWS) return shown as Rows<V>
  throw new TidemarkError(
    'NO_ROWS',
    'this table keeps no rows that could be read, as nothing that follows needs them; give it a name',
    { operator: owner.name ?? owner.kind },
  )
}

/** Reads a table's rows from outside, in all tasks of this process. */
export class RowReader<K extends Key, V, W> {
  constructor(private readonly owner: Definition) {}

  private *tasks(): IterableIterator<Rows<V>> {
    for (const shown of publishedBy(this.owner)) yield rowsShown(shown, this.owner)
  }

  get(key: K, window: Window | undefined): V | undefined {
    const row = rowKey(key, window)
    for (const rows of this.tasks()) {
      const found = rows.get(row)
      if (found !== undefined) return found.value
    }
    return undefined
  }

  getAsOf(key: K, timestamp: number, window: Window | undefined): V | undefined {
    const row = rowKey(key, window)
    for (const rows of this.tasks()) {
      if (rows.at === undefined) {
        throw new TidemarkError(
          'NO_HISTORY',
          'this table knows only its present rows; make it with { history: … } to ask what they were',
          { operator: this.owner.name ?? this.owner.kind },
        )
      }
      const found = rows.at(row, timestamp)
      if (found !== undefined) return found.value
    }
    return undefined
  }

  *entries(): IterableIterator<Entry<K, V, W>> {
    for (const rows of this.tasks()) for (const entry of rows.entries()) yield tuple(entry)
  }

  *range(from: K | undefined, to: K | undefined): IterableIterator<Entry<K, V, W>> {
    const found = this.where(
      ({ key }) =>
        (from === undefined || compareKeys(key, from) >= 0) && (to === undefined || compareKeys(key, to) < 0),
    )
    for (const entry of found) yield tuple(entry)
  }

  *windows(
    key: K,
    from = Number.NEGATIVE_INFINITY,
    to = Number.POSITIVE_INFINITY,
  ): IterableIterator<[value: V, window: Window]> {
    const found = this.where(
      ({ key: other, window }) =>
        window !== undefined && window.start >= from && window.start < to && compareKeys(other, key) === 0,
    )
    for (const { value, window } of found) yield [value, window as Window]
  }

  /** Keys are sorted first, and each value is read in its turn: all of them may be more than memory holds. */
  private *where(isWanted: (entry: RowEntry<V>) => boolean): IterableIterator<RowEntry<V>> {
    const found: { readonly row: Key; readonly entry: RowEntry<V>; readonly rows: Rows<V> }[] = []
    for (const rows of this.tasks())
      for (const entry of rows.entries())
        if (isWanted(entry)) found.push({ row: rowKey(entry.key, entry.window), entry, rows })
    found.sort((a, b) => compareKeys(a.row, b.row))
    for (const { row, entry, rows } of found) {
      const present = entry.isGone ? rows.get(row) : entry
      if (present !== undefined)
        yield { key: entry.key, window: entry.window, value: present.value, timestamp: present.timestamp }
    }
  }
}

const tuple = <K, V, W>({ key, value, window }: RowEntry<V>) =>
  (window === undefined ? [key, value] : [key, value, window]) as Entry<K, V, W>

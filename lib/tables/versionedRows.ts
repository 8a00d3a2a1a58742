import type { Key } from '../record/key.js'
import type { Window } from '../record/record.js'
import { LazyHeap } from '../task/lazyHeap.js'
import type { SeriesCell, SeriesState } from '../task/seriesState.js'
import { peek } from '../task/state.js'
import { type CountedRows, type Row, type RowEntry, rowKey, splitRowKey } from './rows.js'

/** What putting a version has done. */
export interface PutVersion<V> {
  /** What the present row was before; null: there was none. */
  readonly previous: V | null
  /** Whether the version is the present row now. */
  readonly isLatest: boolean
}

/** A version that is no longer needed once `bound` has reached `until`. */
interface Ending {
  readonly until: number
  readonly cell: SeriesCell<unknown>
}

/**
 * The rows of a table that keeps versions: the value that a row had from one timestamp to the next; null is a delete.
 *
 * With `bound = highest timestamp of the table - history`, a version is kept until one that follows it is as old as `bound`: then nobody can ask
 * for it any more. The latest of a row stays, unless it is a delete.
 */
export class VersionedRows<V> implements CountedRows<V> {
  private readonly endings: LazyHeap<Ending>
  size = 0

  constructor(
    private readonly series: SeriesState<V | null>,
    private readonly historyMs: number,
    /** Highest timestamp of the table, over all keys. */
    private newest: number,
  ) {
    const endingOf = (cell: SeriesCell<V | null>) => this.endingOf(cell)
    this.endings = new LazyHeap<Ending>((a, b) => a.until - b.until, {
      get size() {
        return series.size
      },
      // It may have become a value again since, or be followed by another version.
      isLive: ({ until, cell }) => !cell.deleted && this.until(cell as SeriesCell<V | null>) === until,
      *all() {
        for (const cell of series.all()) yield* endingOf(cell)
      },
    })
    for (const cell of series.lasts()) if (!isDelete(cell)) this.size++
  }

  get(row: Key): Row<V> | undefined {
    return rowOf(this.series.lastUntil(row, Number.POSITIVE_INFINITY))
  }

  at(row: Key, timestamp: number): Row<V> | undefined {
    const latest = this.series.lastUntil(row, Number.POSITIVE_INFINITY)
    if (latest === undefined || latest.at <= timestamp) return rowOf(latest)
    return timestamp < this.bound ? undefined : rowOf(this.series.lastUntil(row, timestamp))
  }

  *entries(): IterableIterator<RowEntry<V>> {
    const { series } = this
    for (const cell of series.lasts()) {
      if (isDelete(cell)) continue
      yield {
        ...splitRowKey(cell.key),
        timestamp: cell.at,
        get value() {
          return peek(cell) as V
        },
        get isGone() {
          return series.lastUntil(cell.key, Number.POSITIVE_INFINITY) !== cell || isDelete(cell)
        },
      }
    }
  }

  *times(): IterableIterator<readonly [row: Key, timestamp: number]> {
    for (const cell of this.series.lasts()) if (!isDelete(cell)) yield [cell.key, cell.at]
  }

  /** Puts a version; undefined if it is older than history. */
  put(key: Key, window: Window | undefined, value: V | null, timestamp: number): PutVersion<V> | undefined {
    if (timestamp < this.bound) return undefined
    this.newest = Math.max(this.newest, timestamp)
    const row = rowKey(key, window)
    const previous = this.get(row)?.value ?? null
    const isLatest = this.insert(row, timestamp, value)
    this.free()
    return { previous, isLatest }
  }

  /** Ends a row at that time, however long ago it is. */
  end(row: Key, timestamp: number): void {
    this.insert(row, timestamp, null)
    this.free()
  }

  private get bound(): number {
    return this.newest - this.historyMs
  }

  private insert(row: Key, timestamp: number, value: V | null): boolean {
    const last = this.series.lastUntil(row, Number.POSITIVE_INFINITY)
    const wasThere = last !== undefined && !isDelete(last)
    let cell = this.series.lastUntil(row, timestamp)
    if (cell?.at === timestamp) {
      cell.value = value
      this.series.touch(cell)
    } else {
      const before = cell
      cell = this.series.insert(row, timestamp, value, 0)
      if (before !== undefined) this.watch(before)
    }
    this.watch(cell)
    if (this.series.after(row, timestamp) !== undefined) return false
    this.size += Number(value !== null) - Number(wasThere)
    return true
  }

  /** Until when a version is needed. */
  private until(cell: SeriesCell<V | null>): number {
    const { key, at } = cell
    return isDelete(cell) ? at : (this.series.after(key, at)?.at ?? Number.POSITIVE_INFINITY)
  }

  private endingOf(cell: SeriesCell<V | null>): Ending[] {
    const until = this.until(cell)
    return until < Number.POSITIVE_INFINITY ? [{ until, cell }] : []
  }

  private watch(cell: SeriesCell<V | null>): void {
    for (const ending of this.endingOf(cell)) this.endings.push(ending)
  }

  private free(): void {
    const { bound } = this
    for (let first = this.endings.peek(); first !== undefined && first.until <= bound; first = this.endings.peek()) {
      // Those before it go first: if it is a delete, nothing would end them any more.
      this.series.remove(this.series.of(first.cell.key)[0] as SeriesCell<V | null>)
    }
  }
}

/** A delete stays in memory, so what doesn't is none. */
const isDelete = (cell: SeriesCell<unknown>) => cell.isCold !== true && cell.value === null

const rowOf = <V>(cell: SeriesCell<V | null> | undefined): Row<V> | undefined =>
  cell === undefined || cell.value === null ? undefined : { value: cell.value, timestamp: cell.at }

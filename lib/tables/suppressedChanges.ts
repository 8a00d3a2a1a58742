import { compareKeys, type Key } from '../record/key.js'
import type { Window } from '../record/record.js'
import type { Firing, OperatorContext, Waiting } from '../task/definition.js'
import { Heap } from '../task/heap.js'
import type { SeriesCell, SeriesState } from '../task/seriesState.js'
import type { Change } from './change.js'
import { type Row, type RowEntry, type Rows, rowKey, splitRowKey } from './rows.js'

/** What a row is to become, and what it was before, as far as that is known. */
type Kept<V> = readonly [value: V | null, previous?: V | null]

/** When rows come out. */
export interface Release {
  /** They wait from the end of their window, and deletes don't come out; else from the timestamp of the first change. */
  readonly isAtClose: boolean
  /** From then until they come out. */
  readonly afterMs: number
  /** From then until nothing more can follow. */
  readonly finalAfterMs: number
}

/** The last change of each row that waits to come out. */
export class SuppressedChanges<V> implements Firing {
  private readonly state: SeriesState<Kept<V>>
  /** Where a watermark asks for it: changes by the timestamps that they had when they were noted; what is gone stays until it comes up. */
  private readonly noted = new Heap<{ readonly timestamp: number; readonly cell: SeriesCell<Kept<V>> }>(
    (a, b) => a.timestamp - b.timestamp,
  )

  /** Timestamp of the change on its way out: held until it is out, so that nothing behind it sees a time past it. */
  private leaving = Number.POSITIVE_INFINITY

  constructor(
    private readonly context: OperatorContext<Change<Key, V, Window | undefined>>,
    private readonly release: Release,
  ) {
    this.state = context.series()
    for (const cell of this.state.all()) this.note(cell)
  }

  get size(): number {
    return this.state.size
  }

  put({ key, window, value, previous, timestamp }: Change<Key, V, Window | undefined>): void {
    const row = rowKey(key, window)
    const [waiting] = this.state.of(row)
    if (waiting === undefined) {
      const place = this.release.isAtClose && window !== undefined ? window.end : timestamp
      this.note(this.state.insert(row, place, previous === undefined ? [value] : [value, previous], timestamp))
      this.context.dueChanged()
    } else {
      const [, ...before] = waiting.value
      waiting.value = [value, ...before]
      if (timestamp < waiting.timestamp) this.note(waiting, timestamp)
      waiting.timestamp = timestamp
      this.state.touch(waiting)
    }
  }

  due(): number {
    const first = this.state.first()
    return first === undefined ? Number.POSITIVE_INFINITY : first.at + this.release.afterMs
  }

  waiting(key: Key): Waiting[] {
    return [...this.state.all()]
      .filter((cell) => compareKeys(splitRowKey(cell.key).key, key) === 0)
      .map(({ at, timestamp }) => ({ what: 'change', timestamp, until: at + this.release.afterMs }))
  }

  fireNext(): void {
    const cell = this.state.first()
    if (cell === undefined) return
    this.state.remove(cell)
    const { isAtClose, finalAfterMs } = this.release
    const [value, previous] = cell.value
    if (isAtClose && value === null) return
    const { key, window } = splitRowKey(cell.key)
    const change = { key, value, previous, timestamp: cell.timestamp, window, isLatest: true }
    const isFinal = isAtClose && this.context.time() >= cell.at + finalAfterMs
    this.leaving = cell.timestamp
    try {
      this.context.emit(isFinal ? { ...change, final: true } : change)
    } finally {
      this.leaving = Number.POSITIVE_INFINITY
    }
  }

  /** The smallest timestamp of what has yet to come out. */
  earliest(): number {
    return Math.min(this.leaving, this.earliestWaiting())
  }

  private earliestWaiting(): number {
    for (;;) {
      const first = this.noted.peek()
      if (first === undefined) return Number.POSITIVE_INFINITY
      const { timestamp, cell } = first
      if (!cell.deleted && cell.timestamp === timestamp) return timestamp
      this.noted.pop()
      if (!cell.deleted && cell.timestamp > timestamp) this.note(cell)
    }
  }

  private note(cell: SeriesCell<Kept<V>>, timestamp = cell.timestamp): void {
    if (this.context.hasWatermark) this.noted.push({ timestamp, cell })
  }

  /** A table's rows as readers of what has come out know them. */
  over(above: Rows<V>): Rows<V> {
    /** What a waiting row was before. When, nobody knows any more. */
    const before = (cell: SeriesCell<Kept<V>>): Row<V> | undefined => {
      const [, value] = cell.value
      return value === undefined || value === null ? undefined : { value, timestamp: 0 }
    }
    const rows: Rows<V> = {
      get size() {
        return [...rows.entries()].length
      },
      get: (row) => {
        const [waiting] = this.state.of(row)
        return waiting === undefined ? above.get(row) : before(waiting)
      },
      entries: () => this.entriesOver(above, before),
    }
    return rows
  }

  private *entriesOver(
    above: Rows<V>,
    before: (cell: SeriesCell<Kept<V>>) => Row<V> | undefined,
  ): IterableIterator<RowEntry<V>> {
    for (const entry of above.entries()) if (this.state.of(rowKey(entry.key, entry.window)).length === 0) yield entry
    for (const cell of this.state.all()) {
      const row = before(cell)
      if (row !== undefined) yield { ...splitRowKey(cell.key), ...row }
    }
  }
}

import { compareKeys, type Key } from '../record/key.js'
import type { Window } from '../record/record.js'
import type { Firing, OperatorContext, Waiting } from '../task/definition.js'
import { LazyHeap } from '../task/lazyHeap.js'
import type { SeriesCell, SeriesState } from '../task/seriesState.js'
import type { Change } from './change.js'
import { type Row, type RowEntry, type Rows, rowKey, splitRowKey } from './rows.js'

/** What a row is to become, and what it was before. */
type Kept<V> = readonly [value: V | null, previous: V | null]

/** A change under a timestamp that it has, or had. */
interface Noted {
  readonly timestamp: number
  readonly cell: SeriesCell<unknown>
}

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
  /** The changes that wait, by timestamp. */
  private readonly noted: LazyHeap<Noted>
  /** Timestamp of the change on its way out: held until it is out, so that nothing behind it sees a time past it. */
  private leaving = Number.POSITIVE_INFINITY

  constructor(
    private readonly context: OperatorContext<Change<Key, V, Window | undefined>>,
    private readonly release: Release,
  ) {
    const state: SeriesState<Kept<V>> = context.series()
    this.state = state
    this.noted = new LazyHeap<Noted>((a, b) => a.timestamp - b.timestamp, {
      get size() {
        return state.size
      },
      isLive: ({ timestamp, cell }) => !cell.deleted && cell.timestamp === timestamp,
      *all() {
        for (const cell of state.all()) yield { timestamp: cell.timestamp, cell }
      },
    })
  }

  get size(): number {
    return this.state.size
  }

  put({ key, window, value, previous, timestamp }: Change<Key, V, Window | undefined>): void {
    const row = rowKey(key, window)
    let [cell] = this.state.of(row)
    if (cell === undefined) {
      const place = this.release.isAtClose ? (window as Window).end : timestamp
      // What was before is known: whoever keeps changes back asks for it.
      cell = this.state.insert(row, place, [value, previous as V | null], timestamp)
      this.context.dueChanged()
    } else {
      cell.value = [value, cell.value[1]]
      cell.timestamp = timestamp
      this.state.touch(cell)
    }
    this.noted.push({ timestamp, cell })
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
    const cell = this.state.first() as SeriesCell<Kept<V>>
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
    return Math.min(this.leaving, this.noted.peek()?.timestamp ?? Number.POSITIVE_INFINITY)
  }

  /** A table's rows as readers of what has come out know them. */
  over(above: Rows<V>): Rows<V> {
    /** What a waiting row was before. When, nobody knows any more. */
    const before = (cell: SeriesCell<Kept<V>>): Row<V> | undefined => {
      const [, value] = cell.value
      return value === null ? undefined : { value, timestamp: 0 }
    }
    const rows: Rows<V> = {
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

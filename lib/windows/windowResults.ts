import { compareKeys, type Key } from '../record/key.js'
import type { Window } from '../record/record.js'
import type { Firing, Waiting } from '../task/definition.js'
import type { Cell } from '../task/state.js'
import type { ClosedWindows } from './closedWindows.js'
import type { Emission } from './emission.js'
import type { OpenWindows } from './openWindows.js'
import type { AnyAggregator, KeyedRecord } from './strategy.js'

/**
 * What windows hold, and what becomes of it: the one way into a window, the one way out, and the close. Where records belong is the strategy's
 * business.
 */
export class WindowResults<C extends Cell<unknown>> implements Firing {
  /** Of the windows that are closing, what is still to be closed, the first last. */
  private closing: C[] = []

  constructor(
    private readonly aggregator: AnyAggregator,
    private readonly open: OpenWindows<C>,
    private readonly emission: Emission,
    /** From a window's end until it is closed; until it is freed, if it says nothing on close. */
    private readonly openForMs: number,
    private readonly kept: ClosedWindows | undefined,
  ) {}

  /** What a first record makes. */
  begin(record: KeyedRecord): unknown {
    const { aggregator } = this
    return aggregator.init === undefined ? record.value : aggregator.add(aggregator.init(), record)
  }

  /** Adds a record to a window; `cell` is what that holds of its key. */
  add(cell: C | undefined, window: Window, record: KeyedRecord): void {
    const { timestamp } = record
    if (cell === undefined) {
      this.put(undefined, window, this.begin(record), timestamp, record, null)
      return
    }
    const before = this.emission.before(cell)
    const acc = this.aggregator.add(cell.value, record)
    this.put(cell, window, acc, Math.max(cell.timestamp, timestamp), record, before)
  }

  /** Has a window hold this, because of that record. A null accumulator is none: the next record begins anew. */
  put(
    cell: C | undefined,
    window: Window,
    acc: unknown,
    timestamp: number,
    cause: KeyedRecord,
    before: unknown = null,
  ): void {
    const { open, emission } = this
    if (acc === null) {
      if (cell !== undefined) open.remove(cell)
      emission.gone({ key: cause.key, window, timestamp, cause }, before)
      return
    }
    let held = cell
    if (held === undefined) held = open.insert(cause.key, window, acc, timestamp)
    else {
      held.value = acc
      held.timestamp = timestamp
      open.touch(held)
    }
    emission.changed(held, window, cause, before)
  }

  /** Has another window take the place of this one. @param from where it is kept */
  replace(cell: C, from: OpenWindows<C>, cause: KeyedRecord): void {
    const before = this.emission.before(cell)
    from.remove(cell)
    const { key, timestamp } = cell
    this.emission.gone({ key, window: from.windowOf(cell), timestamp, cause }, before)
  }

  close(cell: C): void {
    this.open.remove(cell)
    this.closed(cell)
  }

  private closed(cell: C): void {
    const window = this.open.windowOf(cell)
    this.kept?.add(cell, window)
    this.emission.closed(cell, window)
  }

  due(): number {
    // Those that are closing end together.
    const closing = this.closing[0]
    const end = closing === undefined ? this.open.firstEnd() : this.open.windowOf(closing).end
    return end < Number.POSITIVE_INFINITY ? this.closeOf(end) : end
  }

  /** What time doesn't close is closed by the end of all records. */
  private closeOf(end: number): number {
    return Math.min(end + this.openForMs, Number.MAX_VALUE)
  }

  waiting(key: Key): Waiting[] {
    if (!this.emission.onClose) return []
    return [...this.open.all()]
      .filter((cell) => compareKeys(cell.key, key) === 0)
      .map((cell) => {
        const { start, end } = this.open.windowOf(cell)
        return { what: `window [${start}, ${end})`, timestamp: cell.timestamp, until: this.closeOf(end) }
      })
  }

  /** Closes one key's window after the other, so that a window of a million keys can be interrupted. */
  fireNext(): void {
    if (this.closing.length === 0) {
      const cells = this.open.takeFirst(this.emission.onClose)
      if (this.emission.onClose) this.closing = cells.toReversed()
      else if (this.kept !== undefined) for (const cell of cells) this.kept.add(cell, this.open.windowOf(cell))
    }
    const cell = this.closing.at(-1)
    try {
      if (cell !== undefined) this.closed(cell)
    } finally {
      // Due until it is out, so that nothing behind it sees a time past it.
      this.closing.pop()
    }
  }
}

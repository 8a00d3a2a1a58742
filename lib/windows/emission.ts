import type { StreamRecord, Window } from '../record/record.js'
import type { Firing } from '../task/definition.js'
import type { Cell } from '../task/state.js'
import type { Outlet, Result } from './outlet.js'

/** What a window says of itself, and when. */
export interface Emission {
  /** Whether it says something on close. */
  readonly onClose: boolean
  /** Has windows speak between records, if it does. */
  readonly ticks: Firing | undefined
  /** What readers know of a window, asked before a record changes it; null if nothing. */
  before(cell: Cell<unknown>): unknown
  /** A record has changed what a window holds. */
  changed(cell: Cell<unknown>, window: Window, cause: StreamRecord<unknown, unknown>, before: unknown): void
  /** A window has lost its result before its close: another has taken it over, or the aggregator has given null. */
  gone(gone: Omit<Result, 'value' | 'final' | 'previous'>, before: unknown): void
  closed(cell: Cell<unknown>, window: Window): void
}

/** `emit: 'update'`: a result for each record. */
export class Updates implements Emission {
  readonly onClose = false
  readonly ticks = undefined

  constructor(private readonly outlet: Outlet) {}

  before(cell: Cell<unknown>): unknown {
    return this.outlet.hasChanges ? this.outlet.resultOf(cell.value) : null
  }

  changed(cell: Cell<unknown>, window: Window, cause: StreamRecord<unknown, unknown>, previous: unknown): void {
    const { key, timestamp } = cell
    const value = this.outlet.resultOf(cell.value)
    this.outlet.put({ key, window, value, previous, timestamp, cause, final: false })
  }

  gone(gone: Omit<Result, 'value' | 'final' | 'previous'>, previous: unknown): void {
    this.outlet.put({ ...gone, value: null, previous, final: false })
  }

  closed(): void {}
}

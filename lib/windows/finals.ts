import type { Key } from '../record/key.js'
import type { StreamRecord, Window, WindowedRecord } from '../record/record.js'
import { rowKey } from '../tables/rows.js'
import type { OperatorContext } from '../task/definition.js'
import type { Cell, CellState } from '../task/state.js'
import type { Emission } from './emission.js'
import type { Outlet, Result } from './outlet.js'
import { Ticks } from './ticks.js'
import type { WindowTime } from './windowTime.js'

export interface FinalsOptions {
  readonly everyMs: number | undefined
  readonly early: ((result: any, record: any) => boolean) | undefined
  /** What an open window holds of a key. */
  readonly find: (key: Key, window: Window) => Cell<unknown> | undefined
  /** Whether a window with that end takes records at that time. */
  readonly isOpen: (end: number, time: number) => boolean
}

type Cause = Result['cause']

/** The result that readers know, if any of them asked for it. */
type Told = readonly [result?: unknown]

/**
 * `emit: 'close'` and `{ every }`: one result when a window closes, and before that those that are asked for. Where there can be such, it keeps
 * the last one of each window: what readers know, and take back if another session takes the window over.
 */
export class Finals implements Emission {
  readonly onClose = true
  /** By row. */
  private readonly told: CellState<Key, Told> | undefined
  readonly ticks: Ticks | undefined

  constructor(
    context: OperatorContext<WindowedRecord>,
    private readonly outlet: Outlet,
    private readonly time: WindowTime,
    private readonly options: FinalsOptions,
  ) {
    const { everyMs, early } = options
    if (everyMs !== undefined || early !== undefined) this.told = context.cells('told')
    if (everyMs !== undefined) {
      this.ticks = new Ticks(context.cells('pending'), everyMs, context.dueChanged, (key, window) =>
        this.tick(key, window),
      )
    }
  }

  before(): null {
    return null
  }

  changed(cell: Cell<unknown>, window: Window, cause: StreamRecord<unknown, unknown>): void {
    const { early } = this.options
    if (early?.(this.outlet.resultOf(cell.value), cause) === true) this.tell(cell, window, cause, false)
    else this.ticks?.await(cell.key, window, this.time.now())
  }

  gone({ key, window, timestamp, cause }: Omit<Result, 'value' | 'final' | 'previous'>): void {
    const row = rowKey(key, window)
    const known = this.told?.get(row)
    if (known === undefined) return
    this.told?.delete(row)
    this.outlet.put({ key, window, value: null, previous: known[0], timestamp, cause, final: false })
  }

  closed(cell: Cell<unknown>, window: Window): void {
    this.tell(cell, window, undefined, true)
  }

  /** At a tick: a window that closes by now has its last word at once. */
  private tick(key: Key, window: Window): void {
    const cell = this.options.find(key, window)
    if (cell !== undefined && this.options.isOpen(window.end, this.time.now()))
      this.tell(cell, window, undefined, false)
  }

  private tell({ key, value: acc, timestamp }: Cell<unknown>, window: Window, cause: Cause, final: boolean): void {
    const value = this.outlet.resultOf(acc)
    const previous = this.told === undefined ? null : this.remember(this.told, rowKey(key, window), value, final)
    this.outlet.put({ key, window, value, previous, timestamp, cause, final })
  }

  /** Notes what readers know from now on. @returns what they knew */
  private remember(told: CellState<Key, Told>, row: Key, value: unknown, final: boolean): unknown {
    this.ticks?.forget(row)
    const known = told.get(row)
    if (final) told.delete(row)
    else told.put(row, this.outlet.hasChanges ? [value] : [])
    return known === undefined ? null : known[0]
  }
}

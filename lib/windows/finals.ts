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

/**
 * `emit: 'close'` and `{ every }`: one result when a window closes, and before that those that are asked for. Where there can be such, it keeps
 * the last one of each window: what readers know, and take back if another session takes the window over.
 */
export class Finals implements Emission {
  readonly onClose = true
  /** By row, the result that readers know, if any of them asks for it. */
  private readonly told: CellState<Key, [result?: unknown]> | undefined
  private readonly ticks: Ticks | undefined

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
      time.fires(this.ticks)
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
    const known = this.told?.get(rowKey(key, window))
    if (known === undefined) this.ticks?.forget(rowKey(key, window))
    else this.put({ key, window, value: null, timestamp, cause, final: false }, false)
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

  private tell({ key, value, timestamp }: Cell<unknown>, window: Window, cause: Result['cause'], final: boolean): void {
    this.put({ key, window, value: this.outlet.resultOf(value), timestamp, cause, final }, !final)
  }

  private put(result: Omit<Result, 'previous'>, isKept: boolean): void {
    let previous: unknown = null
    if (this.told !== undefined) {
      const row = rowKey(result.key, result.window)
      this.ticks?.forget(row)
      const known = this.told.get(row)
      if (known !== undefined) [previous] = known
      if (isKept) this.told.put(row, this.outlet.hasChanges ? [result.value] : [])
      else if (known !== undefined) this.told.delete(row)
    }
    this.outlet.put({ ...result, previous })
  }
}

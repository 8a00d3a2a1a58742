import { CellRow, type Rows, splitRowKey } from '../tables/rows.js'
import type { Cell } from '../task/state.js'
import type { OpenWindows } from './openWindows.js'
import type { Outlet } from './outlet.js'

/** The rows of a table of windowed results: what each window has come to so far. */
export function windowRows<C extends Cell<unknown>, D extends Cell<unknown>>(
  open: OpenWindows<C>,
  closed: OpenWindows<D> | undefined,
  outlet: Outlet,
): Rows<unknown> {
  const rowOf = ({ value, timestamp }: Cell<unknown>) => ({ value: outlet.resultOf(value), timestamp })
  function* entriesOf<E extends Cell<unknown>>(windows: OpenWindows<E>) {
    for (const cell of windows.all())
      yield new CellRow(cell.key, windows.windowOf(cell), cell, (value) => outlet.resultOf(value))
  }
  return {
    get(row) {
      const { key, window } = splitRowKey(row)
      const cell = window && (open.find(key, window) ?? closed?.find(key, window))
      return cell === undefined ? undefined : rowOf(cell)
    },
    *entries() {
      if (closed !== undefined) yield* entriesOf(closed)
      yield* entriesOf(open)
    },
  }
}

import type { Window } from '../record/record.js'
import type { WindowCell, WindowCells } from '../task/state.js'
import type { KeyedRecord, Strategy } from './strategy.js'
import { WindowsByStart } from './windowsByStart.js'

/**
 * Windows whose starts are multiples of `advance`: a record at t belongs to `[start, start + size)` with `start = n·advance`,
 * `start <= t < start + size`, `start >= 0`.
 */
export const alignedStrategy = (sizeMs: number, advanceMs: number): Strategy<WindowCell<unknown>, WindowsByStart> => ({
  open: (context) => new WindowsByStart(context.windows(), sizeMs),

  taker({ open: { state }, results, time, isOpen }) {
    const isTumbling = advanceMs === sizeMs
    // Most records fall into the window of the one before.
    let window: Window = { start: Number.NaN, end: Number.NaN }
    let cells!: WindowCells<unknown>
    function add(start: number, record: KeyedRecord): void {
      if (window.start !== start) {
        window = { start, end: start + sizeMs }
        cells = state.window(start)
      }
      results.add(state.cell(cells, record.key), window, record)
    }
    return (record) => {
      const { timestamp } = record
      const now = time.accept(timestamp)
      const last = timestamp - (timestamp % advanceMs)
      if (isTumbling) {
        if (!isOpen(last + sizeMs, now)) return 1
        add(last, record)
        return 0
      }
      const earlier = Math.floor((sizeMs - 1 - (timestamp - last)) / advanceMs) * advanceMs
      let missed = 0
      for (let start = Math.max(0, last - earlier); start <= last; start += advanceMs) {
        if (isOpen(start + sizeMs, now)) add(start, record)
        else missed++
      }
      return missed
    }
  },
})

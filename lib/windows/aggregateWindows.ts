import type { Aggregator } from '../aggregates/aggregator.js'
import type { Key } from '../record/key.js'
import { NO_HEADERS, type StreamRecord, type Window, type WindowedRecord } from '../record/record.js'
import type { Firing, Handlers, OperatorContext } from '../task/definition.js'
import type { Cell, WindowCells } from '../task/state.js'
import type { Windowing } from '../task/windowing.js'

/**
 * Aggregates in windows whose starts are multiples of `advance`.
 *
 * A record at t belongs to the windows `[start, start + size)` with `start = n·advance`, `start <= t < start + size`, `start >= 0`. Each
 * takes it while `end + grace > time`; it closes, and is freed, at `end + grace <= time`. A null accumulator is none: the key's next
 * record in that window begins anew, and nothing comes out for it on close.
 */
export function aggregateWindows<R extends StreamRecord<unknown, unknown>>(
  context: OperatorContext<WindowedRecord>,
  aggregator: Aggregator<R, unknown, unknown>,
  windowing: Windowing,
  emit: 'update' | 'close',
): Handlers<R> {
  const { sizeMs, advanceMs, graceMs, late } = windowing
  const state = context.windows<unknown>()
  const closing = new ClosingWindows(
    state,
    sizeMs,
    graceMs,
    emit === 'close' ? (cell, window) => emitResult(cell, window, true, undefined) : undefined,
  )
  context.fires(closing)
  let current: WindowCells<unknown> | undefined

  function emitResult(cell: Cell<unknown>, window: Window, final: boolean, cause: R | undefined): void {
    context.emit({
      key: cell.key,
      value: aggregator.result === undefined || cell.value === null ? cell.value : aggregator.result(cell.value),
      timestamp: cell.timestamp,
      topic: cause === undefined ? '' : cause.topic,
      partition: cause === undefined ? context.task.partition : cause.partition,
      offset: cause === undefined ? 0 : cause.offset,
      headers: NO_HEADERS,
      window,
      final,
    })
  }

  function add(start: number, record: R): void {
    if (current === undefined || current.start !== start || current.isTaken) {
      current = state.at(start)
      if (current === undefined) {
        current = state.window(start)
        context.dueChanged()
      }
    }
    const window = current
    const key = record.key as Key
    let cell = state.cell(window, key)
    if (cell === undefined || cell.value === null) {
      const { init } = aggregator
      const acc = init === undefined ? record.value : aggregator.add(init(), record)
      if (cell === undefined) cell = state.insert(window, key, acc, record.timestamp)
      else {
        cell.value = acc
        cell.timestamp = record.timestamp
      }
    } else {
      cell.value = aggregator.add(cell.value, record)
      if (cell.timestamp < record.timestamp) cell.timestamp = record.timestamp
    }
    state.touch(window, cell)
    if (emit === 'update') emitResult(cell, { start, end: start + sizeMs }, false, record)
  }

  return {
    record(record) {
      if (record.key === null) {
        context.drop(record, 'null key')
        return
      }
      const { timestamp } = record
      const open = context.accept(timestamp) - graceMs
      const last = timestamp - (timestamp % advanceMs)
      if (advanceMs === sizeMs) {
        if (last + sizeMs > open) add(last, record)
        else dropLate(record)
        return
      }
      let isLate = false
      const first = Math.max(0, last - Math.floor((sizeMs - 1 - (timestamp - last)) / advanceMs) * advanceMs)
      for (let start = first; start <= last && timestamp < start + sizeMs; start += advanceMs) {
        if (start + sizeMs > open) add(start, record)
        else {
          context.drop(record, 'late')
          isLate = true
        }
      }
      if (isLate && late !== undefined) context.emitTo(late, record)
    },
    holds: (time) => time - sizeMs - graceMs,
  }

  function dropLate(record: R): void {
    context.drop(record, 'late')
    if (late !== undefined) context.emitTo(late, record)
  }
}

/** Closes the earliest window once its time has come, key by key, so that a window of a million keys can be interrupted. */
class ClosingWindows implements Firing {
  private cells: readonly Cell<unknown>[] = []
  private at = 0
  private window: Window = { start: 0, end: 0 }

  constructor(
    private readonly state: ReturnType<OperatorContext<unknown>['windows']>,
    private readonly sizeMs: number,
    private readonly graceMs: number,
    private readonly emit: ((cell: Cell<unknown>, window: Window) => void) | undefined,
  ) {}

  due(): number {
    if (this.at < this.cells.length) return this.window.end + this.graceMs
    const first = this.state.first()
    return first === undefined ? Number.POSITIVE_INFINITY : first + this.sizeMs + this.graceMs
  }

  fireNext(): void {
    if (this.at >= this.cells.length) {
      const start = this.state.first() as number
      this.window = { start, end: start + this.sizeMs }
      const cells = this.state.takeFirst(this.emit !== undefined)
      this.cells = this.emit === undefined ? [] : cells
      this.at = 0
      if (this.cells.length === 0) return
    }
    const cell = this.cells[this.at++] as Cell<unknown>
    if (this.at === this.cells.length) this.cells = []
    if (cell.value !== null) this.emit?.(cell, this.window)
  }
}

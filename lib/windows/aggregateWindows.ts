import type { Aggregator } from '../aggregates/aggregator.js'
import type { Key } from '../record/key.js'
import { NO_HEADERS, type StreamRecord, type Window, type WindowedRecord } from '../record/record.js'
import { type Rows, splitRowKey } from '../tables/rows.js'
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
  changes: object,
): Handlers<R> {
  const { sizeMs, advanceMs, graceMs, late } = windowing
  const state = context.windows<unknown>()
  const closing = new ClosingWindows(
    state,
    sizeMs,
    graceMs,
    emit === 'close' ? (cell, window) => emitResult(cell, window, true, undefined, null) : undefined,
  )
  context.fires(closing)
  let current: WindowCells<unknown> | undefined
  const resultOf = ({ value }: Cell<unknown>) =>
    aggregator.result === undefined || value === null ? value : aggregator.result(value)
  const rowOf = (cell: Cell<unknown>) => ({ value: resultOf(cell), timestamp: cell.timestamp })
  const rows: Rows<unknown> = {
    get size() {
      return [...state.all()].length
    },
    get(row) {
      const { key, window } = splitRowKey(row)
      const cells = window === undefined ? undefined : state.at(window.start)
      const cell = cells === undefined ? undefined : state.cell(cells, key)
      return cell === undefined || cell.value === null ? undefined : rowOf(cell)
    },
    *entries() {
      for (const [start, cell] of state.all()) {
        if (cell.value !== null) yield { key: cell.key, window: { start, end: start + sizeMs }, ...rowOf(cell) }
      }
    },
  }
  context.publish(rows)

  function emitResult(
    cell: Cell<unknown>,
    window: Window,
    final: boolean,
    cause: R | undefined,
    previous: unknown,
  ): void {
    const value = resultOf(cell)
    context.emit({
      key: cell.key,
      value,
      timestamp: cell.timestamp,
      topic: cause === undefined ? '' : cause.topic,
      partition: cause === undefined ? context.task.partition : cause.partition,
      offset: cause === undefined ? 0 : cause.offset,
      headers: NO_HEADERS,
      window,
      final,
    })
    if (context.hasOutput(changes)) {
      context.emitTo(changes, { key: cell.key, value, previous, timestamp: cell.timestamp, window, isLatest: true })
    }
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
    const previous = cell === undefined || !context.hasOutput(changes) ? null : resultOf(cell)
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
    if (emit === 'update') emitResult(cell, { start, end: start + sizeMs }, false, record, previous)
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

import type { Key } from '../record/key.js'
import type { Window } from '../record/record.js'
import type { WindowCell, WindowState } from '../task/state.js'
import type { OpenWindows } from './openWindows.js'

type Held = WindowCell<unknown>

/** Windows of one size: few of them at a time, with many keys each. */
export class WindowsByStart implements OpenWindows<Held> {
  /** Cells of one window are asked for theirs in a row. */
  private asked: Window = { start: Number.NaN, end: Number.NaN }

  constructor(
    readonly state: WindowState<unknown>,
    private readonly sizeMs: number,
  ) {}

  insert(key: Key, window: Window, acc: unknown, timestamp: number): Held {
    const cell = this.state.insert(this.state.window(window.start), key, acc, timestamp)
    this.state.touch(cell)
    return cell
  }

  touch(cell: Held): void {
    this.state.touch(cell)
  }

  remove(cell: Held): void {
    this.state.remove(cell)
  }

  find(key: Key, { start }: Window): Held | undefined {
    const cells = this.state.at(start)
    return cells === undefined ? undefined : this.state.cell(cells, key)
  }

  windowOf({ start }: Held): Window {
    if (this.asked.start !== start) this.asked = { start, end: start + this.sizeMs }
    return this.asked
  }

  all(): IterableIterator<Held> {
    return this.state.all()
  }

  firstEnd(): number {
    const start = this.state.first()
    return start === undefined ? Number.POSITIVE_INFINITY : start + this.sizeMs
  }

  takeFirst(isSorted: boolean): readonly Held[] {
    return this.state.takeFirst(isSorted)
  }
}

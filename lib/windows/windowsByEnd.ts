import type { Key } from '../record/key.js'
import type { Window } from '../record/record.js'
import type { SeriesCell, SeriesState } from '../task/seriesState.js'
import type { OpenWindows } from './openWindows.js'

/** A cell of which the place is its window's end, and the number its start. */
export type HeldUntil = SeriesCell<unknown>

/** Windows of any size, found by key and end. */
export class WindowsByEnd implements OpenWindows<HeldUntil> {
  constructor(protected readonly state: SeriesState<unknown>) {}

  insert(key: Key, { start, end }: Window, acc: unknown, timestamp: number): HeldUntil {
    return this.state.insert(key, end, acc, timestamp, start)
  }

  touch(cell: HeldUntil): void {
    this.state.touch(cell)
  }

  remove(cell: HeldUntil): void {
    this.state.remove(cell)
  }

  find(key: Key, { start, end }: Window): HeldUntil | undefined {
    return this.between(key, end, end).find((cell) => cell.seq === start)
  }

  /** A key's windows with `from <= end <= to`, by end. */
  between(key: Key, from: number, to: number): readonly HeldUntil[] {
    return this.state.between(key, from, to)
  }

  windowOf({ seq: start, at: end }: HeldUntil): Window {
    return { start, end }
  }

  all(): IterableIterator<HeldUntil> {
    return this.state.all()
  }

  firstEnd(): number {
    return this.state.first()?.at ?? Number.POSITIVE_INFINITY
  }

  /** One at a time: by end, then key, then start. */
  takeFirst(): readonly HeldUntil[] {
    const first = this.state.first() as HeldUntil
    this.state.remove(first)
    return [first]
  }
}

import { compareKeys, type Key } from '../record/key.js'
import type { Window } from '../record/record.js'
import { rowKey, splitRowKey } from '../tables/rows.js'
import type { Firing } from '../task/definition.js'
import type { CellState } from '../task/state.js'

/** Windows that have something to say at the next multiple of an interval. */
export class Ticks implements Firing {
  private next: number
  /** Those of the present tick that have yet to speak, the first last. */
  private speaking: Key[] = []

  /** @param pending by row, the tick that it waits for, ms */
  constructor(
    private readonly pending: CellState<Key, number>,
    private readonly everyMs: number,
    private readonly dueChanged: () => void,
    private readonly speak: (key: Key, window: Window) => void,
  ) {
    this.next = this.earliest()
  }

  /** Has a window speak at the first tick after `time`, unless it waits for one already. */
  await(key: Key, window: Window, time: number): void {
    const row = rowKey(key, window)
    if (this.pending.cell(row) !== undefined) return
    // Time may not have begun.
    const tick = (Math.floor(Math.max(0, time) / this.everyMs) + 1) * this.everyMs
    this.pending.put(row, tick)
    if (tick >= this.next) return
    this.next = tick
    this.dueChanged()
  }

  forget(row: Key): void {
    this.pending.delete(row)
  }

  due(): number {
    return this.next
  }

  fireNext(): void {
    if (this.speaking.length === 0) {
      for (const [row, tick] of this.pending.entries()) if (tick <= this.next) this.speaking.push(row)
      this.speaking.sort(lastFirst)
    }
    const row = this.speaking.pop()
    if (row !== undefined) {
      this.pending.delete(row)
      const { key, window } = splitRowKey(row)
      this.speak(key, window as Window)
    }
    if (this.speaking.length === 0) this.next = this.earliest()
  }

  private earliest(): number {
    let least = Number.POSITIVE_INFINITY
    for (const [, tick] of this.pending.entries()) least = Math.min(least, tick)
    return least
  }
}

interface WindowedKey {
  readonly key: Key
  readonly window: Window
}

/** By end, start and key, the last first. */
function lastFirst(a: Key, b: Key): number {
  const [one, other] = [splitRowKey(a), splitRowKey(b)] as [WindowedKey, WindowedKey]
  return other.window.end - one.window.end || other.window.start - one.window.start || compareKeys(other.key, one.key)
}

import type { ReadThroughCell } from './readThroughCell.js'
import { TaskValues } from './taskValues.js'

/**
 * What values of states may take in memory, over all tasks of a process: `sum of their encoded sizes <= maxBytes`. Beyond it those leave that the store has and
 * that weren't used for longest, as a clock's hand finds them: it goes round, and passes over each that was used since it last came by.
 *
 * Nothing leaves in the midst of a dispatch: who has read a value, and changes it in place, changes the one that the state holds.
 */
export class ValueBudget {
  /** What those take that are in memory. */
  bytes = 0
  /** How often a value had to be read from the store. */
  reads = 0
  private readonly tasks = new Set<TaskValues>()
  private hand = this.round()
  private isCalled = false

  constructor(readonly maxBytes: number) {}

  /** A task's share in it. @param read an entry of the task's local checkpoint */
  task(read: (key: string) => Uint8Array): TaskValues {
    const values = new TaskValues(this, (key) => {
      this.reads++
      return read(key)
    })
    this.tasks.add(values)
    return values
  }

  count(cell: ReadThroughCell<unknown>, bytes: number): void {
    const { task } = cell.values
    const more = bytes - cell.bytes
    cell.bytes = bytes
    if (task.isClosed) return
    task.bytes += more
    this.bytes += more
  }

  /** It may not leave. */
  keep(cell: ReadThroughCell<unknown>): void {
    cell.values.task.circle.delete(cell)
  }

  /** It may leave, as long as nothing changes it. */
  offer(cell: ReadThroughCell<unknown>): void {
    const { task } = cell.values
    if (task.isClosed) return
    task.circle.add(cell)
    if (this.isCalled || this.bytes <= this.maxBytes) return
    this.isCalled = true
    // A dispatch is synchronous: this comes after it.
    void Promise.resolve().then(() => {
      this.isCalled = false
      this.sweep()
    })
  }

  /** Lets values go until the others fit. Not to be called while a record is handled. */
  sweep(): void {
    while (this.bytes > this.maxBytes) {
      const { value: cell, done } = this.hand.next()
      if (done) {
        if (this.isEmpty) return
        this.hand = this.round()
      }
      // It is offered again when the store has what it has become.
      else if (cell.dirty) this.keep(cell)
      else if (cell.isUsed) cell.isUsed = false
      else this.letGo(cell)
    }
  }

  private *round(): IterableIterator<ReadThroughCell<unknown>> {
    for (const { circle } of this.tasks) yield* circle
  }

  private get isEmpty(): boolean {
    for (const { circle } of this.tasks) if (circle.size > 0) return false
    return true
  }

  /** Leaves cold what was cold: who walks over all values doesn't bring them all back. */
  *passing<C>(cells: Iterable<C>): IterableIterator<C> {
    for (const cell of cells) {
      const held = cell as ReadThroughCell<unknown>
      const wasCold = held.isCold
      yield cell
      if (wasCold && held.values.task.circle.has(held) && !held.dirty) this.letGo(held)
    }
  }

  private letGo(cell: ReadThroughCell<unknown>): void {
    this.keep(cell)
    this.count(cell, 0)
    cell.letGo()
  }

  forget(task: TaskValues): void {
    this.tasks.delete(task)
    task.circle.clear()
    this.bytes -= task.bytes
    task.bytes = 0
  }
}

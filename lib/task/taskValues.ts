import { ReadThroughCell } from './readThroughCell.js'
import type { Cell } from './state.js'
import { mayLeave } from './storedValue.js'
import type { ValueBudget } from './valueBudget.js'

/** The values of one task's states, of which those that the store has may leave memory. */
export class TaskValues {
  /** What those take that are in memory and have been encoded once. */
  bytes = 0
  /** Cells that the next checkpoint has to write. */
  private dirty = 0
  /** What the checkpoint has that is being written. */
  private unwritten = 0

  constructor(
    private readonly budget: ValueBudget,
    /** An entry of the task's local checkpoint. */
    readonly read: (key: string) => Uint8Array,
  ) {}

  /** The same cell, of which the value may leave memory. */
  hold<C extends Cell<any>>(cell: C, state: { read(cell: C): readonly [value: any, bytes: number] }): C {
    return new ReadThroughCell(cell, state as never, this) as unknown as C
  }

  /** About what the store has yet to get, and what can't leave memory before. */
  get changedBytes(): number {
    return this.unwritten + this.dirty * this.budget.average
  }

  /** A cell has become dirty. */
  changed(): void {
    this.dirty++
  }

  /** A checkpoint has taken it down: until that is in the store, it has to stay. */
  encoded(cell: Cell<unknown>, bytes: number): void {
    const held = cell as ReadThroughCell<unknown>
    this.dirty--
    this.unwritten += bytes
    this.budget.measure(bytes)
    this.budget.keep(held)
    this.budget.count(held, !cell.deleted && mayLeave(cell.value) ? bytes : 0)
  }

  /** That checkpoint is in the store, with these cells. */
  written(cells: readonly Cell<unknown>[]): void {
    this.unwritten = 0
    for (const cell of cells as ReadThroughCell<unknown>[]) if (!cell.dirty && cell.bytes > 0) this.budget.offer(cell)
  }

  /** It has been read from the store. */
  loaded(cell: ReadThroughCell<unknown>, bytes: number): void {
    this.budget.count(cell, bytes)
    this.budget.offer(cell)
  }

  walk<C extends Cell<any>>(cells: IterableIterator<C>): IterableIterator<C> {
    return this.budget.passing(cells)
  }

  /** Between the steps of what takes long: false, as it isn't over by that. */
  sweep(): false {
    this.budget.sweep()
    return false
  }

  /** The task has ended. */
  close(): void {
    this.budget.forget(this)
  }
}

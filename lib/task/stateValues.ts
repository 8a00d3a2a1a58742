import { ReadThroughCell } from './readThroughCell.js'
import type { Cell } from './state.js'
import { mayLeave } from './storedValue.js'
import type { TaskValues } from './taskValues.js'

/** A state, as far as its values need it. */
export interface Readable {
  /** What the store has of a cell. */
  read(cell: Cell<any>): readonly [value: any, bytes: number]
}

/** How many values the average goes by. */
const MEASURED = 64

/** The values of one state, of which those that the store has may leave memory. */
export class StateValues {
  /** About what those take that the next checkpoint has to write. */
  changedBytes = 0
  /** What the checkpoint has that is being written. */
  unwrittenBytes = 0
  /** About what a value takes of which nothing is known: of those that were in the store lately, or a guess before any was. */
  private average = 1_000
  private measured = 0

  constructor(
    readonly task: TaskValues,
    private readonly state: Readable,
  ) {}

  /** The same cell, of which the value may leave memory. */
  hold<C extends Cell<any>>(cell: C): C {
    return new ReadThroughCell(cell, this) as unknown as C
  }

  /** @throws TidemarkError `STORE_FAILED` */
  read(cell: Cell<any>): readonly [value: any, bytes: number] {
    return this.state.read(cell)
  }

  /** It has come with what the store doesn't have yet. */
  unstored(cell: Cell<unknown>, bytes: number): void {
    this.task.budget.count(cell as ReadThroughCell<unknown>, bytes)
  }

  /** A cell has become dirty: unless nothing is left of it, it has to stay. */
  changed(cell: Cell<unknown>): void {
    const { bytes } = cell as ReadThroughCell<unknown>
    if (bytes > 0) this.changedBytes += bytes
    else if (!cell.deleted) this.changedBytes += this.average
  }

  /** The next checkpoint has been taken down: these cells have to stay until it is in the store. */
  taken(): void {
    this.changedBytes = 0
  }

  /** It has this of a cell. */
  encoded(cell: Cell<unknown>, bytes: number): void {
    const held = cell as ReadThroughCell<unknown>
    const { budget } = this.task
    this.unwrittenBytes += bytes
    if (!cell.deleted) this.measure(bytes)
    budget.keep(held)
    budget.count(held, !cell.deleted && mayLeave(cell.value) ? bytes : 0)
  }

  /** It is in the store, with these cells. */
  written(cells: readonly Cell<unknown>[]): void {
    this.unwrittenBytes = 0
    for (const cell of cells as ReadThroughCell<unknown>[])
      if (!cell.dirty && cell.bytes > 0) this.task.budget.offer(cell)
  }

  /** It has been read from the store. */
  loaded(cell: ReadThroughCell<unknown>, bytes: number): void {
    this.measure(bytes)
    this.task.budget.count(cell, bytes)
    this.task.budget.offer(cell)
  }

  walk<C extends Cell<any>>(cells: IterableIterator<C>): IterableIterator<C> {
    return this.task.budget.passing(cells)
  }

  private measure(bytes: number): void {
    if (this.measured < MEASURED) this.measured++
    this.average += (bytes - this.average) / this.measured
  }
}

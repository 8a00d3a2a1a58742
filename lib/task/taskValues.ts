import type { ReadThroughCell } from './readThroughCell.js'
import { type Readable, StateValues } from './stateValues.js'
import type { ValueBudget } from './valueBudget.js'

/** The values of one task's states, of which those that the store has may leave memory. */
export class TaskValues {
  /** What those take that are in memory and have been encoded once. */
  bytes = 0
  /** Those that may leave. */
  readonly circle = new Set<ReadThroughCell<unknown>>()
  /** The task has ended: what becomes of its values is nobody's business any more. */
  isClosed = false
  private readonly states: StateValues[] = []

  constructor(
    readonly budget: ValueBudget,
    /** An entry of the task's local checkpoint. */
    readonly read: (key: string) => Uint8Array,
  ) {}

  /** One more state's part in it. */
  state(state: Readable): StateValues {
    const values = new StateValues(this, state)
    this.states.push(values)
    return values
  }

  /** About what the store has yet to get, and what can't leave memory before. */
  get changedBytes(): number {
    return this.states.reduce((sum, { changedBytes, unwrittenBytes }) => sum + changedBytes + unwrittenBytes, 0)
  }

  /** Between the steps of what takes long: false, as it isn't over by that. */
  sweep(): false {
    this.budget.sweep()
    return false
  }

  /** The task has ended. */
  close(): void {
    this.isClosed = true
    this.budget.forget(this)
  }
}

import type { Key } from '../record/key.js'
import { type Cell, COLD } from './state.js'
import type { StateValues } from './stateValues.js'

/** A cell whose value may leave memory while the store has it, and is read from there when it is asked for again. */
export class ReadThroughCell<V> implements Cell<V> {
  readonly key: Key
  timestamp: number
  dirty = false
  deleted = false
  /** What its value takes by the count of the budget. */
  bytes = 0
  /** Since the budget last looked. */
  isUsed = true
  private held: V | typeof COLD

  constructor(
    { key, value, timestamp, dirty: _, deleted: __, ...place }: Cell<V>,
    /** Those of its state. */
    readonly values: StateValues,
  ) {
    this.key = key
    this.timestamp = timestamp
    this.held = value
    Object.assign(this, place)
  }

  get value(): V {
    this.isUsed = true
    return this.held === COLD ? this.readAgain() : this.held
  }

  set value(value: V) {
    this.isUsed = true
    this.held = value
  }

  get isCold(): boolean {
    return this.held === COLD
  }

  peek(): V {
    return this.held === COLD ? this.values.read(this)[0] : this.value
  }

  private readAgain(): V {
    const [value, bytes] = this.values.read(this)
    // The store has it until the checkpoint that deletes it; held, it couldn't leave before: all of a closing window would be here at once.
    if (this.deleted) return value
    this.held = value
    this.values.loaded(this, bytes)
    return value
  }

  /** The store must have it. */
  letGo(): void {
    this.held = COLD
  }
}

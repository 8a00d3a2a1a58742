import type { Key } from '../record/key.js'
import type { OperatorContext, Timers } from '../task/definition.js'
import { TimerQueue } from '../task/timers.js'

/** Timers fired in one dispatch; then I/O, and the task's records, have their turn. */
const MAX_AT_ONCE = 64

/**
 * An operator's timers by the wall clock: fired by timestamp, then by key, in dispatches of their own; kept in a state, so that those whose
 * time passed while nothing ran fire as soon as it runs again.
 */
export class WallTimers implements Timers {
  private readonly queue: TimerQueue
  /** All that is due at this time fires before the clock is looked at again: so a chain that never ends is found. */
  private now = Number.NEGATIVE_INFINITY
  /** When the clock will call. */
  private armedAt = Number.POSITIVE_INFINITY
  private disarm: (() => void) | undefined
  /** A dispatch has been asked for, or is under way: it looks at the clock again at its end. */
  private isCalled = false
  private isClosed = false

  constructor(
    private readonly context: OperatorContext<never>,
    handler: (timestamp: number, key: Key) => void,
  ) {
    this.queue = new TimerQueue(
      context.cells('wallTimers'),
      context.operator,
      () => this.now,
      handler,
      () => this.arm(),
    )
    this.arm()
  }

  at(timestamp: number, key: Key): void {
    this.queue.at(timestamp, key)
  }

  cancel(timestamp: number, key: Key): void {
    this.queue.cancel(timestamp, key)
  }

  /** Nothing fires any more. What waits stays in the state. */
  close(): void {
    this.isClosed = true
    this.disarm?.()
  }

  /** Has the clock call when the earliest timer is due, or soon if it is already: never within the dispatch that set it. */
  private arm(): void {
    const due = this.queue.due()
    if (this.isCalled || this.isClosed || due === this.armedAt) return
    const { clock, later } = this.context
    this.disarm?.()
    this.disarm = undefined
    this.armedAt = due
    const fire = () => later(() => this.fire())
    if (due <= clock.now()) {
      this.isCalled = true
      clock.soon(fire)
    } else if (due < Number.POSITIVE_INFINITY) this.disarm = clock.after(due - clock.now(), fire)
  }

  private fire(): void {
    if (this.isClosed) return
    this.isCalled = true
    this.disarm = undefined
    try {
      if (this.queue.due() > this.now) this.now = this.context.clock.now()
      for (let fired = 0; fired < MAX_AT_ONCE && !this.isClosed && this.queue.due() <= this.now; fired++) {
        this.queue.fireNext()
        this.context.fireDue()
      }
    } catch (error) {
      this.context.fail(error)
      return
    }
    this.isCalled = false
    this.armedAt = Number.POSITIVE_INFINITY
    this.arm()
  }
}

import type { Key } from '../record/key.js'
import type { Window, WindowedRecord } from '../record/record.js'
import type { Firing, OperatorContext } from '../task/definition.js'
import type { Cell } from '../task/state.js'
import { WindowsByEnd } from './windowsByEnd.js'

/**
 * Windows that have closed and are kept, to be read, or since others build on them. In a state of their own: what is in the open one has
 * yet to say its last word, whenever the task is started again.
 */
export class ClosedWindows implements Firing {
  readonly windows: WindowsByEnd
  /** Up to here others need them no more. Never falls: what was due stays so. */
  private metUpTo = Number.NEGATIVE_INFINITY

  constructor(
    context: OperatorContext<WindowedRecord>,
    private readonly keptForMs: number,
    /** Whether those who read windows with that end have met them. */
    private readonly isMet: (end: number) => boolean = () => true,
  ) {
    this.windows = new WindowsByEnd(context.series('closed'))
  }

  add({ key, value, timestamp }: Cell<unknown>, window: Window): void {
    this.windows.insert(key as Key, window, value, timestamp)
  }

  due(): number {
    const end = this.windows.firstEnd()
    if (end > this.metUpTo && end < Number.POSITIVE_INFINITY) {
      if (!this.isMet(end)) return Number.POSITIVE_INFINITY
      this.metUpTo = end
    }
    return end + this.keptForMs
  }

  fireNext(): void {
    this.windows.takeFirst()
  }
}

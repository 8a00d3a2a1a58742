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

  constructor(
    context: OperatorContext<WindowedRecord>,
    private readonly keptForMs: number,
  ) {
    this.windows = new WindowsByEnd(context.series('closed'))
  }

  add({ key, value, timestamp }: Cell<unknown>, window: Window): void {
    this.windows.insert(key as Key, window, value, timestamp)
  }

  due(): number {
    return this.windows.firstEnd() + this.keptForMs
  }

  fireNext(): void {
    this.windows.takeFirst()
  }
}

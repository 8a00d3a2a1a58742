import type { OperatorContext } from '../task/definition.js'

/** Runs something again and again by the wall clock, each time as a dispatch of its own, an interval after the last. */
export class Repeating {
  private cancel: (() => void) | undefined
  private isClosed = false

  constructor(
    private readonly context: OperatorContext<never>,
    private readonly intervalMs: number,
    private readonly run: (wallTime: number) => void,
  ) {
    this.wait()
  }

  close(): void {
    this.isClosed = true
    this.cancel?.()
  }

  private wait(): void {
    if (this.isClosed) return
    this.cancel = this.context.clock.after(this.intervalMs, () => this.context.later(() => this.turn()))
  }

  private turn(): void {
    try {
      this.run(this.context.clock.now())
      this.context.fireDue()
    } catch (error) {
      this.context.fail(error)
      return
    }
    this.wait()
  }
}

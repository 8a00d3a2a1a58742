import type { Firing, OperatorContext } from '../task/definition.js'
import type { WindowTime } from '../windows/windowTime.js'

/**
 * Stream time by input: a record is late or not by its own input's, and windows close by that of the input that is furthest behind, so nothing
 * is freed that any of them could still change. Part of the state.
 */
export class InputTimes implements WindowTime {
  private readonly times
  private closedUpTo: number
  private readonly firings: Firing[] = []

  constructor(
    private readonly context: OperatorContext<unknown>,
    /** The input of the record that is being handled. */
    private readonly input: () => number,
    private readonly inputs: number,
  ) {
    this.times = context.cells<number, number>('times')
    this.closedUpTo = this.now()
  }

  accept(timestamp: number): number {
    const { context, times } = this
    const input = this.input()
    context.accept(timestamp)
    if (timestamp > (times.get(input) ?? Number.NEGATIVE_INFINITY)) times.put(input, timestamp)
    const now = this.now()
    if (now > this.closedUpTo) {
      this.closedUpTo = now
      context.dueChanged()
    }
    return this.of(input)
  }

  now(): number {
    const { context } = this
    if (context.time() === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY
    let least = Number.POSITIVE_INFINITY
    for (let input = 0; input < this.inputs; input++) least = Math.min(least, this.of(input))
    return least
  }

  /** The last moment at which nothing is due. */
  settled(): number {
    return Math.min(this.now(), ...this.firings.map((firing) => firing.due() - 1))
  }

  /** To the operator's own time, which is ahead, nothing is due before it is due by this one. */
  fires(firing: Firing): void {
    this.firings.push(firing)
    this.context.fires({
      due: () => {
        const due = firing.due()
        return due <= this.now() ? due : Number.POSITIVE_INFINITY
      },
      fireNext: () => firing.fireNext(),
      waiting: (key) => firing.waiting?.(key) ?? [],
    })
  }

  /** All inputs have completed. */
  end(): void {
    this.context.dueChanged()
    this.context.fireDue()
  }

  private of(input: number): number {
    return Math.min(this.times.get(input) ?? Number.NEGATIVE_INFINITY, this.context.inputCap(input))
  }
}

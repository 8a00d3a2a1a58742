import type { OperatorContext } from '../task/definition.js'
import type { Cell, CellState } from '../task/state.js'

/**
 * The time that both sides of a stream-stream join share. Where no watermark rules, records that are left out raise it too (their side has been
 * read so far), but what becomes due by it waits for the next record that is not behind it: Kafka Streams' rule.
 */
export class JoinTime {
  private readonly newest: Cell<number>

  constructor(
    private readonly context: OperatorContext<never>,
    private readonly times: CellState<string, number>,
  ) {
    this.newest = times.cell('all') ?? times.insert('all', Number.NEGATIVE_INFINITY, 0)
  }

  get now(): number {
    return this.context.isPulled ? this.context.time() : this.newest.value
  }

  /** A record has come, and is left out. */
  see(timestamp: number): void {
    if (this.context.isPulled) this.context.accept(timestamp)
    else if (timestamp > this.newest.value) {
      this.newest.value = timestamp
      this.times.touch(this.newest)
    }
  }

  /** A record has come: what is due by it fires. */
  take(timestamp: number): void {
    this.see(timestamp)
    if (!this.context.isPulled && timestamp < this.newest.value) return
    this.context.accept(timestamp)
    this.context.fireDue()
  }
}

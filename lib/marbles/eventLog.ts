import type { TraceEvent } from '../task/traceEvent.js'

/** The last events of a trace, found by id. The oldest go a fifth at a time: one by one would cost more than all else. */
export class EventLog {
  /** By id. */
  private events: TraceEvent[] = []

  constructor(private readonly keep: number) {}

  get size(): number {
    return this.events.length
  }

  add(event: TraceEvent): void {
    this.events.push(event)
    if (this.events.length > this.keep * 1.2) this.events.splice(0, this.events.length - this.keep)
  }

  get(id: number): TraceEvent | undefined {
    const found = this.events[this.indexOf(id)]
    return found?.id === id ? found : undefined
  }

  /** Those that were told after that one. */
  after(id: number): readonly TraceEvent[] {
    return this.events.slice(this.indexOf(id + 1))
  }

  until(id: number): readonly TraceEvent[] {
    return this.events.slice(0, this.indexOf(id + 1))
  }

  clear(): void {
    this.events = []
  }

  /** Of the first event with that id or a higher one. */
  private indexOf(id: number): number {
    const { events } = this
    // Most traces have no gaps.
    const guess = id - (events[0]?.id ?? 0)
    if (events[guess]?.id === id) return guess
    let [low, high] = [0, events.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((events[middle] as TraceEvent).id < id) low = middle + 1
      else high = middle
    }
    return low
  }
}

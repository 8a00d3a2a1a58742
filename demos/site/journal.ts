import type { TraceEvent } from 'tidemark'
import type { Told } from './messages.js'
import { Past } from './past.js'

const MAX_EVENTS = 400_000
/** What refers to other events by their numbers. */
const REFERENCES = ['cause', 'of', 'met', 'was']

/**
 * What a trace has told, once. A replay that has jumped back tells again what it has told before: that is left out, and what it tells
 * for the first time refers to what was told the first time. So events are numbered anew here. What a checkpoint doesn't know of the past (how many
 * records a window has, what wrote an entry last) is known here.
 */
export class Journal {
  /** Numbered from `base + 1` on. */
  private events: TraceEvent[] = []
  private base = 0
  /** How many events there are up to the end of record `first`, and of each after it. */
  private ends: number[] = [0]
  private first = 0
  private nodes: TraceEvent[] = []
  /** By the numbers of the tracer, since the last jump. */
  private readonly numbers = new Map<number, number>()
  /** What was told between a jump and the first record after it. */
  private restored: TraceEvent[] = []
  /** What is told now: of which record, and how many events there are before the next. */
  private now: { index: number; next: number } | undefined
  /** What was known at the last jump. */
  private past = new Past([])
  /** Rises when it has had to begin anew. */
  generation = 0

  /** The last record of which it has been told. */
  get furthest(): number {
    return this.first + this.ends.length - 1
  }

  /** The number of that record's last event; 0 if it isn't known any more. */
  last(index: number): number {
    const end = this.ends[Math.min(index, this.furthest) - this.first]
    return end === undefined ? 0 : this.base + end
  }

  /** What has numbers above `after`, up to `last`. */
  between(after: number, last: number): readonly TraceEvent[] {
    return this.events.slice(Math.max(0, after - this.base), Math.max(0, last - this.base))
  }

  take(told: readonly Told[]): void {
    for (const { index, events } of told) {
      if (index === undefined) {
        this.restored.push(...events)
        this.now = undefined
        continue
      }
      if (index < this.first || index > this.furthest + 1) this.begin(index)
      if (this.now?.index !== index) this.turnTo(index)
      for (const event of events) this.add(index, event)
    }
    if (this.events.length > MAX_EVENTS) this.forget()
  }

  private turnTo(index: number): void {
    if (this.restored.length > 0) this.meet(this.last(index - 1))
    if (index > this.furthest) this.ends.push(this.events.length)
    this.now = { index, next: index === this.first ? 0 : (this.ends[index - 1 - this.first] as number) }
  }

  private add(index: number, event: TraceEvent): void {
    const now = this.now as { index: number; next: number }
    const isNew = index === this.furthest && now.next === this.events.length
    const isKnown = now.next < (this.ends[index - this.first] as number)
    if ((!isNew && !isKnown) || this.past.knows(event)) return
    this.numbers.set(event.id, this.base + ++now.next)
    const told = this.completed(this.numbered(event))
    if (!isNew) return
    if (event.type === 'node') this.nodes.push(event)
    this.events.push(told)
    this.ends[index - this.first] = this.events.length
  }

  private numbered(event: TraceEvent): TraceEvent {
    const ours = (id: number) => this.numbers.get(id)
    const changed: Record<string, unknown> = { ...event, id: ours(event.id) }
    for (const name of REFERENCES) {
      const ids = changed[name]
      if (typeof ids === 'number') changed[name] = ours(ids)
      else if (Array.isArray(ids)) changed[name] = ids.map(ours).filter((id) => id !== undefined)
    }
    return changed as unknown as TraceEvent
  }

  /** Fills in what the tracer can't know. */
  private completed(event: TraceEvent): TraceEvent {
    if (event.type === 'state') return { ...event, was: this.past.before(event) }
    if (event.type !== 'window' || event.count !== undefined) return event
    const isGrown = event.change === 'updated' || event.change === 'merged'
    let count: number | undefined = isGrown ? 1 : 0
    for (const id of event.was) {
      const before = (this.events[id - this.base - 1] as typeof event | undefined)?.count
      count = count === undefined || before === undefined ? undefined : count + before
    }
    return { ...event, count }
  }

  /** Finds again what a checkpoint has brought back. */
  private meet(last: number): void {
    this.numbers.clear()
    this.past = new Past(this.between(0, last))
    for (const event of this.restored) {
      const id = this.past.last(event)
      if (id !== undefined) this.numbers.set(event.id, id)
    }
    this.restored = []
  }

  /** There is a gap: it goes on from that record, as if nothing had been before. */
  private begin(index: number): void {
    this.generation++
    this.base += this.events.length
    this.events = []
    this.numbers.clear()
    this.past = new Past([])
    this.now = undefined
    this.first = index
    this.ends = [0]
    const windows = this.restored.filter(({ type }) => type !== 'node')
    this.restored = []
    this.turnTo(index)
    const { nodes } = this
    this.nodes = []
    for (const event of [...nodes, ...windows]) this.add(index, event)
  }

  private forget(): void {
    const dropped = this.ends.find((end) => end > MAX_EVENTS / 2) ?? 0
    const records = this.ends.indexOf(dropped) + 1
    this.events = this.events.slice(dropped)
    this.ends = this.ends.slice(records).map((end) => end - dropped)
    this.base += dropped
    this.first += records
    if (this.now !== undefined) this.now.next -= dropped
  }
}

import type { TraceEvent } from 'tidemark'
import type { Told } from './messages.js'

const MAX_EVENTS = 400_000

type Window = Extract<TraceEvent, { type: 'window' }>

/**
 * What a trace has told, once. A replay that has jumped back tells again what it has told before: that is left out, and what it tells
 * for the first time refers to what was told the first time. So events are numbered anew here.
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
    if (!isNew && !isKnown) return
    this.numbers.set(event.id, this.base + ++now.next)
    if (!isNew) return
    if (event.type === 'node') this.nodes.push(event)
    this.events.push(this.numbered(event))
    this.ends[index - this.first] = this.events.length
  }

  private numbered(event: TraceEvent): TraceEvent {
    const ours = (id: number | undefined) => (id === undefined ? undefined : this.numbers.get(id))
    const changed: Record<string, unknown> = { ...event, id: ours(event.id), cause: ours(event.cause) }
    if ('of' in event) changed.of = ours(event.of)
    if ('was' in event)
      changed.was = Array.isArray(event.was)
        ? event.was.map(ours).filter((id) => id !== undefined)
        : ours(event.was as number | undefined)
    return changed as unknown as TraceEvent
  }

  /** Finds those windows again that a checkpoint has brought back. */
  private meet(last: number): void {
    this.numbers.clear()
    const known = new Map<string, number>()
    for (const event of this.between(0, last)) if (event.type === 'window') known.set(nameOf(event), event.id)
    for (const event of this.restored) {
      const id = event.type === 'window' ? known.get(nameOf(event)) : undefined
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

const nameOf = ({ task, node, key, window }: Window) => JSON.stringify([task, node, key, window.start, window.end])

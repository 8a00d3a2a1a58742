import type { Node } from './node.js'
import type { TraceEvent } from './traceEvent.js'

/** The record that an operator handles. */
export interface Handled {
  readonly event: number
  readonly timestamp: number
}

/** A node whose methods are to be wrapped. */
export type OpenNode = { -readonly [Name in keyof Node]: Node[Name] }

/** What all events of an operator have. */
export interface Place {
  readonly task: string
  readonly node: string
  readonly operator: string
}

/** What is different from event to event. */
export type Details<E = TraceEvent> = E extends TraceEvent ? Omit<E, 'id' | keyof Place | 'cause'> : never

/** Numbers an event and passes it on. @returns its id */
export type Tell = (place: Place, cause: number | undefined, details: Details) => number

/** What is going on in a task right now, and so the cause of what is told. */
export class Course {
  /** An event, or one that is told only if it becomes a cause. */
  private current: number | (() => number) | undefined
  /** Whose turn it is. */
  node: Node | undefined
  /** What it handles; undefined for what comes out by itself. */
  record: Handled | undefined
  /** The event of the record that is on its way from one node to the next. */
  passing: number | undefined
  /** The record of which what comes out by itself is made. */
  kept: number | undefined
  /** The record behind the row, or the other side's record, that has been looked up in a join. */
  met: number | undefined
  /** The source record that is being handled, up to the end of the advance that it brings about. */
  arrival: number | undefined

  constructor(readonly tell: Tell) {}

  /** Tells something that what is going on has brought about. */
  follow(place: Place, details: Details): number {
    return this.tell(place, this.cause() ?? this.arrival, details)
  }

  cause(): number | undefined {
    if (typeof this.current === 'function') this.current = this.current()
    return this.current
  }

  /** Runs something of a node's whose events have that cause. */
  during(node: Node, current: number | (() => number), record: Handled | undefined, run: () => void): void {
    const { current: outer, node: outerNode, record: outerRecord, passing, kept, met } = this
    this.current = current
    this.node = node
    this.record = record
    this.passing = undefined
    this.kept = undefined
    this.met = undefined
    try {
      run()
    } finally {
      this.current = outer
      this.node = outerNode
      this.record = outerRecord
      this.passing = passing
      this.kept = kept
      this.met = met
    }
  }
}

import { Subscriber } from 'rxjs'
import { active } from './current.js'
import type { AnyRecord } from './definition.js'
import type { Edge } from './edge.js'
import type { Node } from './node.js'
import { SourceTime } from './watermark.js'
import type { Windowing } from './windowing.js'

/** One input of a node: the observer of what the pipeline has there. */
export class Input {
  /** Edges that end here. None: a plain Observable feeds it. */
  readonly edges: Edge[] = []
  /** What a plain Observable's records tell about time. */
  readonly entry = new SourceTime()
  readonly subscriber: Subscriber<unknown>
  windowing: Windowing | undefined
  isComplete = false

  constructor(
    readonly node: Node,
    readonly index: number,
  ) {
    // An instance rather than an observer: it can be closed before `subscribe` returns, when a synchronous source never ends.
    this.subscriber = new Subscriber<unknown>(this)
  }

  next(record: unknown): void {
    const { node } = this
    if (active !== node.scope) {
      node.scope.outside(this, record)
      return
    }
    try {
      node.handlers.record(record as never, this.index)
      if (node.isRisen || node.due <= node.streamDue) node.fireDue()
    } catch (error) {
      node.scope.caught(node, error, record as AnyRecord)
    }
  }

  error(error: unknown): void {
    this.node.scope.inputError(this, error)
  }

  complete(): void {
    this.node.scope.inputComplete(this)
  }

  /** The watermark of what comes in. */
  watermark(): number {
    if (this.isComplete) return Number.POSITIVE_INFINITY
    if (this.edges.length === 0) return this.entry.watermark
    let least = Number.POSITIVE_INFINITY
    for (const edge of this.edges) least = Math.min(least, edge.from.outputTime())
    return least
  }

  cap(): number {
    let least = Number.POSITIVE_INFINITY
    for (const edge of this.edges) least = Math.min(least, edge.from.cap())
    return least
  }
}

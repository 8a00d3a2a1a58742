import type { Subscriber } from 'rxjs'
import type { Input } from './input.js'
import type { Node } from './node.js'
import type { Watermark } from './watermark.js'
import type { Windowing } from './windowing.js'

/** What stands on the way from one node to the next, found while the pipeline was subscribed. */
export interface Path {
  /** Where the records go; undefined: to whoever subscribed from outside. */
  readonly to: Input | undefined
  windowing: Windowing | undefined
  watermark: Watermark | undefined
}

/** One consumer of a node's output. */
export class Edge {
  /** Who gets the records: the next node itself if nothing stands in between. */
  readonly target: { next(record: unknown): void }

  constructor(
    readonly from: Node,
    readonly subscriber: Subscriber<unknown>,
    readonly to: Input | undefined,
    readonly windowing: Windowing | undefined,
    readonly watermark: Watermark | undefined,
  ) {
    this.target = to !== undefined && to.subscriber === subscriber ? to : subscriber
  }
}

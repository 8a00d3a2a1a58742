import type { Key } from '../record/key.js'
import type { AnyRecord } from '../task/definition.js'
import type { TracedNode } from '../task/traceEvent.js'

export const SHAPES = ['record', 'final', 'deleted', 'late', 'dropped', 'filtered'] as const

/** What a marble stands for; each has a shape of its own. */
export type Shape = (typeof SHAPES)[number]

/** So many marbles at one place lift the next one; those after it lie as high. */
export const MAX_STACK = 3

/** A record in a lane. */
export interface Marble {
  /** The event that told of it. */
  readonly event: number
  readonly lane: Lane
  /** Event time, ms. */
  readonly time: number
  readonly key: unknown
  readonly value: unknown
  readonly record: AnyRecord
  shape: Shape
  readonly colour: number
  /** Line of its lane. */
  readonly row: number
  /** How many lie below it at the same place, up to {@link MAX_STACK}. */
  readonly stack: number
}

/** A key's window in the lane of its aggregate. */
export interface Bracket {
  event: number
  readonly key: Key
  /** Its task and key, as text. */
  readonly name: string
  readonly start: number
  readonly end: number
  readonly count: number | undefined
  isClosed: boolean
  readonly colour: number
  readonly row: number
  /** Of windows of a key that overlap: which line below the others. */
  readonly level: number
  /** Where it comes from, while it grows or merges. */
  readonly before: readonly { readonly start: number; readonly end: number }[]
  /** When it last changed, by the page's clock. */
  since: number
}

/** An operator. */
export interface Lane {
  readonly id: string
  readonly name: string
  readonly node: TracedNode
  /** By time. */
  marbles: Marble[]
  readonly brackets: Map<string, Bracket>
  /** What its tasks' time is. */
  readonly times: ReadonlyMap<string, number>
  /** Lines in use. */
  rows: number
  /** Overlapping windows of one key, at most. */
  levels: number
  dropped: number
}

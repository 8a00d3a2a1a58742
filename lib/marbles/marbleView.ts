import type { Duration } from '../record/duration.js'
import type { TraceEvent } from '../task/traceEvent.js'
import { View } from './view.js'

export interface MarbleViewOptions {
  /** How much event time is in view at first. Default `'5m'`. */
  readonly span?: Duration
  /** Names of the operators to draw, in this order. Default: all that emit, but sinks. */
  readonly lanes?: readonly string[]
  /** What lanes are called, by the operator's name. */
  readonly titles?: { readonly [operator: string]: string }
  /** Lines per lane, over which keys are spread. Default 4. */
  readonly rows?: number
  /** Marbles that are kept, the oldest go first. Default 10,000. */
  readonly keep?: number
  /** A record's value as a short text. Default: JSON. */
  readonly format?: (value: unknown) => string
  /** What a screen reader calls the view. Default `Marbles in event time`. */
  readonly label?: string
}

/** A view of a trace in event time. */
export interface MarbleView {
  /** Takes what a tracer tells. */
  readonly add: (event: TraceEvent) => void
  /** Id of the last event taken. */
  readonly last: number
  /** Forgets all that was told after that event: for a replay that seeks back. */
  truncate(id: number): void
  /** Whether the view moves on with time. */
  follow: boolean
  /** Brings a stretch of event time into view, in ms. */
  show(from: number, to: number): void
  /** Takes everything away. */
  destroy(): void
}

/**
 * Draws a trace in event time: a lane per operator, records as marbles, windows as brackets, the watermark as a line.
 *
 * ```ts
 * const view = marbleView(document.getElementById('marbles') as HTMLElement, { span: '10m' })
 * const app = createApp({ id: 'spend', broker: embedded(), store: memory(), trace: tracer(view.add) })
 * ```
 *
 * Keys: arrows move from record to record and from lane to lane, Home and End to the first and last, Enter shows a record and Escape closes it, `+` `-` zoom, Shift
 * with arrows moves time, `0` shows all, `f` follows. Draws in a shadow root within `element`, and only when something has changed.
 */
export function marbleView(element: HTMLElement, options: MarbleViewOptions = {}): MarbleView {
  return new View(element, options)
}

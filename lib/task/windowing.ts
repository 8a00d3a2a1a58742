import type { Window } from '../record/record.js'

/** How time is cut into windows, as declared by `tumblingWindow` and its kin for the operator that resolves it. */
export interface Windowing {
  readonly kind: string
  /** Its measures besides grace, as text: what two of a kind are compared by. */
  readonly measures?: string
  readonly graceMs?: number
  /** Where all windows have one. */
  readonly sizeMs?: number
  /** From a window's end to its close: grace, of a session gap and grace. +Infinity: time doesn't close it. */
  readonly closesAfterMs: number
  /** How far a result's timestamp can be behind time. */
  readonly reachMs: number
  /** Kafka Streams takes the last moment of such a window for its end, and goes by that where ends decide. */
  readonly hasLastMoment?: true
  /** Where records go that no window takes any more. */
  readonly late: object | undefined
  /** What cuts time in a way of its own: two are the same only if this is. */
  readonly assigner?: object
}

export const sameWindowing = (a: Windowing | undefined, b: Windowing | undefined): boolean =>
  a === b ||
  (a !== undefined &&
    b !== undefined &&
    describeWindowing(a) === describeWindowing(b) &&
    a.late === b.late &&
    a.assigner === b.assigner)

/** Without what may change while a window is open. */
export const describeMeasures = ({ kind, measures }: Windowing): string =>
  [kind, ...(measures ? [measures] : [])].join(' ')

export const describeWindowing = (windowing: Windowing): string =>
  describeMeasures(windowing) + (windowing.graceMs ? `, grace ${windowing.graceMs} ms` : '')

/** The time at which a window closes: from then on it takes no record, and its results are final. */
export const closesAt = ({ closesAfterMs }: Windowing, { end }: Window): number => end + closesAfterMs

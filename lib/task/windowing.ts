import type { Window } from '../record/record.js'

/** How time is cut into windows, as declared by `tumblingWindow` and its kin for the operator that resolves it. */
export interface Windowing {
  readonly kind: string
  readonly sizeMs: number
  /** From one window's start to the next one's. */
  readonly advanceMs: number
  readonly graceMs: number
  /** Where records go that no window takes any more. */
  readonly late: object | undefined
}

export const sameWindowing = (a: Windowing | undefined, b: Windowing | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && describeWindowing(a) === describeWindowing(b) && a.late === b.late)

export const describeWindowing = (w: Windowing): string =>
  `${w.kind} ${w.sizeMs} ms${w.advanceMs === w.sizeMs ? '' : ` every ${w.advanceMs} ms`}, grace ${w.graceMs} ms`

/** The time at which a window closes: from then on it takes no record, and its results are final. */
export const closesAt = ({ graceMs }: Windowing, { end }: Window): number => end + graceMs

import type { Camera } from './camera.js'
import type { Lane, Marble } from './lane.js'
import type { Scene } from './scene.js'

export interface Strip {
  readonly lane: Lane
  readonly top: number
  readonly height: number
  /** Distance of its lines. */
  readonly rowHeight: number
  /** Middle of its first line's marbles. */
  readonly firstRow: number
}

/** Where everything is, in CSS pixels. */
export interface Layout {
  readonly width: number
  readonly height: number
  /** Left edge of time: lane names stand before it, or above their lanes where it is narrow. */
  readonly left: number
  readonly isNarrow: boolean
  readonly strips: readonly Strip[]
}

export const AXIS = 30
const NARROW = 560
const GUTTER = 148
const PADDING = 9
const TITLE = 20
const BAND = 20
const BAR = 6

export function layoutOf({ lanes }: Scene, width: number): Layout {
  const isNarrow = width < NARROW
  const strips: Strip[] = []
  let top = AXIS
  for (const lane of lanes) {
    const hasWindows = lane.brackets.size > 0
    const isStacked = hasWindows && lane.levels > 1
    const rowHeight = isStacked ? 18 + lane.levels * BAR : hasWindows ? BAND + 4 : 15
    const above = PADDING + (isNarrow ? TITLE : 0)
    const height = Math.max(44, above + lane.rows * rowHeight + PADDING)
    const slack = (height - above - PADDING - lane.rows * rowHeight) / 2
    strips.push({
      lane,
      top,
      height,
      rowHeight,
      firstRow: top + above + slack + (isStacked ? 8 : rowHeight / 2),
    })
    top += height
  }
  return { width, height: top + 6, left: isNarrow ? 0 : GUTTER, isNarrow, strips }
}

/** CSS pixels per ms. */
export const scaleOf = ({ left, width }: Layout, { span }: Pick<Camera, 'span'>): number => (width - left) / span

/** Where a time is. */
export const xOf = (layout: Layout, camera: Pick<Camera, 'from' | 'span'>, time: number): number =>
  layout.left + (time - camera.from) * scaleOf(layout, camera)

/** The middle of a marble. */
export const yOf = (strip: Strip, { row, stack }: Pick<Marble, 'row' | 'stack'>): number =>
  strip.firstRow + row * strip.rowHeight - stack * 2.5

/** A bracket's upper edge and height. */
export function bandOf(strip: Strip, row: number, level: number): readonly [top: number, height: number] {
  const middle = strip.firstRow + row * strip.rowHeight
  return strip.lane.levels > 1 ? [middle + 8 + level * BAR, BAR - 1] : [middle - BAND / 2, BAND]
}

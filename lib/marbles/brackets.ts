import { bandOf, type Strip, scaleOf, xOf } from './layout.js'
import type { Frame } from './painter.js'
import type { Theme } from './theme.js'

/** In which a session grows, or several become one, ms. */
const GROW_MS = 260
/** Sessions reach a bit beyond their records, so that these stand within. */
const SESSION_PAD = 9

/** What brackets are drawn with. */
export interface Bands {
  readonly context: CanvasRenderingContext2D
  readonly theme: Theme
  readonly hatch: CanvasPattern | undefined
  readonly isDimmed: boolean
}

/** One bracket, or what is left of one that another takes over; in CSS pixels. */
interface Band {
  readonly left: number
  readonly right: number
  readonly top: number
  readonly height: number
  readonly colour: string
  readonly isClosed: boolean
  /** Up to here time has passed through it. */
  readonly filledTo: number
}

interface Label {
  readonly band: Band
  readonly count: number
  readonly keys: number
}

/** Draws a lane's windows: they fill as time passes through them, and are hatched once they have closed. @returns whether one is still moving */
export function drawBrackets(bands: Bands, frame: Frame, strip: Strip): boolean {
  const { context, theme } = bands
  const { scene, camera, layout, now, isCalm, lineage } = frame
  const { lane } = strip
  const time = scene.timeOf(lane) ?? Number.NEGATIVE_INFINITY
  const isSession = lane.node.windows?.startsWith('session') === true
  // Less where its gap is narrower.
  const pad = isSession ? Math.min(SESSION_PAD, ((lane.node.closesAfterMs ?? 0) * scaleOf(layout, camera)) / 2) : 0
  const [edge, end] = [layout.left - 40, layout.width + 40]
  const x = (at: number) => Math.max(edge, Math.min(end, xOf(layout, camera, at)))
  let moves = false
  const labels = new Map<string, Label>()
  for (const bracket of lane.brackets.values()) {
    const left = x(bracket.start) - pad
    const right = x(bracket.end) + pad
    if (right <= edge + pad || left >= end - pad) continue
    const { isClosed, count, row, level, before } = bracket
    const isLit = lineage === undefined || lineage.brackets.has(bracket.event)
    context.globalAlpha = bands.isDimmed && !isLit ? 0.15 : 1
    const [top, height] = bandOf(strip, row, level)
    const colour = theme.keys[bracket.colour] as string
    const filledTo = time >= bracket.end ? Number.POSITIVE_INFINITY : time > bracket.start ? x(time) : left
    const band = { left, right, top, height, colour, isClosed, filledTo }
    const age = isCalm ? GROW_MS : now - bracket.since
    if (before.length > 0 && age < GROW_MS) {
      moves = true
      const t = 1 - (1 - Math.max(0, age) / GROW_MS) ** 3
      for (const former of before) {
        const [from, to] = [x(former.start) - pad, x(former.end) + pad]
        drawBand(bands, { ...band, left: from + (left - from) * t, right: to + (right - to) * t })
      }
    } else {
      drawBand(bands, band)
      const place = `${top}/${left}/${right}`
      const shared = labels.get(place)
      if (count !== undefined && isLit)
        labels.set(place, { band, count: count + (shared?.count ?? 0), keys: 1 + (shared?.keys ?? 0) })
    }
    if (!isClosed && isSession)
      drawWait(context, right, x(bracket.end + (lane.node.closesAfterMs ?? 0)), top + height / 2, colour)
  }
  context.globalAlpha = 1
  for (const label of labels.values()) drawLabel(bands, label, layout.left)
  return moves
}

function drawBand({ context, hatch }: Bands, band: Band): void {
  const { top, height, colour, isClosed, filledTo } = band
  const inset = height > 10 ? 1.5 : 0.5
  const left = band.left + inset
  const width = Math.max(3, band.right - band.left - 2 * inset)
  const round = Math.min(height / 2, 6)
  const shape = new Path2D()
  // Half-open: the start belongs to it, the end doesn't.
  shape.roundRect(left, top, width, height, [3, round, round, 3])
  context.fillStyle = `${colour}${isClosed ? '38' : '1c'}`
  context.fill(shape)
  if (isClosed) {
    if (hatch !== undefined && height > 10) {
      context.fillStyle = hatch
      context.fill(shape)
    }
  } else if (filledTo > left) {
    context.save()
    context.clip(shape)
    context.fillStyle = `${colour}3d`
    context.fillRect(left, top, Math.min(width, filledTo - left), height)
    context.restore()
  }
  context.strokeStyle = `${colour}${isClosed ? '8c' : 'e6'}`
  context.lineWidth = isClosed ? 1 : 1.5
  context.stroke(shape)
}

/** Writes how many records are in it; of several keys that share a line, their sum. */
function drawLabel({ context, theme }: Bands, { band, count, keys }: Label, edge: number): void {
  const { top, height, colour, isClosed } = band
  const width = band.right - band.left
  const text = `${count}${keys > 1 ? ` of ${keys} keys` : ''}${isClosed ? ' ✓' : ''}`
  if (height < 14 || width < 24 + text.length * 6) return
  context.fillStyle = keys > 1 ? theme.text : colour
  context.font = '600 10px system-ui, sans-serif'
  context.textAlign = 'left'
  context.textBaseline = 'middle'
  // As long as the window is in view, so is its count.
  const at = Math.min(Math.max(band.left, edge) + 8, band.right - 10 - text.length * 6)
  context.fillText(text, at, top + height / 2 + 0.5)
}

/** Until when a session waits for another record. */
function drawWait(context: CanvasRenderingContext2D, from: number, to: number, y: number, colour: string): void {
  if (!(to > from)) return
  context.strokeStyle = `${colour}99`
  context.lineWidth = 1.5
  context.setLineDash([2, 4])
  context.beginPath()
  context.moveTo(from + 2, y)
  context.lineTo(to, y)
  context.stroke()
  context.setLineDash([])
}

import { stepOf, tickLabel, ticks } from './axis.js'
import { type Bands, drawBrackets } from './brackets.js'
import type { Camera } from './camera.js'
import { firstFrom } from './firstFrom.js'
import type { Marble } from './lane.js'
import { AXIS, type Layout, scaleOf, xOf, yOf } from './layout.js'
import type { Lineage } from './lineage.js'
import type { Scene } from './scene.js'
import { Sprites } from './sprites.js'
import type { Theme } from './theme.js'
import { Tiles } from './tiles.js'

const DIMMED = 0.16

/** What a frame shows. */
export interface Frame {
  readonly scene: Scene
  readonly layout: Layout
  readonly camera: Pick<Camera, 'from' | 'to' | 'span'>
  /** The page's clock. */
  readonly now: number
  readonly isCalm: boolean
  readonly cursor: Marble | undefined
  readonly lineage: Lineage | undefined
}

/** Draws frames on a canvas. */
export class Painter {
  private readonly context: CanvasRenderingContext2D
  private sprites: Sprites | undefined
  private readonly tiles = new Tiles()
  private radius = 5.5
  private hatch: CanvasPattern | undefined
  /** Marbles in the last frame. */
  drawn = 0

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private theme: Theme,
  ) {
    this.context = canvas.getContext('2d') as CanvasRenderingContext2D
  }

  set colours(theme: Theme) {
    this.theme = theme
    this.sprites = undefined
    this.hatch = undefined
  }

  /** @returns whether something is still moving */
  draw(frame: Frame): boolean {
    const { canvas, context, theme } = this
    const { layout, lineage } = frame
    const ratio = Math.min(3, globalThis.devicePixelRatio || 1)
    const [width, height] = [Math.round(layout.width * ratio), Math.round(layout.height * ratio)]
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width
      canvas.height = height
      canvas.style.height = `${layout.height}px`
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0)
    context.fillStyle = theme.background
    context.fillRect(0, 0, layout.width, layout.height)
    const sprites = this.spritesFor(frame, ratio)
    this.drawLanes(layout)
    this.drawTicks(frame)
    context.save()
    context.beginPath()
    context.rect(layout.left, 0, layout.width - layout.left, layout.height)
    context.clip()
    this.drawTide(frame)
    const bands: Bands = { context, theme, hatch: this.hatchOf(), isDimmed: lineage !== undefined }
    let moves = false
    for (const strip of layout.strips) moves = drawBrackets(bands, frame, strip) || moves
    context.setTransform(1, 0, 0, 1, 0, 0)
    context.globalAlpha = lineage === undefined ? 1 : DIMMED
    this.tiles.draw(context, frame, sprites)
    context.globalAlpha = 1
    context.setTransform(ratio, 0, 0, ratio, 0, 0)
    if (lineage !== undefined) this.drawLineage(frame, lineage, sprites)
    if (frame.cursor !== undefined) this.drawCursor(frame, frame.cursor)
    context.restore()
    // For whoever measures or tests it.
    canvas.dataset.marbles = String(this.drawn)
    return moves
  }

  private spritesFor({ layout: { strips }, camera }: Frame, ratio: number): Sprites {
    this.drawn = 0
    for (const { lane } of strips)
      this.drawn += firstFrom(lane.marbles, camera.to) - firstFrom(lane.marbles, camera.from)
    // Smaller where there are many; what is about to change sides stays as it is.
    const limits = [this.radius < 5 ? 700 : 900, this.radius < 4 ? 2_200 : 2_700] as const
    this.radius = this.drawn > limits[1] ? 3.5 : this.drawn > limits[0] ? 4.5 : 5.5
    const { radius } = this
    if (this.sprites?.radius !== radius || this.sprites.ratio !== ratio)
      this.sprites = new Sprites(this.theme, radius, ratio)
    return this.sprites
  }

  private hatchOf(): CanvasPattern | undefined {
    if (this.hatch !== undefined) return this.hatch
    const tile = document.createElement('canvas')
    tile.width = tile.height = 6
    const context = tile.getContext('2d') as CanvasRenderingContext2D
    context.strokeStyle = this.theme.background
    context.lineWidth = 2
    for (const shift of [-6, 0, 6]) {
      context.moveTo(shift, 6)
      context.lineTo(shift + 6, 0)
    }
    context.stroke()
    this.hatch = this.context.createPattern(tile, 'repeat') ?? undefined
    return this.hatch
  }

  // ---- the ground

  private drawLanes({ strips, width }: Layout): void {
    const { context, theme } = this
    strips.forEach(({ top, height }, index) => {
      if (index % 2 === 1) return
      context.fillStyle = theme.lane
      context.fillRect(0, top, width, height)
    })
  }

  private drawTicks({ layout, camera }: Frame): void {
    const { context, theme } = this
    const { left, width, height } = layout
    const step = stepOf(1 / scaleOf(layout, camera), layout.isNarrow ? 74 : 96)
    context.font = `11px ${theme.font}`
    context.textBaseline = 'middle'
    context.textAlign = 'center'
    context.fillStyle = theme.muted
    context.strokeStyle = theme.grid
    context.lineWidth = 1
    context.beginPath()
    for (const time of ticks(camera.from, camera.to, step)) {
      const x = Math.round(xOf(layout, camera, time)) + 0.5
      context.moveTo(x, AXIS - 5)
      context.lineTo(x, height)
      if (x > left + 26 && x < width - 26) context.fillText(tickLabel(time, step), x, AXIS / 2)
    }
    context.moveTo(0, AXIS - 0.5)
    context.lineTo(width, AXIS - 0.5)
    context.stroke()
  }

  /** How far each operator's time is: what lies left of it is settled. */
  private drawTide({ scene, layout, camera }: Frame): void {
    const { context, theme } = this
    const { left, width } = layout
    const line = new Path2D()
    let before: number | undefined
    for (const strip of layout.strips) {
      const time = scene.timeOf(strip.lane)
      if (time === undefined || time < camera.from) {
        before = undefined
        continue
      }
      const x = Math.min(width + 8, xOf(layout, camera, time))
      const wash = context.createLinearGradient(Math.max(left, x - 260), 0, x, 0)
      wash.addColorStop(0, `${theme.tide}0a`)
      wash.addColorStop(1, `${theme.tide}33`)
      context.fillStyle = wash
      context.fillRect(left, strip.top, x - left, strip.height)
      if (before === undefined) line.moveTo(x, strip.top)
      else line.lineTo(x, strip.top)
      line.lineTo(x, strip.top + strip.height)
      before = x
    }
    context.lineJoin = 'round'
    context.lineWidth = 2
    context.strokeStyle = theme.tide
    context.stroke(line)
  }

  // ---- what has been chosen

  private drawLineage({ layout, camera }: Frame, { marbles, links }: Lineage, sprites: Sprites): void {
    const { context, theme } = this
    const strips = new Map(layout.strips.map((strip) => [strip.lane, strip]))
    const place = (marble: Marble) => {
      const strip = strips.get(marble.lane)
      return strip && ([xOf(layout, camera, marble.time), yOf(strip, marble)] as const)
    }
    context.lineWidth = 1.5
    for (const [from, to] of links) {
      const [a, b] = [place(from), place(to)]
      if (a === undefined || b === undefined) continue
      const bend = Math.max(18, Math.abs(b[1] - a[1]) / 2)
      context.strokeStyle = theme.keys[from.colour] as string
      context.globalAlpha = 0.7
      context.beginPath()
      context.moveTo(a[0], a[1])
      context.bezierCurveTo(a[0], a[1] + bend, b[0], b[1] - bend, b[0], b[1])
      context.stroke()
    }
    context.globalAlpha = 1
    context.save()
    context.setTransform(1, 0, 0, 1, 0, 0)
    for (const marble of marbles) {
      const at = place(marble)
      if (at !== undefined) sprites.put(context, marble, at[0] * sprites.ratio, at[1] * sprites.ratio)
    }
    context.restore()
  }

  private drawCursor({ layout, camera }: Frame, cursor: Marble): void {
    const strip = layout.strips.find(({ lane }) => lane === cursor.lane)
    if (strip === undefined) return
    const { context, theme } = this
    const x = layout.left + ((cursor.time - camera.from) * (layout.width - layout.left)) / camera.span
    context.beginPath()
    context.arc(x, yOf(strip, cursor), (this.sprites?.radius ?? 5) + 5, 0, 2 * Math.PI)
    context.lineWidth = 4
    context.strokeStyle = theme.background
    context.stroke()
    context.lineWidth = 2
    context.strokeStyle = theme.cursor
    context.stroke()
  }
}

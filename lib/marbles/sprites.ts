import { type Marble, SHAPES, type Shape } from './lane.js'
import type { Theme } from './theme.js'

const MARGIN = 3

/** Marbles of all shapes and colours, drawn once: putting one on the canvas is a copy. */
export class Sprites {
  private readonly sheet: ImageBitmap
  private readonly cell: number

  constructor(
    theme: Theme,
    readonly radius: number,
    readonly ratio: number,
  ) {
    this.cell = Math.ceil(2 * (radius + MARGIN) * ratio)
    const canvas = new OffscreenCanvas(this.cell * theme.keys.length, this.cell * SHAPES.length)
    const context = canvas.getContext('2d') as OffscreenCanvasRenderingContext2D
    SHAPES.forEach((shape, row) => {
      theme.keys.forEach((colour, column) => {
        context.setTransform(ratio, 0, 0, ratio, (column + 0.5) * this.cell, (row + 0.5) * this.cell)
        drawShape(context, shape, colour, theme, radius)
      })
    })
    this.sheet = canvas.transferToImageBitmap()
  }

  /** From a marble's middle to its edge, in device pixels. */
  get reach(): number {
    return this.cell / 2
  }

  /** Copies whole pixels: `x` and `y` are device pixels, of a canvas without a transform. */
  put(context: CanvasDrawImage, { shape, colour }: Pick<Marble, 'shape' | 'colour'>, x: number, y: number): void {
    const { cell } = this
    const row = SHAPES.indexOf(shape) * cell
    context.drawImage(
      this.sheet,
      colour * cell,
      row,
      cell,
      cell,
      Math.round(x - cell / 2),
      Math.round(y - cell / 2),
      cell,
      cell,
    )
  }
}

function drawShape(
  context: OffscreenCanvasRenderingContext2D,
  shape: Shape,
  colour: string,
  theme: Theme,
  radius: number,
): void {
  const circle = (r: number) => {
    context.beginPath()
    context.arc(0, 0, r, 0, 2 * Math.PI)
  }
  if (shape === 'late' || shape === 'dropped') {
    const r = radius * (shape === 'late' ? 1.2 : 0.8)
    context.lineWidth = Math.max(1.5, radius / 3)
    context.lineJoin = 'round'
    context.lineCap = 'round'
    context.beginPath()
    if (shape === 'late') {
      for (const [x, y] of [
        [0, -r],
        [r, 0],
        [0, r],
        [-r, 0],
      ] as const)
        context.lineTo(x, y)
      context.closePath()
      context.fillStyle = theme.background
      context.fill()
      context.strokeStyle = theme.late
      context.stroke()
      circle(r * 0.32)
      context.fillStyle = colour
      context.fill()
      return
    }
    for (const [x, y] of [
      [-r, -r],
      [r, r],
      [r, -r],
      [-r, r],
    ] as const) {
      if (y === x || x < 0) context.moveTo(x, y)
      context.lineTo(-x, -y)
    }
    context.strokeStyle = colour
    context.stroke()
    return
  }
  if (shape === 'filtered') {
    circle(radius * 0.5)
    context.globalAlpha = 0.45
    context.fillStyle = colour
    context.fill()
    context.globalAlpha = 1
    return
  }
  if (shape === 'deleted') {
    circle(radius - 1)
    context.fillStyle = theme.background
    context.fill()
    context.lineWidth = 1.5
    context.strokeStyle = colour
    context.stroke()
    return
  }
  circle(radius)
  context.fillStyle = colour
  context.fill()
  // Light from the upper left, as on glass.
  const shine = context.createRadialGradient(-radius * 0.35, -radius * 0.45, 0, 0, 0, radius * 1.1)
  shine.addColorStop(0, 'rgba(255,255,255,0.65)')
  shine.addColorStop(0.35, 'rgba(255,255,255,0.12)')
  shine.addColorStop(1, 'rgba(0,0,0,0.16)')
  context.fillStyle = shine
  context.fill()
  if (shape !== 'final') return
  context.lineWidth = Math.max(1, radius / 5)
  circle(radius + 1.8)
  context.strokeStyle = colour
  context.stroke()
}

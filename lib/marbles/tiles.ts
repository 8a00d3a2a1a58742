import { firstFrom } from './firstFrom.js'
import type { Marble } from './lane.js'
import { type Strip, yOf } from './layout.js'
import type { Frame } from './painter.js'
import type { Sprites } from './sprites.js'

/** Device pixels. */
const TILE = 512

interface Tile {
  readonly canvas: OffscreenCanvas
  readonly context: OffscreenCanvasRenderingContext2D
}

/**
 * The marbles of all lanes, drawn once onto tiles of event time: while the view moves on, a frame copies a few tiles, whatever the number of marbles. What comes
 * is drawn onto the tiles that are there; all are made anew when the scale, the lanes or the colours change.
 */
export class Tiles {
  private readonly tiles = new Map<number, Tile>()
  private key = ''
  private sprites: Sprites | undefined

  /** @param context in device pixels */
  draw(context: CanvasRenderingContext2D, frame: Frame, sprites: Sprites): void {
    const { scene, layout, camera } = frame
    const { ratio } = sprites
    const width = (layout.width - layout.left) * ratio
    const scale = width / camera.span
    const height = Math.max(1, Math.ceil(layout.height * ratio))
    const key = [
      scale,
      height,
      scene.version,
      ...layout.strips.map(({ lane, firstRow, rowHeight }) => `${lane.id} ${firstRow} ${rowHeight}`),
    ].join()
    const fresh = scene.takeFresh()
    if (key !== this.key || sprites !== this.sprites) {
      this.key = key
      this.sprites = sprites
      this.tiles.clear()
    } else this.add(fresh, frame, sprites, scale)

    const from = Math.round(camera.from * scale)
    const [first, last] = [Math.floor(from / TILE), Math.floor((from + width) / TILE)]
    for (const index of this.tiles.keys()) if (index < first - 2 || index > last + 2) this.tiles.delete(index)
    const left = Math.round(layout.left * ratio)
    for (let index = first; index <= last; index++) {
      let tile = this.tiles.get(index)
      if (tile === undefined) {
        tile = this.make(index, frame, sprites, scale, height)
        this.tiles.set(index, tile)
      }
      context.drawImage(tile.canvas, left + index * TILE - from, 0)
    }
  }

  private make(index: number, frame: Frame, sprites: Sprites, scale: number, height: number): Tile {
    const canvas = new OffscreenCanvas(TILE, height)
    const tile = { canvas, context: canvas.getContext('2d') as OffscreenCanvasRenderingContext2D }
    const reach = sprites.reach / scale
    for (const strip of frame.layout.strips) {
      const { marbles } = strip.lane
      const until = ((index + 1) * TILE) / scale + reach
      for (let n = firstFrom(marbles, (index * TILE) / scale - reach); n < marbles.length; n++) {
        const marble = marbles[n] as Marble
        if (marble.time >= until) break
        put(tile, index, marble, strip, sprites, scale)
      }
    }
    return tile
  }

  private add(fresh: readonly Marble[], { layout }: Frame, sprites: Sprites, scale: number): void {
    const strips = new Map(layout.strips.map((strip) => [strip.lane, strip]))
    for (const marble of fresh) {
      const strip = strips.get(marble.lane)
      if (strip === undefined) continue
      const x = Math.round(marble.time * scale)
      const last = Math.floor((x + sprites.reach) / TILE)
      for (let index = Math.floor((x - sprites.reach) / TILE); index <= last; index++) {
        const tile = this.tiles.get(index)
        if (tile !== undefined) put(tile, index, marble, strip, sprites, scale)
      }
    }
  }
}

function put({ context }: Tile, index: number, marble: Marble, strip: Strip, sprites: Sprites, scale: number): void {
  const y = Math.round(yOf(strip, marble) * sprites.ratio)
  sprites.put(context, marble, Math.round(marble.time * scale) - index * TILE, y)
}

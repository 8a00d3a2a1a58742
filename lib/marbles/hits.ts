import type { Camera } from './camera.js'
import { firstFrom } from './firstFrom.js'
import type { Point } from './gestures.js'
import type { Bracket, Marble } from './lane.js'
import { bandOf, type Layout, type Strip, scaleOf, xOf, yOf } from './layout.js'

/** How far from its middle a marble is still met, px. */
const REACH = 14

/** The marble at a place of the view, if one is near. */
export function marbleAt(layout: Layout, camera: Camera, { x, y }: Point): Marble | undefined {
  const strip = stripAt(layout, { x, y })
  if (strip === undefined) return undefined
  const scale = scaleOf(layout, camera)
  const { marbles } = strip.lane
  let nearest: Marble | undefined
  let best = REACH ** 2
  const until = camera.from + (x + REACH - layout.left) / scale
  for (let n = firstFrom(marbles, camera.from + (x - REACH - layout.left) / scale); n < marbles.length; n++) {
    const marble = marbles[n] as Marble
    if (marble.time > until) break
    const dx = xOf(layout, camera, marble.time) - x
    const distance = dx ** 2 + (yOf(strip, marble) - y) ** 2
    // Of those at one place the last is on top.
    if (distance > best) continue
    best = distance
    nearest = marble
  }
  return nearest
}

/** The windows at a place of the view: of several keys, where these share a line. */
export function bracketsAt(layout: Layout, camera: Camera, { x, y }: Point): Bracket[] {
  const strip = stripAt(layout, { x, y })
  if (strip === undefined) return []
  const time = camera.from + ((x - layout.left) * camera.span) / (layout.width - layout.left)
  return [...strip.lane.brackets.values()].filter(({ start, end, row, level }) => {
    const [top, height] = bandOf(strip, row, level)
    return start <= time && time < end && y >= top && y < top + height
  })
}

function stripAt({ strips, left }: Layout, { x, y }: Point): Strip | undefined {
  return x < left ? undefined : strips.find(({ top, height }) => y >= top && y < top + height)
}

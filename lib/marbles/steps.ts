import { firstFrom } from './firstFrom.js'
import type { Lane, Marble } from './lane.js'

/** The n-th marble before or after one in its lane; the first or last if there are not so many. */
export function stepInLane(from: Marble, by: number): Marble | undefined {
  const { marbles } = from.lane
  return marbles[Math.max(0, Math.min(marbles.length - 1, marbles.indexOf(from) + by))]
}

/** The nearest in time in the next lane above or below that has one. */
export function stepToLane(lanes: readonly Lane[], from: Marble, by: number): Marble | undefined {
  const at = lanes.indexOf(from.lane)
  return nearestOf(by > 0 ? lanes.slice(at + 1) : lanes.slice(0, at).reverse(), from.time)
}

/** In the first of these lanes that has a marble: the nearest to that time. */
export function nearestOf(lanes: readonly Lane[], time: number): Marble | undefined {
  const lane = lanes.find(({ marbles }) => marbles.length > 0)
  if (lane === undefined) return undefined
  const at = firstFrom(lane.marbles, time)
  const [before, after] = [lane.marbles[at - 1], lane.marbles[at]]
  if (before === undefined || after === undefined) return before ?? after
  return time - before.time <= after.time - time ? before : after
}

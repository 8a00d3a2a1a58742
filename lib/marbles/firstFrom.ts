import type { Marble } from './lane.js'

/** Index of the first marble at that time or later; of those at that time, of that event or a later one. */
export function firstFrom(marbles: readonly Marble[], time: number, event = Number.NEGATIVE_INFINITY): number {
  let [low, high] = [0, marbles.length]
  while (low < high) {
    const middle = (low + high) >> 1
    const marble = marbles[middle] as Marble
    if (marble.time < time || (marble.time === time && marble.event < event)) low = middle + 1
    else high = middle
  }
  return low
}

import type { Marble } from './lane.js'

/** Index of the first marble at that time or later. */
export function firstFrom(marbles: readonly Marble[], time: number): number {
  let [low, high] = [0, marbles.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((marbles[middle] as Marble).time < time) low = middle + 1
    else high = middle
  }
  return low
}

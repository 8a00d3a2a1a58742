/** How often each value occurs, by value, ascending; no value has a count of 0. */
export type Tally<V extends number | string> = readonly [values: V[], counts: number[]]

export const emptyTally = <V extends number | string>(): Tally<V> => [[], []]

/** Counts a value once more, in place. */
export function tallyUp<V extends number | string>([values, counts]: Tally<V>, value: V): void {
  const at = placeOf(values, value)
  if (values[at] === value) (counts[at] as number)++
  else {
    values.splice(at, 0, value)
    counts.splice(at, 0, 1)
  }
}

/** Counts a value once less, in place; nothing where it wasn't counted. */
export function tallyDown<V extends number | string>([values, counts]: Tally<V>, value: V): void {
  const at = placeOf(values, value)
  if (values[at] !== value) return
  if ((counts[at] as number) > 1) (counts[at] as number)--
  else {
    values.splice(at, 1)
    counts.splice(at, 1)
  }
}

/** What both have counted. */
export function mergeTallies<V extends number | string>(a: Tally<V>, b: Tally<V>): Tally<V> {
  const merged = emptyTally<V>()
  let [i, j] = [0, 0]
  while (i < a[0].length || j < b[0].length) {
    const [left, right] = [a[0][i], b[0][j]]
    const isLeft = right === undefined || (left !== undefined && left <= right)
    const isRight = left === undefined || (right !== undefined && right <= left)
    merged[0].push((isLeft ? left : right) as V)
    merged[1].push((isLeft ? (a[1][i++] as number) : 0) + (isRight ? (b[1][j++] as number) : 0))
  }
  return merged
}

/** The index of a value in an ascending list, or of the first that is larger. */
function placeOf<V extends number | string>(values: readonly V[], value: V): number {
  let [low, high] = [0, values.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((values[middle] as V) < value) low = middle + 1
    else high = middle
  }
  return low
}

// What a stream-stream join gives, recomputed from scratch by looping over all pairs of records. Knows nothing of lib/.

export interface Sent {
  readonly side: 'left' | 'right'
  readonly key: string | null
  readonly value: string | null
  readonly time: number
}

export interface Ranges {
  readonly before: number
  readonly after: number
  readonly grace: number
  readonly kind: 'inner' | 'left' | 'outer'
}

export interface Joined {
  readonly key: string | null
  readonly value: string
  readonly timestamp: number
}

/** What comes out for each record, by Kafka Streams' rules for stream time; last, what comes out in the end. */
export function stepsOf(records: readonly Sent[], { before, after, grace, kind }: Ranges): Joined[][] {
  const indices = records.map((_, index) => index)
  const at = (index: number) => records[index] as Sent
  const isPreserved = ({ side }: Sent) => kind === 'outer' || (kind === 'left' && side === 'left')
  const isWhole = ({ key, value }: Sent) => key !== null && value !== null
  const ahead = ({ side }: Sent) => (side === 'left' ? after : before)
  const timeAfter = (index: number) => Math.max(...records.slice(0, index + 1).map(({ time }) => time))
  /** Newest timestamp that a side had before a record. */
  const newest = (side: string, index: number) =>
    Math.max(-1, ...records.slice(0, index).flatMap((r) => (r.side === side && r.key !== null ? [r.time] : [])))
  const isKept = (index: number, until: number) =>
    at(index).time > newest(at(index).side, until) - Math.max(1, before + after + grace) ||
    newest(at(index).side, until) < 0
  const fits = (left: Sent, right: Sent) => left.time - before <= right.time && right.time <= left.time + after
  const meets = (index: number, earlier: number) => {
    const [one, other] = [at(index), at(earlier)]
    if (one.side === other.side || one.key !== other.key || !isWhole(one) || !isWhole(other)) return false
    const isClose = one.side === 'left' ? fits(one, other) : fits(other, one)
    return isClose && isKept(earlier, earlier) && isKept(earlier, index)
  }
  const matchesOf = (index: number) =>
    indices
      .slice(0, index)
      .filter((earlier) => meets(index, earlier))
      .sort((a, b) => at(a).time - at(b).time || a - b)
  const alone = ({ side, key, value, time }: Sent): Joined => ({
    key,
    value: side === 'left' ? `${value} null` : `null ${value}`,
    timestamp: time,
  })
  const waits = (index: number) =>
    isPreserved(at(index)) &&
    isWhole(at(index)) &&
    matchesOf(index).length === 0 &&
    at(index).time + ahead(at(index)) >= timeAfter(index)
  /** The record before which one that waits comes out; none if it is met first, its length if only in the end. */
  const releasedAt = (index: number): number | undefined => {
    const one = at(index)
    for (let later = index + 1; later < records.length; later++) {
      const other = at(later)
      const isTurn = isWhole(other) && other.time === timeAfter(later)
      if (isTurn && one.time + ahead(one) + grace < other.time) return later
      const twins = matchesOf(later).map(at)
      if (twins.some((met) => met.side === one.side && met.key === one.key && met.time === one.time)) return undefined
    }
    return records.length
  }
  const released = indices.filter(waits).map((index) => ({ index, release: releasedAt(index) }))
  const releasedBefore = (place: number) =>
    released
      .filter(({ release }) => release === place)
      .map(({ index }) => ({ ...at(index), index }))
      .sort(
        (a, b) =>
          a.time - b.time ||
          (a.side === b.side ? 0 : a.side === 'right' ? -1 : 1) ||
          ((a.key as string) < (b.key as string) ? -1 : (a.key as string) > (b.key as string) ? 1 : a.index - b.index),
      )
      .map(alone)
  const steps = indices.map((index) => {
    const one = at(index)
    if (one.value === null || (one.key === null && !isPreserved(one))) return []
    if (one.key === null) return [alone(one)]
    const matches = matchesOf(index).map((earlier) => {
      const other = at(earlier)
      const [left, right] = one.side === 'left' ? [one, other] : [other, one]
      return { key: one.key, value: `${left.value} ${right.value}`, timestamp: Math.max(one.time, other.time) }
    })
    const isTooLate = matches.length === 0 && isPreserved(one) && !waits(index)
    return [...releasedBefore(index), ...matches, ...(isTooLate ? [alone(one)] : [])]
  })
  return [...steps, releasedBefore(records.length)]
}

/** The join of all records there are, whatever their order: pairs, and what has met nothing. */
export function idealOf(records: readonly Sent[], { before, after, kind }: Ranges): Joined[] {
  const [lefts, rights] = [records.filter((r) => r.side === 'left'), records.filter((r) => r.side === 'right')]
  const pairs = lefts.flatMap((left) =>
    rights
      .filter((right) => left.key === right.key && left.time - before <= right.time && right.time <= left.time + after)
      .map((right) => ({ left, right })),
  )
  const lonely = (side: readonly Sent[], name: 'left' | 'right') =>
    side.filter((one) => !pairs.some((pair) => pair[name] === one))
  return [
    ...pairs.map(({ left, right }) => ({
      key: left.key,
      value: `${left.value} ${right.value}`,
      timestamp: Math.max(left.time, right.time),
    })),
    ...(kind === 'inner' ? [] : lonely(lefts, 'left')).map(({ key, value, time }) => ({
      key,
      value: `${value} null`,
      timestamp: time,
    })),
    ...(kind === 'outer' ? lonely(rights, 'right') : []).map(({ key, value, time }) => ({
      key,
      value: `null ${value}`,
      timestamp: time,
    })),
  ]
}

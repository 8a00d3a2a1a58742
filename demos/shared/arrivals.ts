import type { Happening } from './demo.js'

/** A record, and when it gets here. */
export interface Arrival extends Happening {
  /** ms since the epoch, at or after its timestamp. */
  readonly at: number
}

/**
 * Orders records by when they arrive.
 *
 * @param groups each with a time before which neither it nor any group after it has anything arrive
 */
export function* arrivals(groups: Iterable<{ from: number; records: readonly Arrival[] }>): Generator<Happening> {
  // By arrival, the next one last.
  const pending: Arrival[] = []
  for (const { from, records } of groups) {
    while (pending.length > 0 && (pending.at(-1) as Arrival).at < from) yield happening(pending.pop() as Arrival)
    for (const record of records) {
      const index = pending.findLastIndex(({ at }) => at > record.at)
      pending.splice(index + 1, 0, record)
    }
  }
  while (pending.length > 0) yield happening(pending.pop() as Arrival)
}

const happening = ({ topic, key, value, timestamp }: Arrival): Happening => ({ topic, key, value, timestamp })

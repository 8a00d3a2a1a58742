import type { Fault } from './chaos.js'
import type { Difference } from './comparison.js'
import type { Fleet } from './fleet.js'
import type { Server } from './server.js'

const SHOWN = 10
/** Faults that long before a record may have to do with it. */
const BEFORE_MS = 20_000

export const count = (differences: readonly Difference[], kind: Difference['kind']) =>
  differences.filter((one) => one.kind === kind).length

/** What has happened, in figures. */
export function printFigures(
  faults: readonly Fault[],
  fleet: Fleet,
  server: Server,
  read: ReadonlyMap<string, number>,
): void {
  const tally = (names: readonly string[]) =>
    [...new Set(names)].map((name) => `${names.filter((one) => one === name).length} ${name}`).join(', ') || 'none'
  console.log(`faults: ${tally(faults.map(({ kind }) => kind))}`)
  console.log(`records: ${Array.from(read, ([topic, count]) => `${count} ${topic}`).join(', ')}`)
  console.log(`the broker was away: ${spread(server.outages)}`)
  console.log(`from the start of a process to its first task: ${spread(fleet.starts)}`)
  console.log(`processes without tasks in a rebalance: ${spread(fleet.pauses)}`)
  console.log(`processes that ended by themselves and were started again: ${fleet.ended.length}`)
  for (const because of new Set(fleet.ended)) console.log(`    ${because}`)
  if (fleet.stuck.length > 0) console.log(`processes that didn't stop within a minute: ${fleet.stuck.join(', ')}`)
}

/** The first of each kind, with what happened shortly before. */
export function printDifferences(
  differences: readonly Difference[],
  faults: readonly Fault[],
  written: ReadonlyMap<number, number>,
): void {
  for (const kind of ['lost', 'duplicated', 'disordered'] as const) {
    for (const { topic, key, value, found } of differences.filter((one) => one.kind === kind).slice(0, SHOWN)) {
      const at = found?.at ?? writtenAt(value, written)
      const where = found === undefined ? '' : ` at ${found.partition}/${found.offset}`
      const when = at === undefined ? '' : `, ${found === undefined ? 'its input ' : ''}written ${time(at)}`
      console.log(`${kind}: ${topic} ${key}${where}${when}: ${value.slice(0, 200)}`)
      const near = faults.filter((fault) => at !== undefined && fault.at <= at && fault.at > at - BEFORE_MS)
      for (const fault of near) console.log(`    ${time(fault.at)} ${fault.kind} ${fault.what}`)
    }
  }
}

/** When the newest payment that a result is made of was written. */
function writtenAt(value: string, written: ReadonlyMap<number, number>): number | undefined {
  const { n, ns } = JSON.parse(value) as { n?: number; ns?: number[] }
  return written.get(n ?? (ns as number[]).reduce((a, b) => Math.max(a, b)))
}

const time = (at: number) => new Date(at).toISOString().slice(11, 23)

function spread(all: readonly number[]): string {
  if (all.length === 0) return 'none'
  const sorted = all.toSorted((a, b) => a - b)
  return `${all.length} times, median ${sorted[sorted.length >> 1]} ms, longest ${sorted.at(-1)} ms`
}

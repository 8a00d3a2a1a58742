import { filter, from, map } from 'rxjs'
import { aggregate, count, record, type StreamRecord, tumblingWindow, withWatermark } from '../lib/index.js'
import { Checksum } from './checksum.js'
import { type Contestant, printFigures, takeTurns, timed } from './rounds.js'

const RECORDS = 1_000_000
const USERS = 1_000
const SIZE_MS = 60_000
const BOUND_MS = 100

interface Payment {
  readonly amount: number
}

function payments(): StreamRecord<string, Payment>[] {
  const users = Array.from({ length: USERS }, (_, index) => `user-${index}`)
  return Array.from({ length: RECORDS }, (_, i) =>
    record(users[(i * 7_919) % USERS] as string, { amount: (i % 100) - 5 }, i * 2 + ((i * 31) % 50)),
  )
}

const doubled = (payment: StreamRecord<string, Payment>) => ({
  ...payment,
  value: { amount: payment.value.amount * 2 },
})

/** filter → map → watermark → tumbling count, without a library: a Map of windows, in each a Map of keys. */
function nestedMaps(records: readonly StreamRecord<string, Payment>[]): string {
  const checksum = new Checksum(SIZE_MS)
  const windows = new Map<number, Map<string, number>>()
  let newest = Number.NEGATIVE_INFINITY
  let earliestEnd = Number.POSITIVE_INFINITY
  const close = (watermark: number) => {
    earliestEnd = Number.POSITIVE_INFINITY
    for (const [start, counts] of windows) {
      if (start + SIZE_MS > watermark) earliestEnd = Math.min(earliestEnd, start + SIZE_MS)
      else {
        for (const value of counts.values()) checksum.add(start, value)
        windows.delete(start)
      }
    }
  }
  for (const one of records) {
    if (one.timestamp > newest) newest = one.timestamp
    const watermark = newest - BOUND_MS
    if (one.value.amount > 0) {
      const { key, timestamp } = doubled(one)
      const start = timestamp - (timestamp % SIZE_MS)
      if (start + SIZE_MS > watermark) {
        let counts = windows.get(start)
        if (counts === undefined) {
          counts = new Map()
          windows.set(start, counts)
          earliestEnd = Math.min(earliestEnd, start + SIZE_MS)
        }
        counts.set(key, (counts.get(key) ?? 0) + 1)
      }
    }
    if (watermark >= earliestEnd) close(watermark)
  }
  close(Number.POSITIVE_INFINITY)
  return checksum.toString()
}

/** The same with one Map whose keys are strings made of window and key, as one writes it at first. */
function stringKeys(records: readonly StreamRecord<string, Payment>[]): string {
  const checksum = new Checksum(SIZE_MS)
  const counts = new Map<string, number>()
  let newest = Number.NEGATIVE_INFINITY
  let earliestEnd = Number.POSITIVE_INFINITY
  const startOf = (text: string) => Number(text.slice(0, text.indexOf('/')))
  const close = (watermark: number) => {
    earliestEnd = Number.POSITIVE_INFINITY
    for (const [text, value] of counts) {
      const start = startOf(text)
      if (start + SIZE_MS > watermark) earliestEnd = Math.min(earliestEnd, start + SIZE_MS)
      else {
        checksum.add(start, value)
        counts.delete(text)
      }
    }
  }
  for (const one of records) {
    if (one.timestamp > newest) newest = one.timestamp
    const watermark = newest - BOUND_MS
    if (one.value.amount > 0) {
      const { key, timestamp } = doubled(one)
      const start = timestamp - (timestamp % SIZE_MS)
      if (start + SIZE_MS > watermark) {
        const text = `${start}/${key}`
        counts.set(text, (counts.get(text) ?? 0) + 1)
        earliestEnd = Math.min(earliestEnd, start + SIZE_MS)
      }
    }
    if (watermark >= earliestEnd) close(watermark)
  }
  close(Number.POSITIVE_INFINITY)
  return checksum.toString()
}

function pipeline(records: readonly StreamRecord<string, Payment>[]): string {
  const checksum = new Checksum(SIZE_MS)
  const counts = from(records).pipe(
    filter((payment) => payment.value.amount > 0),
    map(doubled),
    withWatermark({ maxOutOfOrderness: BOUND_MS }),
    tumblingWindow(SIZE_MS),
    aggregate(count(), { emit: 'close' }),
  )
  counts.subscribe({
    next: ({ window, value }) => checksum.add(window.start, value),
    error: (error) => {
      throw error
    },
  })
  return checksum.toString()
}

/** Records per second of one process's core, records being there already. */
export async function benchCore(): Promise<void> {
  const records = payments()
  const contestants: Contestant[] = [
    { name: 'a loop over nested Maps', run: () => timed(() => nestedMaps(records)) },
    { name: 'a loop over one Map of strings', run: () => timed(() => stringKeys(records)) },
    { name: 'a pipeline of Tidemark', run: () => timed(() => pipeline(records)) },
  ]
  const figures = await takeTurns(contestants, RECORDS, { warmUp: 2, rounds: 7 })
  printFigures(
    `filter, map, watermark, count per minute and user; ${RECORDS.toLocaleString('en')} records in memory`,
    figures,
  )
}

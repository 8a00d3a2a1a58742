import { type App, aggregate, count, json, partitionOf, toTable, toTopic, tumblingWindow } from '../../lib/index.js'
import type { RecordedRecord } from '../../lib/replay/index.js'

export const PARTITIONS = 2
export const TOPICS = { clicks: { partitions: PARTITIONS } }
export const RECORDS = 3_000
const SIZE_MS = 10_000

/** A key's number of clicks in the window that starts there. */
export type Row = readonly [key: string, start: number, clicks: number]

/** Users' clicks, some of them late. */
export function clicks(): RecordedRecord[] {
  const encoder = new TextEncoder()
  const offsets = [0, 0]
  let random = 42
  const next = (below: number) => {
    random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0
    return random % below
  }
  return Array.from({ length: RECORDS }, (_, n) => {
    const key = encoder.encode(`user-${next(7)}`)
    const partition = partitionOf(key, PARTITIONS)
    const offset = offsets[partition] as number
    offsets[partition] = offset + 1
    const timestamp = 50_000 + n * 97 - next(4_000)
    return { topic: 'clicks', partition, offset, timestamp, key, value: encoder.encode(`${n}`), headers: [] }
  })
}

/** Counts them by user and 10 s, as it goes and when a window has closed. */
export function counting(app: App) {
  const sent = app.stream<number>('clicks', { value: json() })
  const windowed = sent.pipe(tumblingWindow(SIZE_MS))
  const counts = toTable('open', windowed.pipe(aggregate(count(), { name: 'counts' })))
  app.run('counts', counts.changes())
  app.run('closed', windowed.pipe(aggregate(count(), { name: 'closed', emit: 'close' }), toTopic('closed')))
  return { counts }
}

/** The same by a loop: the windows that are open after these records, and the results of those that have closed. */
export function plain(records: readonly RecordedRecord[]): { open: Row[]; closed: Row[] } {
  const decoder = new TextDecoder()
  const closed: Row[] = []
  const open: Row[] = []
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const counts = new Map<string, Row>()
    let newest = 0
    for (const record of records) {
      if (record.partition !== partition) continue
      newest = Math.max(newest, record.timestamp)
      const start = record.timestamp - (record.timestamp % SIZE_MS)
      if (start + SIZE_MS <= newest) continue
      const key = decoder.decode(record.key as Uint8Array)
      const before = counts.get(`${start}/${key}`)?.[2] ?? 0
      counts.set(`${start}/${key}`, [key, start, before + 1])
    }
    for (const row of counts.values()) (row[1] + SIZE_MS <= newest ? closed : open).push(row)
  }
  return { open: open.sort(byRow), closed: closed.sort(byRow) }
}

export const byRow = (a: Row, b: Row) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)

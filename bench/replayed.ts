import { type App, aggregate, count, json, partitionOf, sum, toTopic, tumblingWindow } from '../lib/index.js'
import { createReplay, type RecordedRecord, type Recording, type ReplayOutput } from '../lib/replay/index.js'

/* What is replayed, wherever that is. */
export const RECORDS = 1_000_000
export const PARTITIONS = 4
const USERS = 1_000
export const TOPICS = { payments: { partitions: PARTITIONS } }

interface Payment {
  readonly amount: number
}

export function* payments(): Iterable<RecordedRecord> {
  const encoder = new TextEncoder()
  const users = Array.from({ length: USERS }, (_, index) => {
    const key = encoder.encode(`user-${index}`)
    return { key, partition: partitionOf(key, PARTITIONS) }
  })
  const offsets = Array.from({ length: PARTITIONS }, () => 0)
  for (let i = 0; i < RECORDS; i++) {
    const { key, partition } = users[(i * 7_919) % USERS] as (typeof users)[number]
    const offset = offsets[partition] as number
    offsets[partition] = offset + 1
    yield {
      topic: 'payments',
      partition,
      offset,
      timestamp: i * 2 + ((i * 31) % 50),
      key,
      value: encoder.encode(JSON.stringify({ amount: (i % 100) + 1 })),
      headers: [],
    }
  }
}

export function perMinute(app: App): void {
  const sent = app.stream<Payment>('payments', { value: json(), watermark: { maxOutOfOrderness: 100 } })
  const totals = sent.pipe(
    tumblingWindow('1m'),
    aggregate({ payments: count(), total: sum(({ value }) => value.amount) }, { name: 'totals', emit: 'close' }),
  )
  app.run('totals', totals.pipe(toTopic('totals')))
}

/** The results, whatever their order. */
export function checksum(outputs: Iterable<Pick<ReplayOutput, 'key' | 'value' | 'timestamp'>>): string {
  const decoder = new TextDecoder()
  let results = 0
  let sum = 0
  for (const { key, value, timestamp } of outputs) {
    const { payments: n, total } = JSON.parse(decoder.decode(value as Uint8Array)) as {
      payments: number
      total: number
    }
    const user = Number(decoder.decode(key as Uint8Array).slice('user-'.length))
    results++
    sum += (n + total) * (user + 1) * (1 + Math.floor(timestamp / 60_000))
  }
  return `${results} results, checksum ${sum}`
}

/** Replays all of it, as fast as that goes. */
export async function replayAll(recording: Recording): Promise<{ result: string; seconds: number }> {
  const startedAt = performance.now()
  const replay = createReplay({ recording, pipeline: perMinute })
  await replay.seek({ index: recording.size })
  const seconds = (performance.now() - startedAt) / 1_000
  const result = checksum(replay.outputs('totals'))
  await replay.close()
  return { result, seconds }
}

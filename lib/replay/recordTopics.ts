import { dictionary } from '../app/dictionary.js'
import type { Broker, RawRecord } from '../ports/broker.js'
import { systemClock } from '../ports/systemClock.js'
import { TidemarkError } from '../record/errors.js'
import type { RecordedRecord } from './recordedRecord.js'
import { writeBatches } from './writeRecording.js'

export interface RecordTopicsOptions {
  /** Only records with a timestamp of at least this (ms). Default: from the first that the log has. */
  readonly from?: number
  /** Only records with a timestamp below this (ms). Default: up to where the log ends when it begins. */
  readonly until?: number
  /** Goes on with what is written meanwhile, until `signal`. */
  readonly follow?: boolean
  /** Ends the recording: what has been read by then is a whole file. */
  readonly signal?: AbortSignal
  /** Hears from time to time how many records have been recorded. */
  readonly onProgress?: (records: number) => void
}

/** Offsets that are read at a time of each partition. */
const STRETCH = 2_000
/** Between two looks for what has been written meanwhile. */
const LOOK_MS = 200

/**
 * Records topics to a file, gzip'd JSON Lines: with partitions, offsets, timestamps and headers as they are. Only committed records are there.
 *
 * The order is that in which a task would read: of the next records of all partitions, the one with the smallest timestamp comes first, then the topic that is named first, then
 * the lower partition; the order within a partition stays. While it follows, that holds among what is there.
 *
 * It reads as fast as the file is written, some 2,000 records of each partition at a time. The broker is connected for it, and closed at the end, or when the stream is
 * cancelled.
 *
 * ```ts
 * const recorded = await openRecording(await recordTopics(broker, ['orders', 'users']))
 * ```
 *
 * @throws TidemarkError `UNKNOWN_TOPIC`, `BROKER_UNAVAILABLE`, `BAD_OPTION`; while it is read, the stream's error: `OFFSET_OUT_OF_RANGE` where the log is cleaned up meanwhile, or the topic made anew, `BAD_STATE` where partitions are added
 */
export async function recordTopics(
  broker: Broker,
  topics: readonly string[],
  options: RecordTopicsOptions = {},
): Promise<ReadableStream<Uint8Array>> {
  const { from, until } = options
  if (topics.length === 0) throw new TidemarkError('BAD_OPTION', 'recordTopics: name at least one topic')
  if (from !== undefined && until !== undefined && !(from < until))
    throw new TidemarkError('BAD_OPTION', `recordTopics: from must be before until; got ${from} and ${until}`)
  await broker.connect()
  try {
    const lanes: Lane[] = []
    const partitions = dictionary<{ partitions: number }>()
    for (const topic of new Set(topics)) {
      const ranges = await broker.ranges(topic)
      partitions[topic] = { partitions: ranges.length }
      for (const [partition, { start, end }] of ranges.entries())
        lanes.push(new Lane(broker, topic, partition, start, end))
    }
    const cancelling = new AbortController()
    const records = recordsOf(broker, lanes, options, cancelling)
    return writeBatches(partitions, records, () => cancelling.abort())
  } catch (error) {
    await broker.close()
    throw error
  }
}

async function* recordsOf(
  broker: Broker,
  lanes: readonly Lane[],
  {
    from = Number.NEGATIVE_INFINITY,
    until = Number.POSITIVE_INFINITY,
    follow = false,
    signal,
    onProgress,
  }: RecordTopicsOptions,
  ending: AbortController,
): AsyncGenerator<RecordedRecord[], void, undefined> {
  let count = 0
  const end = () => ending.abort()
  signal?.addEventListener('abort', end)
  if (signal?.aborted) end()
  try {
    while (!ending.signal.aborted) {
      await Promise.all(lanes.map((lane) => lane.fill()))
      const batch = merged(lanes).filter(({ timestamp }) => timestamp >= from && timestamp < until)
      if (batch.length > 0) {
        yield batch
        count += batch.length
        onProgress?.(count)
      }
      if (lanes.some((lane) => lane.hasMore)) continue
      if (!follow) return
      await pause(LOOK_MS, ending.signal)
      await lookForMore(broker, lanes)
    }
  } finally {
    signal?.removeEventListener('abort', end)
    await broker.close()
  }
}

/** A partition that is being recorded. */
class Lane {
  /** What has been read and not recorded. */
  private records: readonly RawRecord[] = []
  private at = 0

  constructor(
    private readonly broker: Broker,
    readonly topic: string,
    readonly partition: number,
    public position: number,
    public end: number,
  ) {}

  get head(): RawRecord | undefined {
    return this.records[this.at]
  }

  /** Whether it has to be read on before it is known which record comes next. */
  get hasMore(): boolean {
    return this.head !== undefined || this.position < this.end
  }

  take(): RecordedRecord {
    const { topic, partition } = this
    const { key, value, timestamp, offset, headers } = this.records[this.at++] as RawRecord
    return { topic, partition, key, value, timestamp, offset, headers }
  }

  /** Reads on, if nothing of it waits. */
  async fill(): Promise<void> {
    while (this.head === undefined && this.position < this.end) {
      const read: RawRecord[] = []
      const to = Math.min(this.position + STRETCH, this.end)
      await this.broker.read(this, this.position, to, ({ records }) => {
        for (const record of records) read.push(record)
      })
      this.position = to
      this.records = read
      this.at = 0
    }
  }
}

/** The records that can be put in order now: up to where a partition has to be read on. */
function merged(lanes: readonly Lane[]): RecordedRecord[] {
  const batch: RecordedRecord[] = []
  for (;;) {
    let first: Lane | undefined
    for (const lane of lanes) {
      const { head } = lane
      if (head === undefined && lane.hasMore) return batch
      if (head !== undefined && head.timestamp < (first?.head?.timestamp ?? Number.POSITIVE_INFINITY)) first = lane
    }
    if (first === undefined) return batch
    batch.push(first.take())
  }
}

async function lookForMore(broker: Broker, lanes: readonly Lane[]): Promise<void> {
  for (const topic of new Set(lanes.map((lane) => lane.topic))) {
    const ranges = await broker.ranges(topic)
    const own = lanes.filter((lane) => lane.topic === topic)
    if (ranges.length !== own.length) throw grown(topic, own.length, ranges.length)
    for (const lane of own) {
      const { end } = ranges[lane.partition] as (typeof ranges)[number]
      if (end < lane.position) throw madeAnew(lane, end)
      lane.end = end
    }
  }
}

const grown = (topic: string, before: number, now: number) =>
  new TidemarkError(
    'BAD_STATE',
    `recordTopics: ${topic} had ${before} partitions when the recording began, and has ${now} now, whose records it would lack; begin another one`,
    { topic },
  )

const madeAnew = ({ topic, partition, position }: Lane, end: number) =>
  new TidemarkError(
    'OFFSET_OUT_OF_RANGE',
    `recordTopics: the records up to offset ${position} have been recorded, and the log ends at ${end} now: the topic was made anew, and its first records would be left out; begin another recording`,
    { topic, partition, offset: position },
  )

/** Ends early by the signal. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      cancel()
      signal.removeEventListener('abort', end)
      resolve()
    }
    const cancel = systemClock.after(ms, end)
    signal.addEventListener('abort', end)
    if (signal.aborted) end()
  })
}

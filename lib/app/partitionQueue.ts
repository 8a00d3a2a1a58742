import type { RawBatch, RawRecord } from '../ports/broker.js'
import { TidemarkError } from '../record/errors.js'
import { badKey, isKey, type Key } from '../record/key.js'
import type { StreamRecord } from '../record/record.js'
import { readStamps, type TimeStamp, withoutStamps } from '../record/stamp.js'
import { badTimestamp, isTimestamp } from '../record/timestamp.js'
import type { ExchangeRole, SourceRole } from '../task/definition.js'
import type { AlignedPartition } from './alignment.js'
import { recordBytes } from './recordBytes.js'

/** What a task has of one partition and hasn't handled yet, with its place in the log. */
export class PartitionQueue {
  private readonly batches: RawBatch[] = []
  private at = 0
  /** Records that wait, and about what they take in memory. */
  size = 0
  bytes = 0
  /** Offset of the next record to handle. */
  position: number
  /** The log's end as last heard of. */
  end: number
  /** Where open transactions are at, past the end; undefined if none is. */
  written: number | undefined
  isPaused = false
  /** Nothing more of it is handled for now. */
  isHeld = false
  /** Its place in the alignment group that its source names. */
  aligned: AlignedPartition | undefined
  /** Wall clock, ms: since when the task has found it empty and caught up. */
  quietSince: number | undefined
  /** Decoded once, when its turn is weighed. */
  private decoded: StreamRecord<Key | null, unknown> | undefined
  private decodedBy: SourceRole | ExchangeRole | undefined

  constructor(
    readonly topic: string,
    readonly partition: number,
    position: number,
    end: number,
  ) {
    this.position = position
    this.end = end
  }

  add(batch: RawBatch): void {
    this.end = Math.max(this.end, batch.endOffset)
    if (batch.nextOffset <= this.position) return
    this.batches.push(batch)
    this.size += batch.records.length
    for (const record of batch.records) this.bytes += recordBytes(record)
    this.skipHandled()
  }

  /** Passes over records from before the position and over batches without records. */
  private skipHandled(): void {
    for (let batch = this.batches[0]; batch !== undefined; batch = this.batches[0]) {
      while (this.at < batch.records.length && (batch.records[this.at] as RawRecord).offset < this.position) {
        this.bytes -= recordBytes(batch.records[this.at] as RawRecord)
        this.at++
        this.size--
      }
      if (this.at < batch.records.length) return
      this.position = Math.max(this.position, batch.nextOffset)
      this.batches.shift()
      this.at = 0
    }
  }

  head(): RawRecord | undefined {
    return this.batches[0]?.records[this.at]
  }

  /** The next record as a source reads it. */
  record(role: SourceRole | ExchangeRole): StreamRecord<Key | null, unknown> {
    if (this.decoded === undefined || this.decodedBy !== role) {
      this.decoded = decode(this.head() as RawRecord, this.topic, this.partition, role)
      this.decodedBy = role
    }
    return this.decoded
  }

  /** The next record has been handled, or left out. */
  done(): void {
    const batch = this.batches[0] as RawBatch
    const record = batch.records[this.at] as RawRecord
    this.position = record.offset + 1
    this.bytes -= recordBytes(record)
    this.at++
    this.size--
    this.decoded = undefined
    if (this.at === batch.records.length) {
      this.position = Math.max(this.position, batch.nextOffset)
      this.batches.shift()
      this.at = 0
      if (this.batches.length > 0) this.skipHandled()
    }
  }

  /** Records that the log has and this task has not handled. */
  get lag(): number {
    return Math.max(0, this.end - this.position)
  }
}

/**
 * Reads a record with a source's serdes.
 *
 * @throws TidemarkError `DESERIALISE`, `BAD_TIMESTAMP`, with topic, partition and offset
 */
function decode(
  raw: RawRecord,
  topic: string,
  partition: number,
  role: SourceRole | ExchangeRole,
): StreamRecord<Key | null, unknown> {
  const place = { operator: `source ${topic}`, topic, partition, offset: raw.offset }
  let part = 'key'
  try {
    const key = raw.key === null || role.key === undefined ? null : (role.key.deserialize(raw.key) as Key)
    if (key !== null && !isKey(key)) throw badKey(key)
    part = 'value'
    const value = raw.value === null ? null : role.value.deserialize(raw.value)
    const record = { key, value, timestamp: raw.timestamp, topic, partition, offset: raw.offset, headers: raw.headers }
    if (role.is === 'source' && role.timestamp !== undefined) {
      part = 'timestamp'
      record.timestamp = role.timestamp(record)
    }
    if (!isTimestamp(record.timestamp)) throw badTimestamp(record.timestamp)
    return record
  } catch (cause) {
    const message =
      cause instanceof TidemarkError ? cause.reason : cause instanceof Error ? cause.message : String(cause)
    const code = cause instanceof TidemarkError && cause.code === 'BAD_TIMESTAMP' ? 'BAD_TIMESTAMP' : 'DESERIALISE'
    throw new TidemarkError(code, `the ${part} can't be read: ${message}; repair the writer`, place, { cause })
  }
}

/** An exchange's record without what its writer said about time and window. */
export function unstamp(record: StreamRecord<Key | null, unknown>): {
  record: StreamRecord<Key | null, unknown>
  time: TimeStamp | undefined
} {
  const { time, window } = readStamps(record.headers)
  return { record: { ...record, headers: withoutStamps(record.headers), ...window }, time }
}

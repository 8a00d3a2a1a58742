import type { TopicPartition } from '../ports/broker.js'
import type { RecordedRecord } from './recordedRecord.js'

/** A place in a recording: so many records before it, a time, or the record of a partition at an offset. */
export type RecordingPlace =
  | { readonly index: number }
  | { readonly time: number }
  | (TopicPartition & { readonly offset: number })

/** What was recorded, in memory: bytes and columns of numbers, some 40 bytes per record besides its key and value. */
export interface Recording {
  /** Partitions by topic, as the log had them. */
  readonly topics: ReadonlyMap<string, number>
  /** How many records there are. */
  readonly size: number
  /** ms since the epoch: the smallest and the largest timestamp; undefined if there is no record. */
  readonly from: number | undefined
  readonly to: number | undefined
  /** The file ended too early, and what was whole has been kept. */
  readonly isTruncated: boolean
  /** The record with that number, from 0 on. */
  record(index: number): RecordedRecord
  /** Its timestamp alone. */
  timestamp(index: number): number
  /**
   * The number of records before a place: before the first record with that time or a later one; before the first of a partition with that offset
   * or a later one.
   *
   * @throws TidemarkError `BAD_OPTION` for an index beyond the recording, and for a partition that it hasn't got
   */
  indexOf(place: RecordingPlace): number
}

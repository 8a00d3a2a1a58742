import type { RawRecord, TopicPartition } from '../ports/broker.js'

/** A record of a recording, with its place in the log that it was recorded from. */
export interface RecordedRecord extends RawRecord, TopicPartition {}

import { zipLines } from '../record/zipLines.js'
import type { RecordedRecord } from './recordedRecord.js'
import { headerLine, type RecordedTopics, recordLine } from './recordingLine.js'

const BATCH_RECORDS = 500

/**
 * A recording of records that come from anywhere, as gzip'd JSON Lines: made as it is read, so that it may be longer than memory is large.
 *
 * ```ts
 * const file = await new Response(writeRecording({ orders: { partitions: 3 } }, recorded)).blob()
 * ```
 *
 * @param topics partitions by topic
 * @param records in the order in which they are to be replayed; offsets of a partition rise
 */
export function writeRecording(
  topics: RecordedTopics,
  records: Iterable<RecordedRecord> | AsyncIterable<RecordedRecord>,
): ReadableStream<Uint8Array> {
  return writeBatches(topics, Symbol.iterator in records ? inBatches(records) : oneByOne(records))
}

/** The same of records that come several at a time. */
export function writeBatches(
  topics: RecordedTopics,
  batches: AsyncIterable<readonly RecordedRecord[]>,
): ReadableStream<Uint8Array> {
  return zipLines(linesOf(topics, batches))
}

async function* linesOf(
  topics: RecordedTopics,
  batches: AsyncIterable<readonly RecordedRecord[]>,
): AsyncGenerator<readonly string[], void, undefined> {
  yield [headerLine(topics)]
  for await (const batch of batches) yield batch.map(recordLine)
}

async function* inBatches(records: Iterable<RecordedRecord>): AsyncGenerator<RecordedRecord[], void, undefined> {
  let batch: RecordedRecord[] = []
  for (const record of records) {
    batch.push(record)
    if (batch.length < BATCH_RECORDS) continue
    yield batch
    batch = []
  }
  yield batch
}

async function* oneByOne(records: AsyncIterable<RecordedRecord>): AsyncGenerator<RecordedRecord[], void, undefined> {
  for await (const record of records) yield [record]
}

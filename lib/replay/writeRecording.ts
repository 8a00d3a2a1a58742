import type { RecordedRecord } from './recordedRecord.js'
import { headerLine, type RecordedTopics, recordLine } from './recordingLine.js'

/** Text that is compressed at a time. */
const PIECE_CHARS = 1 << 16
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
  const pieces = piecesOf(topics, batches)
  const encoder = new TextEncoder()
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await pieces.next()
      if (done) controller.close()
      else controller.enqueue(encoder.encode(value))
    },
    async cancel() {
      await pieces.return(undefined)
    },
  }).pipeThrough(new CompressionStream('gzip') as TransformStream<Uint8Array, Uint8Array>)
}

async function* piecesOf(
  topics: RecordedTopics,
  batches: AsyncIterable<readonly RecordedRecord[]>,
): AsyncGenerator<string, void, undefined> {
  let piece = `${headerLine(topics)}\n`
  for await (const batch of batches) {
    for (const record of batch) piece += `${recordLine(record)}\n`
    if (piece.length < PIECE_CHARS) continue
    yield piece
    piece = ''
  }
  yield piece
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

import type { RecordedRecord } from './recordedRecord.js'
import { headerLine, type RecordedTopics, recordLine } from './recordingLine.js'

/** Text that is compressed at a time. */
const PIECE_CHARS = 1 << 16

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
  const pieces = piecesOf(topics, records)
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
  records: Iterable<RecordedRecord> | AsyncIterable<RecordedRecord>,
): AsyncGenerator<string, void, undefined> {
  let piece = `${headerLine(topics)}\n`
  for await (const record of records) {
    piece += `${recordLine(record)}\n`
    if (piece.length < PIECE_CHARS) continue
    yield piece
    piece = ''
  }
  yield piece
}

import { openRecording, type RecordedRecord, type Recording, writeRecording } from '../../lib/replay/index.js'
import type { RecordedTopics } from '../../lib/replay/recordingLine.js'
import { bytesOf } from '../bytesOf.js'

/** A recording as it is when it has been to a file and back. */
export async function recordingOf(topics: RecordedTopics, records: Iterable<RecordedRecord>): Promise<Recording> {
  return openRecording(await bytesOf(writeRecording(topics, records)))
}

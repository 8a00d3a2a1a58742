import type { FileSource } from '../record/chunksOf.js'
import { TidemarkError } from '../record/errors.js'
import { LineSplitter } from '../record/lineSplitter.js'
import { BrokenFile, unzipped } from '../record/unzipped.js'
import type { Recording } from './recording.js'
import { RecordingColumns } from './recordingColumns.js'
import { badLine, readHeader, readLine } from './recordingLine.js'

export interface OpenRecordingOptions {
  /** A file that ends too early is opened all the same, with the records that are whole. Default: it is refused. */
  readonly keepWhole?: boolean
  /** Hears from time to time how many records have been read. */
  readonly onProgress?: (records: number) => void
}

/**
 * Reads a recording: gzip or plain, told by its first bytes. It is read as it comes: the text is never in memory as a whole.
 *
 * ```ts
 * dropZone.ondragover = (event) => event.preventDefault()
 * dropZone.ondrop = async (event) => {
 *   event.preventDefault()
 *   const dropped = event.dataTransfer?.files[0]
 *   if (dropped !== undefined) console.log((await openRecording(dropped)).size)
 * }
 * ```
 *
 * @throws TidemarkError `BAD_RECORDING`, with the line; what the stream errors with
 */
export async function openRecording(
  source: FileSource,
  { keepWhole = false, onProgress }: OpenRecordingOptions = {},
): Promise<Recording> {
  let recording: RecordingColumns | undefined
  let line = 0
  const take = (text: string) => {
    line++
    if (recording === undefined) recording = new RecordingColumns(readHeader(text))
    else if (text !== '' && text !== '\r') recording.add(readLine(text, line), line)
  }
  const splitter = new LineSplitter()
  const decoder = new TextDecoder('utf-8', { fatal: true })
  try {
    for await (const bytes of unzipped(source)) {
      for (const text of splitter.add(decode(decoder, bytes, line))) take(text)
      if (recording !== undefined) onProgress?.(recording.size)
    }
    for (const text of splitter.add(decode(decoder, undefined, line))) take(text)
    const rest = splitter.rest()
    if (rest !== '') {
      // A line without an end may be half a line.
      try {
        take(rest)
      } catch (cause) {
        throw recording === undefined ? cause : cutOff(line - 1, cause)
      }
    }
    if (recording === undefined) throw badLine(1, 'the file is empty')
  } catch (thrown) {
    const error = thrown instanceof BrokenFile ? cutOff(line, thrown) : thrown
    if (!(error instanceof CutOff) || !keepWhole || recording === undefined)
      throw error instanceof CutOff ? error.told : error
    ;(recording as RecordingColumns).isTruncated = true
  }
  return recording as RecordingColumns
}

/** The file ends too early. */
class CutOff extends Error {
  constructor(readonly told: TidemarkError) {
    super(told.message)
  }
}

const cutOff = (lines: number, cause: unknown) =>
  new CutOff(
    new TidemarkError(
      'BAD_RECORDING',
      `the file is damaged or ends too early, after line ${lines}: ${cause instanceof Error ? cause.message : cause}; record it anew, or open what is whole with { keepWhole: true }`,
      {},
      { cause },
    ),
  )

/** @param lines that have been read */
function decode(decoder: TextDecoder, bytes: Uint8Array | undefined, lines: number): string {
  try {
    return decoder.decode(bytes, { stream: bytes !== undefined })
  } catch {
    const [before] = new TextDecoder().decode(bytes).split('\ufffd') as [string]
    throw badLine(lines + before.split('\n').length, 'not UTF-8')
  }
}

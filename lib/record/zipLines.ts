import { TidemarkError } from './errors.js'
import { MAX_LINE_CHARS } from './lineSplitter.js'

/** Text that is compressed at a time. */
const PIECE_CHARS = 1 << 16

/**
 * Lines as gzip'd UTF-8, made as they are read: one by one, or several at a time.
 *
 * @param cancelled called when nobody reads on: lines that are waited for needn't come any more
 * @throws TidemarkError as the stream's error: `NOT_SERIALISABLE` for a line that would be too long to be read again; what `lines` throws
 */
export function zipLines(
  lines: Iterable<string> | AsyncIterable<readonly string[]>,
  cancelled: () => void = () => {},
): ReadableStream<Uint8Array> {
  const pieces = Symbol.iterator in lines ? piecesOf(lines) : piecesOfBatches(lines)
  const encoder = new TextEncoder()
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await pieces.next()
      if (done) controller.close()
      else controller.enqueue(encoder.encode(value))
    },
    async cancel() {
      cancelled()
      await pieces.return()
    },
  }).pipeThrough(new CompressionStream('gzip') as TransformStream<Uint8Array, Uint8Array>)
}

function* piecesOf(lines: Iterable<string>): Generator<string, void, void> {
  let piece = ''
  for (const line of lines) {
    piece += ended(line)
    if (piece.length < PIECE_CHARS) continue
    yield piece
    piece = ''
  }
  if (piece !== '') yield piece
}

async function* piecesOfBatches(batches: AsyncIterable<readonly string[]>): AsyncGenerator<string, void, void> {
  let piece = ''
  for await (const lines of batches) {
    for (const line of lines) piece += ended(line)
    if (piece.length < PIECE_CHARS) continue
    yield piece
    piece = ''
  }
  if (piece !== '') yield piece
}

function ended(line: string): string {
  if (line.length <= MAX_LINE_CHARS) return `${line}\n`
  throw new TidemarkError(
    'NOT_SERIALISABLE',
    `a line of the file would have ${line.length} characters, and at most ${MAX_LINE_CHARS} can be read again; keep what is in a record or a state smaller`,
  )
}

/** Text that is compressed at a time. */
const PIECE_CHARS = 1 << 16

/** Lines as gzip'd UTF-8, made as they are read: one by one, or several at a time. */
export function zipLines(lines: Iterable<string> | AsyncIterable<readonly string[]>): ReadableStream<Uint8Array> {
  const pieces = Symbol.iterator in lines ? piecesOf(lines) : piecesOfBatches(lines)
  const encoder = new TextEncoder()
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await pieces.next()
      if (done) controller.close()
      else controller.enqueue(encoder.encode(value))
    },
    async cancel() {
      await pieces.return()
    },
  }).pipeThrough(new CompressionStream('gzip') as TransformStream<Uint8Array, Uint8Array>)
}

function* piecesOf(lines: Iterable<string>): Generator<string, void, void> {
  let piece = ''
  for (const line of lines) {
    piece += `${line}\n`
    if (piece.length < PIECE_CHARS) continue
    yield piece
    piece = ''
  }
  if (piece !== '') yield piece
}

async function* piecesOfBatches(batches: AsyncIterable<readonly string[]>): AsyncGenerator<string, void, void> {
  let piece = ''
  for await (const lines of batches) {
    for (const line of lines) piece += `${line}\n`
    if (piece.length < PIECE_CHARS) continue
    yield piece
    piece = ''
  }
  if (piece !== '') yield piece
}

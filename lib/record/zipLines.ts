/** Text that is compressed at a time. */
const PIECE_CHARS = 1 << 16

/** Lines as gzip'd UTF-8, made as they are read. */
export function zipLines(lines: Iterable<string>): ReadableStream<Uint8Array> {
  const pieces = piecesOf(lines)
  const encoder = new TextEncoder()
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      const { done, value } = pieces.next()
      if (done) controller.close()
      else controller.enqueue(encoder.encode(value))
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

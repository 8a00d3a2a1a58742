import { chunksOf, type FileSource } from './chunksOf.js'

/** A file ends too early, or isn't what it seems. */
export class BrokenFile extends Error {}

/**
 * A file's bytes without their compression, gzip'd or plain as the first of them say, read as they come. Whoever doesn't read to the end lets go of the source.
 *
 * @throws BrokenFile what isn't whole; and whatever the source errors with
 */
export async function* unzipped(source: FileSource): AsyncGenerator<Uint8Array, void, void> {
  const bytes = chunksOf(source)
  try {
    const first = await bytes.next()
    if (first.done) return
    const whole = (async function* () {
      yield first.value
      yield* bytes
    })()
    const isZipped = first.value[0] === 0x1f && (first.value.length < 2 || first.value[1] === 0x8b)
    yield* isZipped ? unzip(whole) : whole
  } finally {
    await bytes.return()
  }
}

async function* unzip(bytes: AsyncGenerator<Uint8Array, void, void>): AsyncGenerator<Uint8Array, void, void> {
  const { readable, writable } = new DecompressionStream('gzip')
  let sourceFailed: { readonly cause: unknown } | undefined
  feed((writable as WritableStream<Uint8Array>).getWriter(), bytes, (cause) => {
    sourceFailed = { cause }
  }).catch(() => {
    // Whoever reads hears of it.
  })
  try {
    yield* chunksOf(readable as ReadableStream<Uint8Array>)
  } catch (cause) {
    if (sourceFailed !== undefined) throw sourceFailed.cause
    throw new BrokenFile('it is damaged, or ends too early', { cause })
  }
}

async function feed(
  writer: WritableStreamDefaultWriter<Uint8Array>,
  bytes: AsyncGenerator<Uint8Array, void, void>,
  failed: (cause: unknown) => void,
): Promise<void> {
  const next = () =>
    bytes.next().catch(async (cause) => {
      failed(cause)
      await writer.abort(cause)
      throw cause
    })
  for (let piece = await next(); !piece.done; piece = await next()) await writer.write(piece.value)
  await writer.close()
}

import type { FileSource } from './chunksOf.js'
import { LineSplitter } from './lineSplitter.js'
import { BrokenFile, unzipped } from './unzipped.js'

/**
 * The lines of a file, gzip'd or plain, read as they come. Whoever doesn't read to the end lets go of the source.
 *
 * @throws BrokenFile what isn't whole gzip'd UTF-8, and a line that is too long; and whatever the source errors with
 */
export async function* unzipLines(source: FileSource): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const splitter = new LineSplitter()
  for await (const bytes of unzipped(source)) yield* splitter.add(decode(decoder, bytes))
  yield* splitter.add(decode(decoder, undefined))
  const rest = splitter.rest()
  if (rest !== '') yield rest
}

function decode(decoder: TextDecoder, bytes: Uint8Array | undefined): string {
  try {
    return decoder.decode(bytes, { stream: bytes !== undefined })
  } catch (cause) {
    throw new BrokenFile('it is not UTF-8', { cause })
  }
}

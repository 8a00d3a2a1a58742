import { BrokenFile, type FileSource, unzipped } from './unzipped.js'

/**
 * The lines of a file, gzip'd or plain, read as they come. Whoever doesn't read to the end lets go of the source.
 *
 * @throws BrokenFile what isn't whole gzip'd UTF-8; and whatever the source errors with
 */
export async function* unzipLines(source: FileSource): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let rest = ''
  for await (const bytes of unzipped(source)) {
    const lines = (rest + decode(decoder, bytes)).split('\n')
    rest = lines.pop() as string
    yield* lines
  }
  rest += decode(decoder, undefined)
  if (rest !== '') yield rest
}

function decode(decoder: TextDecoder, bytes: Uint8Array | undefined): string {
  try {
    return decoder.decode(bytes, { stream: bytes !== undefined })
  } catch (cause) {
    throw new BrokenFile('it is not UTF-8', { cause })
  }
}

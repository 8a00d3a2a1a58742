/** What a file may come as. */
export type FileSource = Blob | Uint8Array | ReadableStream<Uint8Array>

/** The chunks of a source, empty ones left out. Whoever doesn't read to the end lets go of the source. */
export async function* chunksOf(source: FileSource): AsyncGenerator<Uint8Array, void, void> {
  if (ArrayBuffer.isView(source)) {
    if (source.length > 0) yield source
    return
  }
  const reader = ('stream' in source ? source.stream() : source).getReader()
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read())
      if (next.value.length > 0) yield next.value
  } finally {
    await reader.cancel().catch(() => {})
  }
}

/**
 * Some entries of one scope, packed for IndexedDB: one value of strings and bytes, since one IndexedDB record per
 * entry costs forty times as much, and what a browser has to clone can fail half-way.
 */
export interface EntryBlock {
  /** The keys, as a JSON array. */
  readonly keys: string
  /** For each key where its value ends in `values`, in which one begins where the last ended; or `DELETED`. */
  readonly ends: Uint32Array
  readonly values: Uint8Array
}

const DELETED = 0xffffffff
const MAX_ENTRIES = 5_000
// Chromium refuses a single value of about 127 MB.
const MAX_BYTES = 8 * 1024 * 1024

type Entries = Iterable<readonly [key: string, value: Uint8Array | null]>

/** Packs entries in order into as many blocks as it takes. */
export function* packBlocks(entries: Entries): Generator<EntryBlock> {
  let part: [key: string, value: Uint8Array | null][] = []
  let bytes = 0
  for (const [key, value] of entries) {
    part.push([key, value])
    bytes += value?.length ?? 0
    if (part.length < MAX_ENTRIES && bytes < MAX_BYTES) continue
    yield packBlock(part, bytes)
    part = []
    bytes = 0
  }
  if (part.length > 0) yield packBlock(part, bytes)
}

function packBlock(entries: [key: string, value: Uint8Array | null][], bytes: number): EntryBlock {
  const ends = new Uint32Array(entries.length)
  const values = new Uint8Array(bytes)
  let end = 0
  for (const [index, [, value]] of entries.entries()) {
    if (value !== null) {
      values.set(value, end)
      end += value.length
    }
    ends[index] = value === null ? DELETED : end
  }
  return { keys: JSON.stringify(entries.map(([key]) => key)), ends, values }
}

/** What is left of a scope after the blocks' puts and deletes, applied in order. */
export function unpackBlocks(blocks: readonly EntryBlock[]): Map<string, Uint8Array> {
  const entries = new Map<string, Uint8Array>()
  for (const { keys, ends, values } of blocks) {
    let start = 0
    for (const [index, key] of (JSON.parse(keys) as string[]).entries()) {
      const end = ends[index] as number
      if (end === DELETED) {
        entries.delete(key)
      } else {
        entries.set(key, values.subarray(start, end))
        start = end
      }
    }
  }
  return entries
}

/** About what a block takes on disk, with what the record around it costs. */
export function blockBytes(block: EntryBlock): number {
  return block.keys.length + block.ends.byteLength + block.values.length + 100
}

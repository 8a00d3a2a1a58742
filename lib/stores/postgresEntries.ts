import { createHash } from 'node:crypto'
import type { ClientBase } from 'pg'

/** What changes in one scope; `id` is the scope's. */
interface Changes {
  readonly id: string
  readonly entries: ReadonlyMap<string, Uint8Array | null>
}

// What one statement takes: enough to make the round trip cheap, little enough to be no burden for either side.
const MAX_ENTRIES = 5_000
const MAX_BYTES = 4 * 1024 * 1024

export async function putEntries(client: ClientBase, table: string, changes: readonly Changes[]): Promise<void> {
  for (const { scopes, keys, values, longKeys } of chunks(changes, (value) => value !== null)) {
    await client.query(
      `INSERT INTO ${table} (scope, key, value, long_key)
       SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bytea[])
       ON CONFLICT (scope, key) DO UPDATE SET value = EXCLUDED.value`,
      [scopes, byteArray(keys), byteArray(values), byteArray(longKeys)],
    )
  }
}

export async function deleteEntries(client: ClientBase, table: string, changes: readonly Changes[]): Promise<void> {
  for (const { scopes, keys } of chunks(changes, (value) => value === null)) {
    await client.query(
      `DELETE FROM ${table} AS e USING unnest($1::bigint[], $2::bytea[]) AS gone (scope, key)
       WHERE e.scope = gone.scope AND e.key = gone.key`,
      [scopes, byteArray(keys)],
    )
  }
}

interface Chunk {
  readonly scopes: string[]
  readonly keys: Uint8Array[]
  readonly values: (Uint8Array | null)[]
  readonly longKeys: (Uint8Array | null)[]
}

function* chunks(changes: readonly Changes[], isWanted: (value: Uint8Array | null) => boolean): Generator<Chunk> {
  let chunk: Chunk = { scopes: [], keys: [], values: [], longKeys: [] }
  let bytes = 0
  for (const { id, entries } of changes) {
    for (const [key, value] of entries) {
      if (!isWanted(value)) continue
      const keyBytes = Buffer.from(key)
      const isLong = keyBytes.length > MAX_KEY_BYTES
      chunk.scopes.push(id)
      chunk.keys.push(isLong ? standIn(keyBytes) : keyBytes)
      chunk.values.push(value)
      chunk.longKeys.push(isLong ? keyBytes : null)
      bytes += keyBytes.length + (value?.length ?? 0)
      if (chunk.keys.length < MAX_ENTRIES && bytes < MAX_BYTES) continue
      yield chunk
      chunk = { scopes: [], keys: [], values: [], longKeys: [] }
      bytes = 0
    }
  }
  if (chunk.keys.length > 0) yield chunk
}

/** An entry of an index takes 2,704 bytes at most. */
const MAX_KEY_BYTES = 2_000

/** No key is like it: UTF-8 has no byte 255. */
const standIn = (key: Uint8Array) => Buffer.concat([Buffer.of(0xff), createHash('sha256').update(key).digest()])

/** The key of a row. */
export const keyOf = (key: Buffer, longKey: Buffer | null): string => (longKey ?? key).toString()

const BYTEA_OID = 17

/** An array of `bytea` in PostgreSQL's binary format: as text it would be twice as long, and take several times as long to write. */
function byteArray(items: readonly (Uint8Array | null)[]): Buffer {
  let length = 20
  for (const item of items) length += 4 + (item?.length ?? 0)
  const array = Buffer.allocUnsafe(length)
  // One dimension, nulls allowed, of this type, so many, counted from 1.
  const header = [1, 1, BYTEA_OID, items.length, 1]
  let at = 0
  for (const number of header) at = array.writeInt32BE(number, at)
  for (const item of items) {
    at = array.writeInt32BE(item === null ? -1 : item.length, at)
    if (item === null) continue
    array.set(item, at)
    at += item.length
  }
  return array
}

import { base64 } from './base64.js'
import type { Headers } from './record.js'
import { utf8 } from './serde.js'

/** Bytes as plain JSON data: text where that gives back exactly these bytes, else base64; null stays null. */
export type BytesJson = string | { readonly base64: string } | null

export const bytesJson = {
  encode(bytes: Uint8Array | null): BytesJson {
    if (bytes === null) return null
    const text = utf8.decode(bytes)
    // The only sign of what isn't UTF-8, and it may stand there as such.
    if (!text.includes('\ufffd') || isSame(utf8.encode(text), bytes)) return text
    return { base64: base64.encode(bytes) as string }
  },
  decode: (json: BytesJson): Uint8Array | null =>
    typeof json === 'string' ? utf8.encode(json) : json === null ? null : base64.decode(json.base64),
}

/** What a record carries, as plain JSON data. */
export interface ContentJson {
  readonly key: BytesJson
  readonly value: BytesJson
  readonly headers?: readonly (readonly [name: string, value: BytesJson])[]
}

interface Content {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: Headers
}

export function contentJson({ key, value, headers }: Content): ContentJson {
  const { encode } = bytesJson
  const content = { key: encode(key), value: encode(value) }
  return headers.length === 0
    ? content
    : { ...content, headers: headers.map(([name, bytes]) => [name, encode(bytes)] as const) }
}

const isSame = (a: Uint8Array, b: Uint8Array) => a.length === b.length && a.every((byte, i) => byte === b[i])

import { base64 } from './base64.js'
import { type Key, keyText, parseKey } from './key.js'
import { type Headers, NO_HEADERS, type StreamRecord } from './record.js'

/** Headers as plain JSON data. */
export type HeadersJson = readonly (readonly [name: string, value: string | null])[]

/** A record as plain JSON data, for states that hold records. */
export interface RecordJson {
  readonly key: string | null
  readonly headers?: HeadersJson
  /** Value, timestamp, topic, partition, offset, and what else the record carries (a window). */
  readonly rest: Omit<StreamRecord, 'key' | 'headers'>
}

export function recordToJson(record: StreamRecord<Key | null, unknown>): RecordJson {
  const { key, headers, ...rest } = record
  return {
    key: key === null ? null : keyText(key),
    ...(headers.length > 0 && { headers: headersToJson(headers) }),
    rest,
  }
}

export function recordFromJson({ key, headers, rest }: RecordJson): StreamRecord<Key | null, unknown> {
  const { value, timestamp, topic, partition, offset, ...more } = rest
  return {
    key: key === null ? null : parseKey(key),
    value,
    timestamp,
    topic,
    partition,
    offset,
    headers: headersFromJson(headers),
    ...more,
  }
}

export const headersToJson = (headers: Headers): HeadersJson =>
  headers.map(([name, value]) => [name, base64.encode(value)] as const)

export const headersFromJson = (headers: HeadersJson | undefined): Headers =>
  headers === undefined ? NO_HEADERS : headers.map(([name, text]) => [name, base64.decode(text)] as const)

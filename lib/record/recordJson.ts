import { type Key, keyText, parseKey } from './key.js'
import { NO_HEADERS, type StreamRecord } from './record.js'

/** A record as plain JSON data, for states that hold records. */
export interface RecordJson {
  readonly key: string | null
  readonly headers?: readonly (readonly [string, string | null])[]
  /** Value, timestamp, topic, partition, offset, and what else the record carries (a window). */
  readonly rest: Omit<StreamRecord, 'key' | 'headers'>
}

export function recordToJson(record: StreamRecord<Key | null, unknown>): RecordJson {
  const { key, headers, ...rest } = record
  return {
    key: key === null ? null : keyText(key),
    ...(headers.length > 0 && {
      headers: headers.map(([name, value]) => [name, value === null ? null : toBase64(value)] as const),
    }),
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
    headers:
      headers === undefined
        ? NO_HEADERS
        : headers.map(([name, text]) => [name, text === null ? null : fromBase64(text)] as const),
    ...more,
  }
}

const toBase64 = (bytes: Uint8Array): string => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))
const fromBase64 = (text: string): Uint8Array => Uint8Array.from(atob(text), (char) => char.charCodeAt(0))

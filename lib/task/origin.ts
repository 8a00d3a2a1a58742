import type { RawRecord, TopicPartition } from '../ports/broker.js'
import { base64 } from '../record/base64.js'
import { type HeadersJson, headersFromJson, headersToJson } from '../record/recordJson.js'

/** The record of a topic behind what a task is doing, byte for byte: what is set aside if that goes wrong. */
export interface Origin extends TopicPartition, RawRecord {}

/** An origin as plain JSON data, for states that hold records on their way. */
export interface OriginJson extends Omit<Origin, 'key' | 'value' | 'headers'> {
  readonly key: string | null
  readonly value: string | null
  readonly headers?: HeadersJson
}

export function originToJson({ topic, partition, offset, timestamp, key, value, headers }: Origin): OriginJson {
  return {
    topic,
    partition,
    offset,
    timestamp,
    key: base64.encode(key),
    value: base64.encode(value),
    ...(headers.length > 0 && { headers: headersToJson(headers) }),
  }
}

export const originFromJson = ({ key, value, headers, ...place }: OriginJson): Origin => ({
  ...place,
  key: base64.decode(key),
  value: base64.decode(value),
  headers: headersFromJson(headers),
})

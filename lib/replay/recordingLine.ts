import { base64 } from '../record/base64.js'
import { type ContentJson, contentJson } from '../record/bytesJson.js'
import { show, TidemarkError } from '../record/errors.js'
import { type Headers, NO_HEADERS } from '../record/record.js'
import { utf8 } from '../record/serde.js'
import { isTimestamp } from '../record/timestamp.js'
import type { RecordedRecord } from './recordedRecord.js'

/** The version of the format that is written here, and the only one that is read. */
const VERSION = 1

/** More than any broker has: who asks for more wants to do harm. */
const MAX_PARTITIONS = 100_000

/** Partitions by topic. */
export type RecordedTopics = { readonly [topic: string]: { readonly partitions: number } }

/** A record as a line has it. */
interface LineJson extends ContentJson {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
}

/** A record as it is read from a line: bytes that are text are still text. */
export interface ParsedLine extends Omit<LineJson, 'key' | 'value' | 'headers'> {
  readonly key: string | Uint8Array | null
  readonly value: string | Uint8Array | null
  readonly headers: Headers
}

/** The first line: what this is, and the topics with their partitions. */
export const headerLine = (topics: RecordedTopics): string =>
  JSON.stringify({ tidemark: 'recording', version: VERSION, topics })

/** A record's line, without its end. */
export function recordLine(record: RecordedRecord): string {
  const { topic, partition, offset, timestamp } = record
  const line: LineJson = { topic, partition, offset, timestamp, ...contentJson(record) }
  return JSON.stringify(line)
}

/** @throws TidemarkError `BAD_RECORDING` */
export function readHeader(line: string): RecordedTopics {
  const header = parse(line, 1) as { tidemark?: unknown; version?: unknown; topics?: unknown } | null
  if (typeof header !== 'object' || header?.tidemark !== 'recording')
    throw badLine(1, `a recording begins with {"tidemark":"recording",…}; this is ${show(line)}`)
  if (header.version !== VERSION)
    throw badLine(
      1,
      `the recording has version ${show(header.version)}, and this release reads version ${VERSION}; use the release that wrote it, or record anew`,
    )
  const { topics } = header
  checkTopics(topics)
  return topics
}

/** @throws TidemarkError `BAD_RECORDING` */
export function checkTopics(topics: unknown): asserts topics is RecordedTopics {
  if (typeof topics !== 'object' || topics === null) throw badLine(1, 'topics must say { topic: { partitions } }')
  let count = 0
  for (const [topic, about] of Object.entries(
    topics as { readonly [topic: string]: { partitions?: unknown } | null },
  )) {
    const partitions = about?.partitions
    if (!Number.isInteger(partitions) || (partitions as number) < 1)
      throw badLine(1, `topic ${topic} must have a whole number of partitions of at least 1; got ${show(partitions)}`)
    count += partitions as number
  }
  if (count > MAX_PARTITIONS)
    throw badLine(1, `a recording has at most ${MAX_PARTITIONS} partitions over all topics; this has ${count}`)
}

/** @throws TidemarkError `BAD_RECORDING` */
export function readLine(line: string, number: number): ParsedLine {
  const given = parse(line, number) as LineJson
  if (typeof given !== 'object' || given === null) throw badLine(number, `a line is a record; this is ${show(line)}`)
  const { topic, partition, offset, timestamp, headers } = given
  checkPlace(given, number)
  const key = bytesOf(given.key, 'key', number)
  const value = bytesOf(given.value, 'value', number)
  return {
    topic,
    partition,
    offset,
    timestamp,
    key,
    value,
    headers: headers === undefined ? NO_HEADERS : headersOf(headers, number),
  }
}

/** @throws TidemarkError `BAD_RECORDING` */
export function checkPlace(
  { topic, partition, offset, timestamp }: Pick<RecordedRecord, 'topic' | 'partition' | 'offset' | 'timestamp'>,
  number: number,
): void {
  if (typeof topic !== 'string') throw badLine(number, `topic must be text; got ${show(topic)}`)
  if (!Number.isInteger(partition) || partition < 0)
    throw badLine(number, `partition must be a whole number; got ${show(partition)}`)
  if (!Number.isInteger(offset) || offset < 0)
    throw badLine(number, `offset must be a whole number; got ${show(offset)}`)
  if (!isTimestamp(timestamp)) throw badLine(number, `timestamp must be ms since the epoch; got ${show(timestamp)}`)
}

function headersOf(headers: unknown, number: number): Headers {
  if (!Array.isArray(headers)) throw badLine(number, `headers must be [[name, value], …]; got ${show(headers)}`)
  return headers.map((header) => {
    if (!Array.isArray(header) || header.length !== 2 || typeof header[0] !== 'string')
      throw badLine(number, `a header must be [name, value]; got ${show(header)}`)
    const value = bytesOf(header[1], 'header', number)
    return [header[0], typeof value === 'string' ? utf8.encode(value) : value]
  })
}

function bytesOf(given: unknown, what: string, number: number): string | Uint8Array | null {
  if (given === null) return null
  if (typeof given === 'string' && given.isWellFormed()) return given
  const encoded = typeof given === 'object' ? (given as { base64?: unknown }).base64 : undefined
  try {
    if (typeof encoded === 'string') return base64.decode(encoded)
  } catch {
    // Told below.
  }
  throw badLine(number, `${what} must be text, {"base64":"…"} or null; got ${show(given)}`)
}

function parse(line: string, number: number): unknown {
  try {
    return JSON.parse(line)
  } catch {
    throw badLine(number, `not JSON: ${show(line)}`)
  }
}

export function badLine(number: number, what: string): TidemarkError {
  return new TidemarkError('BAD_RECORDING', `line ${number}: ${what}`)
}

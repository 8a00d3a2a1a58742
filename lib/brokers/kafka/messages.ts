import type { Message } from 'kafkajs'
import type { OutRecord } from '../../ports/broker.js'
import { partitionKey } from '../../ports/partitionKey.js'
import { TidemarkError } from '../../record/errors.js'
import type { Headers } from '../../record/record.js'
import { errorType, tidemarkError } from './errors.js'

// kafkajs needs time in the square of a partition's records in one send.
const MAX_RECORDS = 1_000
// Below the broker's limit of 1 MiB, which counts what is around the records too.
const MAX_BYTES = 900_000
const RECORD_BYTES = 40
// Of all partitions: brokers take 100 MiB in one request, and kafkajs copies it some times.
const MAX_SEND_BYTES = 16 << 20

export interface TopicMessages {
  topic: string
  messages: Message[]
}

/** Cuts records into sends of a size that kafkajs and the broker can take, in order. */
export function* sends(records: readonly OutRecord[]): Iterable<TopicMessages[]> {
  let sizes = new Map<string, { count: number; bytes: number }>()
  let topics = new Map<string, Message[]>()
  let total = 0
  for (const record of records) {
    const key = partitionKey(record)
    const bytes = bytesOf(record)
    let size = sizes.get(key)
    const isFull = size && (size.count >= MAX_RECORDS || size.bytes + bytes > MAX_BYTES)
    if (isFull || (total > 0 && total + bytes > MAX_SEND_BYTES)) {
      yield listOf(topics)
      sizes = new Map()
      topics = new Map()
      size = undefined
      total = 0
    }
    total += bytes
    sizes.set(key, { count: (size?.count ?? 0) + 1, bytes: (size?.bytes ?? 0) + bytes })
    const messages = topics.get(record.topic)
    if (messages) messages.push(messageOf(record))
    else topics.set(record.topic, [messageOf(record)])
  }
  if (topics.size > 0) yield listOf(topics)
}

const TOO_LARGE = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])

/** The error of a send, with the topic if there was but one; where a record was too large, it says which. */
export function sendError(broker: string, what: string, error: unknown, topics: readonly TopicMessages[]): unknown {
  const [only, ...others] = topics
  if (errorType(error) === 'TOPIC_AUTHORIZATION_FAILED' && only !== undefined && others.length === 0)
    return tidemarkError(broker, what, error, { topic: only.topic })
  if (!TOO_LARGE.has(errorType(error))) return error
  let largest = { topic: '', partition: 0, bytes: -1 }
  for (const { topic, messages } of topics) {
    for (const { partition = 0, key, value } of messages) {
      const bytes = (key?.length ?? 0) + (value?.length ?? 0)
      if (bytes > largest.bytes) largest = { topic, partition, bytes }
    }
  }
  const { topic, partition, bytes } = largest
  return new TidemarkError(
    'RECORD_TOO_LARGE',
    `${broker}: ${what} failed: a broker took no batch in which the largest record has ${bytes} bytes; raise max.message.bytes of the topic (to 1 MiB at least, since smaller records go out together), or write smaller records`,
    { topic, partition },
    { cause: error },
  )
}

const listOf = (topics: Map<string, Message[]>) => Array.from(topics, ([topic, messages]) => ({ topic, messages }))

function bytesOf({ key, value, headers }: OutRecord): number {
  let bytes = RECORD_BYTES + (key?.length ?? 0) + (value?.length ?? 0)
  for (const [name, content] of headers) bytes += 10 + 3 * name.length + (content?.length ?? 0)
  return bytes
}

function messageOf({ partition, key, value, timestamp, headers }: OutRecord): Message {
  // kafkajs takes the number 0 for no timestamp, but not its text; and Kafka's timestamps are whole.
  const time = String(Math.floor(timestamp))
  const message: Message = { partition, key: bufferOf(key), value: bufferOf(value), timestamp: time }
  if (headers.length > 0)
    message.headers = { headers: headerList(headers) } as unknown as NonNullable<Message['headers']>
  return message
}

/**
 * kafkajs takes headers as an object, which loses the order of names, and fails on null. It asks an array for its
 * entries by `map`, once for each attempt to send, so an array of which `map` gives the entries as they are keeps both.
 */
function headerList(headers: Headers): unknown[] {
  return Object.assign([], {
    map: () => headers.map(([name, value]) => (value ? { key: name, value: bufferOf(value) } : new NullHeader(name))),
  })
}

/** kafkajs measures a header's value before it looks whether it is null; the measure is then not used. */
class NullHeader {
  private isMeasured = false

  constructor(readonly key: string) {}

  get value(): string | null {
    if (this.isMeasured) return null
    this.isMeasured = true
    return ''
  }
}

/** kafkajs writes any other kind of bytes as text. */
function bufferOf(bytes: Uint8Array): Buffer
function bufferOf(bytes: Uint8Array | null): Buffer | null
function bufferOf(bytes: Uint8Array | null): Buffer | null {
  return bytes === null || Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

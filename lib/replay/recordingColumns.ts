import type { TopicPartition } from '../ports/broker.js'
import { type Headers, NO_HEADERS } from '../record/record.js'
import type { RecordedRecord } from './recordedRecord.js'
import { indexIn, type Recording, type RecordingPlace } from './recording.js'
import { badLine, type ParsedLine, type RecordedTopics } from './recordingLine.js'

const CHUNK_BYTES = 1 << 22
const NULL = -1
const encoder = new TextEncoder()

/** Numbers, one per record, in a typed array that grows. */
class Column<A extends Float64Array | Int32Array | Uint32Array> {
  constructor(
    private values: A,
    private readonly larger: (length: number) => A,
  ) {}

  set(index: number, value: number): void {
    if (index === this.values.length) {
      const next = this.larger(2 * index)
      next.set(this.values)
      this.values = next
    }
    this.values[index] = value
  }

  get(index: number): number {
    return this.values[index] as number
  }
}

const doubles = () => new Column(new Float64Array(1_024), (length) => new Float64Array(length))
const int32s = () => new Column(new Int32Array(1_024), (length) => new Int32Array(length))

/** A {@link Recording} that is being filled line by line. */
export class RecordingColumns implements Recording {
  readonly topics: ReadonlyMap<string, number>
  size = 0
  from: number | undefined
  to: number | undefined
  isTruncated = false
  private readonly partitions: TopicPartition[] = []
  /** Where a topic's partitions begin among all. */
  private readonly bases = new Map<string, number>()
  /** Of each partition's last record. */
  private readonly lastOffsets: number[] = []
  private readonly lanes = int32s()
  private readonly offsets = doubles()
  private readonly timestamps = doubles()
  /** Where key and value stand, one behind the other: in which chunk, from where on, and how long. */
  private readonly chunkOf = int32s()
  private readonly starts = int32s()
  private readonly keys = int32s()
  private readonly values = int32s()
  private readonly headers = new Map<number, Headers>()
  private readonly chunks: Uint8Array[] = []
  private used = CHUNK_BYTES

  constructor(topics: RecordedTopics) {
    this.topics = new Map(Object.entries(topics).map(([topic, { partitions }]) => [topic, partitions]))
    for (const [topic, count] of this.topics) {
      this.bases.set(topic, this.partitions.length)
      for (let partition = 0; partition < count; partition++) this.partitions.push({ topic, partition })
    }
  }

  /** @throws TidemarkError `BAD_RECORDING` */
  add({ topic, partition, offset, timestamp, key, value, headers }: ParsedLine, line: number): void {
    const base = this.bases.get(topic)
    if (base === undefined || partition >= (this.topics.get(topic) as number))
      throw badLine(line, `the first line names no partition ${partition} of topic ${topic}`)
    const lane = base + partition
    const before = this.lastOffsets[lane]
    if (before !== undefined && offset <= before)
      throw badLine(line, `offsets of a partition rise; after ${before} came ${offset} of ${topic}[${partition}]`)
    this.lastOffsets[lane] = offset
    const { size } = this
    this.lanes.set(size, lane)
    this.offsets.set(size, offset)
    this.timestamps.set(size, timestamp)
    const room = roomOf(key) + roomOf(value)
    if (this.used + room > (this.chunks.at(-1)?.length ?? 0)) {
      this.chunks.push(new Uint8Array(Math.max(CHUNK_BYTES, room)))
      this.used = 0
    }
    this.chunkOf.set(size, this.chunks.length - 1)
    this.starts.set(size, this.used)
    this.keys.set(size, this.write(key))
    this.values.set(size, this.write(value))
    if (headers.length > 0) this.headers.set(size, headers)
    if (this.from === undefined || timestamp < this.from) this.from = timestamp
    if (this.to === undefined || timestamp > this.to) this.to = timestamp
    this.size++
  }

  private write(content: string | Uint8Array | null): number {
    if (content === null) return NULL
    const chunk = this.chunks.at(-1) as Uint8Array
    let length = content.length
    if (typeof content === 'string') length = encoder.encodeInto(content, chunk.subarray(this.used)).written
    else chunk.set(content, this.used)
    this.used += length
    return length
  }

  record(index: number): RecordedRecord {
    if (!(index >= 0 && index < this.size)) throw new RangeError(`no record ${index} among ${this.size}`)
    const { topic, partition } = this.partitions[this.lanes.get(index)] as TopicPartition
    const chunk = this.chunks[this.chunkOf.get(index)] as Uint8Array
    const start = this.starts.get(index)
    const keyLength = this.keys.get(index)
    const valueLength = this.values.get(index)
    const middle = start + Math.max(0, keyLength)
    return {
      topic,
      partition,
      key: keyLength === NULL ? null : chunk.subarray(start, middle),
      value: valueLength === NULL ? null : chunk.subarray(middle, middle + valueLength),
      timestamp: this.timestamps.get(index),
      offset: this.offsets.get(index),
      headers: this.headers.get(index) ?? NO_HEADERS,
    }
  }

  timestamp(index: number): number {
    return this.timestamps.get(index)
  }

  indexOf(place: RecordingPlace): number {
    return indexIn(this, place)
  }
}

/** No text has more bytes in UTF-8. */
const roomOf = (content: string | Uint8Array | null) =>
  content === null ? 0 : typeof content === 'string' ? content.length * 3 : content.length

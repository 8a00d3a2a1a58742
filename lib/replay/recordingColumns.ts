import { show, TidemarkError } from '../record/errors.js'
import { type Headers, NO_HEADERS } from '../record/record.js'
import type { RecordedRecord } from './recordedRecord.js'
import type { Recording, RecordingPlace } from './recording.js'
import { RecordingLanes } from './recordingLanes.js'
import type { ParsedLine, RecordedTopics } from './recordingLine.js'

const CHUNK_BYTES = 1 << 22
/** Larger records have a chunk of their own: they would leave the end of a shared one empty. */
const MAX_SHARED_BYTES = CHUNK_BYTES / 8
/** Longer text is encoded before it is known how much room it takes. */
const MAX_GUESSED_CHARS = 1 << 12
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
  private readonly partitions: RecordingLanes
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
  /** Which one is being filled, and how far it is. */
  private open = -1
  private used = 0

  constructor(topics: RecordedTopics) {
    this.partitions = new RecordingLanes(topics)
    this.topics = this.partitions.topics
  }

  /** @throws TidemarkError `BAD_RECORDING` */
  add(parsed: ParsedLine, line: number): void {
    const { timestamp, key, value, headers } = parsed
    const { size } = this
    this.lanes.set(size, this.partitions.take(parsed, line))
    this.offsets.set(size, parsed.offset)
    this.timestamps.set(size, timestamp)
    this.place(placeable(key), placeable(value))
    if (headers.length > 0) this.headers.set(size, headers)
    if (this.from === undefined || timestamp < this.from) this.from = timestamp
    if (this.to === undefined || timestamp > this.to) this.to = timestamp
    this.size++
  }

  private place(key: string | Uint8Array | null, value: string | Uint8Array | null): void {
    const { size, chunks } = this
    const room = roomOf(key) + roomOf(value)
    const isAlone = room > MAX_SHARED_BYTES
    if (isAlone) chunks.push(new Uint8Array(room))
    else if (this.open < 0 || this.used + room > CHUNK_BYTES) {
      this.open = chunks.push(new Uint8Array(CHUNK_BYTES)) - 1
      this.used = 0
    }
    const place = isAlone ? chunks.length - 1 : this.open
    const start = isAlone ? 0 : this.used
    const rest = (chunks[place] as Uint8Array).subarray(start)
    const keyLength = write(key, rest)
    const valueLength = write(value, rest.subarray(Math.max(0, keyLength)))
    if (!isAlone) this.used += Math.max(0, keyLength) + Math.max(0, valueLength)
    this.chunkOf.set(size, place)
    this.starts.set(size, start)
    this.keys.set(size, keyLength)
    this.values.set(size, valueLength)
  }

  record(index: number): RecordedRecord {
    if (!(index >= 0 && index < this.size)) throw new RangeError(`no record ${index} among ${this.size}`)
    const { topic, partition } = this.partitions.at(this.lanes.get(index))
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
    const { size, timestamps, lanes, offsets } = this
    if ('index' in place) {
      if (Number.isInteger(place.index) && place.index >= 0 && place.index <= size) return place.index
      throw new TidemarkError('BAD_OPTION', `index must be a whole number from 0 to ${size}; got ${show(place.index)}`)
    }
    if ('time' in place) {
      if (Number.isNaN(place.time)) throw new TidemarkError('BAD_OPTION', 'time must be ms since the epoch; got NaN')
      return first(size, (index) => timestamps.get(index) >= place.time)
    }
    const { topic, partition, offset } = place
    const lane = this.partitions.find(topic, partition)
    if (lane !== undefined) return first(size, (index) => lanes.get(index) === lane && offsets.get(index) >= offset)
    throw new TidemarkError('BAD_OPTION', `the recording has no partition ${partition} of topic ${topic}`, {
      topic,
      partition,
    })
  }
}

function first(size: number, isIt: (index: number) => boolean): number {
  for (let index = 0; index < size; index++) if (isIt(index)) return index
  return size
}

/** @returns how many bytes it has */
function write(content: string | Uint8Array | null, to: Uint8Array): number {
  if (content === null) return NULL
  if (typeof content === 'string') return encoder.encodeInto(content, to).written
  to.set(content)
  return content.length
}

const placeable = (content: string | Uint8Array | null) =>
  typeof content === 'string' && content.length > MAX_GUESSED_CHARS ? encoder.encode(content) : content

/** No text has more bytes in UTF-8 than three for each of its characters. */
const roomOf = (content: string | Uint8Array | null) =>
  content === null ? 0 : typeof content === 'string' ? content.length * 3 : content.length

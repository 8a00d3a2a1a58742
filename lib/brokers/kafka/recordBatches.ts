import kafkajs from 'kafkajs'
import type { RawRecord } from '../../ports/broker.js'
import { TidemarkError } from '../../record/errors.js'
import { type Header, type Headers, NO_HEADERS } from '../../record/record.js'

/** A transaction whose records must not be seen: those of this producer, from this offset to its marker. */
export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
}

export interface DecodedRecords {
  readonly records: RawRecord[]
  /** After the last batch that was there as a whole, or `from` if there was none. */
  readonly nextOffset: number
}

const HEAD_BYTES = 61
const LENGTH_AT = 8
const MAGIC_AT = 16
const ATTRIBUTES_AT = 21
const LAST_DELTA_AT = 23
const BASE_TIMESTAMP_AT = 27
const MAX_TIMESTAMP_AT = 35
const PRODUCER_ID_AT = 43
const COUNT_AT = 57

const CODEC = 0x07
const LOG_APPEND_TIME = 0x08
const IS_TRANSACTIONAL = 0x10
const IS_CONTROL = 0x20

/**
 * Decodes record batches (format v2, as every broker since 0.11 writes them) where they lie: keys and values are views of the
 * buffer. Aborted transactions and control batches are left out, but count for `nextOffset`, as do batches that compaction has emptied.
 *
 * kafkajs's own decoder takes several times as long, loses the order of headers and never gets past an emptied batch.
 */
export async function decodeRecordBatches(
  bytes: Buffer,
  from: number,
  aborted: readonly AbortedTransaction[],
): Promise<DecodedRecords> {
  const records: RawRecord[] = []
  let nextOffset = from
  const hidden = new HiddenProducers(aborted)
  for (let at = 0; at + HEAD_BYTES <= bytes.length; ) {
    const end = at + LENGTH_AT + 4 + bytes.readInt32BE(at + LENGTH_AT)
    // The fetch ended in the middle of this batch.
    if (end > bytes.length) break
    if (end < at + HEAD_BYTES) throw corrupt()
    if (bytes[at + MAGIC_AT] !== 2) {
      throw new TidemarkError(
        'BAD_STATE',
        `record format v${bytes[at + MAGIC_AT]}: written by a Kafka older than 0.11; rewrite the topic`,
      )
    }
    const baseOffset = int64(bytes, at)
    const attributes = bytes.readInt16BE(at + ATTRIBUTES_AT)
    const lastOffset = baseOffset + bytes.readInt32BE(at + LAST_DELTA_AT)
    const body = bytes.subarray(at + HEAD_BYTES, end)
    const count = bytes.readInt32BE(at + COUNT_AT)
    const producerId = bytes.readBigInt64BE(at + PRODUCER_ID_AT)
    hidden.reach(lastOffset)
    if (attributes & IS_CONTROL) {
      if (count > 0) hidden.marker(producerId, body)
    } else if (lastOffset >= from && !(attributes & IS_TRANSACTIONAL && hidden.has(producerId))) {
      const codec = attributes & CODEC
      const unpacked = codec === 0 ? body : await decompress(codec, body)
      if (count > unpacked.length) throw corrupt()
      const reader = new RecordReader(unpacked)
      const appendTime = attributes & LOG_APPEND_TIME ? int64(bytes, at + MAX_TIMESTAMP_AT) : undefined
      const baseTimestamp = int64(bytes, at + BASE_TIMESTAMP_AT)
      for (let i = 0; i < count; i++) {
        const record = reader.next(baseOffset, baseTimestamp, appendTime)
        if (record.offset >= from) records.push(record)
      }
    }
    nextOffset = Math.max(nextOffset, lastOffset + 1)
    at = end
  }
  return { records, nextOffset }
}

/** The producers whose transaction, at the batch reached, will turn out to be aborted. */
class HiddenProducers {
  private readonly coming: AbortedTransaction[]
  private readonly now = new Set<bigint>()

  constructor(aborted: readonly AbortedTransaction[]) {
    this.coming = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset)
  }

  reach(lastOffset: number): void {
    while (this.coming.length > 0 && (this.coming[0] as AbortedTransaction).firstOffset <= lastOffset) {
      this.now.add((this.coming.shift() as AbortedTransaction).producerId)
    }
  }

  /** A control record's key is version and type; type 0 is the end of an aborted transaction. */
  marker(producerId: bigint, body: Buffer): void {
    const { key } = new RecordReader(body).next(0, 0, undefined)
    if (key && key.length >= 4 && key[2] === 0 && key[3] === 0) this.now.delete(producerId)
  }

  has(producerId: bigint): boolean {
    return this.now.has(producerId)
  }
}

/** Reads the records of one batch, one after the other. */
class RecordReader {
  private at = 0

  constructor(private readonly bytes: Buffer) {}

  next(baseOffset: number, baseTimestamp: number, appendTime: number | undefined): RawRecord {
    const length = this.varint()
    const end = this.at + length
    // A byte of attributes, which has no meaning yet.
    this.at++
    const timestamp = baseTimestamp + this.varlong()
    const offset = baseOffset + this.varint()
    const key = this.blob()
    const value = this.blob()
    const headers = this.headers()
    if (this.at > end || end > this.bytes.length) throw corrupt()
    this.at = end
    return { key, value, timestamp: appendTime ?? timestamp, offset, headers }
  }

  private headers(): Headers {
    const count = this.varint()
    if (count === 0) return NO_HEADERS
    if (count < 0 || count > this.bytes.length - this.at) throw corrupt()
    const headers: Header[] = []
    for (let i = 0; i < count; i++) {
      const length = this.varint()
      const name = this.bytes.toString('utf8', this.at, this.at + length)
      this.at += length
      headers.push([name, this.blob()])
    }
    return headers
  }

  private blob(): Buffer | null {
    const length = this.varint()
    if (length < 0) return null
    this.at += length
    return this.bytes.subarray(this.at - length, this.at)
  }

  /** Up to 32 bits, zigzag. */
  private varint(): number {
    const { bytes } = this
    let byte = bytes[this.at++] as number
    let raw = byte & 0x7f
    for (let shift = 7; byte & 0x80; shift += 7) {
      byte = bytes[this.at++] as number
      raw |= (byte & 0x7f) << shift
    }
    return (raw >>> 1) ^ -(raw & 1)
  }

  /** Up to 64 bits, zigzag; exact up to 2^53. */
  private varlong(): number {
    const { bytes } = this
    let byte = bytes[this.at++] as number
    let raw = byte & 0x7f
    for (let scale = 128; byte & 0x80; scale *= 128) {
      byte = bytes[this.at++] as number
      raw += (byte & 0x7f) * scale
    }
    return raw % 2 === 0 ? raw / 2 : -(raw + 1) / 2
  }
}

/** Lengths and counts that can't be: else a byte that has tipped over would be read past, or be read for ever. */
const corrupt = () =>
  new TidemarkError(
    'BAD_STATE',
    'a batch of records is corrupt; look at the log with kafka-dump-log, and go on behind it by committing an offset for the group',
  )

const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/** kafkajs holds the codecs: gzip is there, others can be registered with it. */
async function decompress(codec: number, body: Buffer): Promise<Buffer> {
  const makers = kafkajs.CompressionCodecs as unknown as Record<number, () => Codec>
  let found: Codec | undefined
  try {
    found = makers[codec]?.()
  } catch {
    // kafkajs's own way to say that it has none.
  }
  if (found) return found.decompress(body)
  const name = CODECS[codec] ?? `codec ${codec}`
  throw new TidemarkError(
    'BAD_OPTION',
    `records are compressed with ${name}, for which kafkajs has no codec; register one in its CompressionCodecs`,
  )
}

interface Codec {
  decompress(body: Buffer): Promise<Buffer>
}

export function int64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 4_294_967_296 + bytes.readUInt32BE(at + 4)
}

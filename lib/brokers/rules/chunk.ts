import type { RawRecord } from '../../ports/broker.js'
import { type Header, type Headers, NO_HEADERS } from '../../record/record.js'
import { utf8 } from '../../record/serde.js'

/** Consecutive records, as a store keeps them under the first one’s offset, and as a bridge sends them. */
export interface Chunk {
  readonly records: readonly RawRecord[]
  /** Where the log went on after them. */
  readonly nextOffset: number
}

const HEAD_BYTES = 12
const RECORD_BYTES = 26
const HEADER_BYTES = 8
const NULL = -1
/** The count of headers has 16 bits; this one says that 32 more follow, which have it. */
const MANY = 0xffff

/** Lengths are 32 bits, little-endian, -1 for null; offsets and timestamps are doubles, exact up to 2^53. */
export function encodeChunk({ records, nextOffset }: Chunk): Uint8Array {
  const names = records.map((record) => record.headers.map(([name]) => utf8.encode(name)))
  let size = HEAD_BYTES
  records.forEach((record, i) => {
    size += RECORD_BYTES + (record.key?.length ?? 0) + (record.value?.length ?? 0)
    if (record.headers.length >= MANY) size += 4
    record.headers.forEach(([, value], h) => {
      size += HEADER_BYTES + (names[i]?.[h]?.length ?? 0) + (value?.length ?? 0)
    })
  })

  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  let at = 0
  const int16 = (value: number) => {
    view.setUint16(at, value, true)
    at += 2
  }
  const double = (value: number) => {
    view.setFloat64(at, value, true)
    at += 8
  }
  const blob = (value: Uint8Array | null) => {
    view.setInt32(at, value === null ? NULL : value.length, true)
    at += 4
    if (value === null) return
    bytes.set(value, at)
    at += value.length
  }

  double(nextOffset)
  view.setUint32(at, records.length, true)
  at += 4
  records.forEach((record, i) => {
    double(record.offset)
    double(record.timestamp)
    blob(record.key)
    blob(record.value)
    int16(Math.min(record.headers.length, MANY))
    if (record.headers.length >= MANY) {
      view.setUint32(at, record.headers.length, true)
      at += 4
    }
    record.headers.forEach(([, value], h) => {
      blob(names[i]?.[h] ?? null)
      blob(value)
    })
  })
  return bytes
}

export function decodeChunk(bytes: Uint8Array): Chunk {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  const double = () => {
    at += 8
    return view.getFloat64(at - 8, true)
  }
  const blob = (): Uint8Array | null => {
    const length = view.getInt32(at, true)
    at += 4
    if (length === NULL) return null
    at += length
    return bytes.subarray(at - length, at)
  }
  const headers = (): Headers => {
    let count = view.getUint16(at, true)
    at += 2
    if (count === 0) return NO_HEADERS
    if (count === MANY) {
      count = view.getUint32(at, true)
      at += 4
    }
    return Array.from({ length: count }, (): Header => {
      const name = blob()
      return [name === null ? '' : utf8.decode(name), blob()]
    })
  }

  const nextOffset = double()
  const count = view.getUint32(at, true)
  at += 4
  const records: RawRecord[] = []
  for (let i = 0; i < count; i++) {
    const offset = double()
    const timestamp = double()
    const key = blob()
    const value = blob()
    records.push({ key, value, timestamp, offset, headers: headers() })
  }
  return { records, nextOffset }
}

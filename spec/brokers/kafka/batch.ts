import { gzipSync } from 'node:zlib'

export const GZIP = 1

export interface Shape {
  offset: number
  lastDelta?: number
  attributes?: number
  producer?: number
  timestamp?: number
  maxTimestamp?: number
  records?: {
    delta?: number
    timestampDelta?: number
    key?: Buffer | null
    value?: Buffer | null
    headers?: [string, Buffer | null][]
  }[]
}

/** A record batch as a broker has it, format v2, without a checksum. */
export function batch({
  offset,
  attributes = 0,
  producer = -1,
  timestamp = 0,
  maxTimestamp = 0,
  records = [],
  ...rest
}: Shape): Buffer {
  const body = Buffer.concat(records.map(encodeRecord))
  const packed = attributes & GZIP ? gzipSync(body) : body
  const head = Buffer.alloc(61)
  head.writeBigInt64BE(BigInt(offset), 0)
  head.writeInt32BE(61 - 12 + packed.length, 8)
  head[16] = 2
  head.writeInt16BE(attributes, 21)
  head.writeInt32BE(rest.lastDelta ?? records.length - 1, 23)
  head.writeBigInt64BE(BigInt(timestamp), 27)
  head.writeBigInt64BE(BigInt(maxTimestamp), 35)
  head.writeBigInt64BE(BigInt(producer), 43)
  head.writeInt32BE(records.length, 57)
  return Buffer.concat([head, packed])
}

function encodeRecord(record: NonNullable<Shape['records']>[number]): Buffer {
  const { delta = 0, timestampDelta = 0, key = null, value = null, headers = [] } = record
  const blob = (bytes: Buffer | null) => (bytes ? Buffer.concat([varint(bytes.length), bytes]) : varint(-1))
  const body = Buffer.concat([
    Buffer.from([0]),
    varint(timestampDelta),
    varint(delta),
    blob(key),
    blob(value),
    varint(headers.length),
    ...headers.flatMap(([name, content]) => [blob(Buffer.from(name)), blob(content)]),
  ])
  return Buffer.concat([varint(body.length), body])
}

function varint(value: number): Buffer {
  let raw = BigInt(value) >= 0n ? BigInt(value) * 2n : -BigInt(value) * 2n - 1n
  const bytes: number[] = []
  do {
    bytes.push(Number(raw & 0x7fn) | (raw > 0x7fn ? 0x80 : 0))
    raw >>= 7n
  } while (raw > 0n)
  return Buffer.from(bytes)
}

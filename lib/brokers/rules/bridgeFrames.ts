import { utf8 } from '../../record/serde.js'

/** A message, and the bytes that follow it. */
export interface Frame<M> {
  readonly message: M
  readonly body?: Uint8Array
}

const LENGTH_BYTES = 4

/** A message with bytes behind it, as one: its length (32 bits, little-endian), its JSON, the bytes. */
export function encodeFrame(message: object, body: Uint8Array): Uint8Array {
  const head = utf8.encode(JSON.stringify(message))
  const bytes = new Uint8Array(LENGTH_BYTES + head.length + body.length)
  new DataView(bytes.buffer).setUint32(0, head.length, true)
  bytes.set(head, LENGTH_BYTES)
  bytes.set(body, LENGTH_BYTES + head.length)
  return bytes
}

export function decodeFrame<M>(bytes: Uint8Array): Frame<M> {
  const bodyAt = LENGTH_BYTES + new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true)
  return {
    message: JSON.parse(utf8.decode(bytes.subarray(LENGTH_BYTES, bodyAt))) as M,
    body: bytes.subarray(bodyAt),
  }
}

import type { OutRecord, RawRecord } from '../ports/broker.js'

/** What the objects around a record's bytes take, as measured: most of what a small record costs. */
const AROUND = 300
const AROUND_HEADER = 100

/** About what a record takes in memory until it is handled, or written. */
export function recordBytes({ key, value, headers }: RawRecord | OutRecord): number {
  let bytes = AROUND + (key === null ? 0 : key.length) + (value === null ? 0 : value.length)
  for (const [name, content] of headers) bytes += AROUND_HEADER + name.length + (content === null ? 0 : content.length)
  return bytes
}

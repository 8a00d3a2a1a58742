import type { OutRecord } from '../../ports/broker.js'
import { show, TidemarkError } from '../../record/errors.js'
import type { Headers } from '../../record/record.js'

/**
 * Refuses records that plain JavaScript has left incomplete, before any of a send is written: who reads them couldn't tell what is wrong.
 *
 * @throws TidemarkError `BAD_OPTION` with topic and partition
 */
export function checkRecords(records: readonly OutRecord[]): void {
  for (const record of records) {
    const field = badField(record)
    if (field === undefined) continue
    const { topic, partition } = record
    throw new TidemarkError(
      'BAD_OPTION',
      `send: ${field} must be ${FIELDS[field]}; got ${show(record[field])}`,
      Number.isInteger(partition) ? { topic, partition } : { topic },
    )
  }
}

const FIELDS = {
  topic: 'a string',
  partition: 'a whole number, as partitionOf finds it',
  key: 'bytes, as a serde makes them, or null',
  value: 'bytes, as a serde makes them, or null',
  timestamp: 'a number of ms since the epoch',
  headers: 'a list of [name, bytes or null], which may be empty',
} as const

function badField({ topic, partition, key, value, timestamp, headers }: OutRecord): keyof typeof FIELDS | undefined {
  if (typeof topic !== 'string') return 'topic'
  if (!Number.isInteger(partition)) return 'partition'
  if (!isBytes(key)) return 'key'
  if (!isBytes(value)) return 'value'
  if (typeof timestamp !== 'number') return 'timestamp'
  return areHeaders(headers) ? undefined : 'headers'
}

/** Another realm's `Uint8Array` is one, too. */
const isBytes = (bytes: Uint8Array | null) => bytes === null || ArrayBuffer.isView(bytes)

const areHeaders = (headers: Headers) =>
  Array.isArray(headers) &&
  headers.every((header) => Array.isArray(header) && typeof header[0] === 'string' && isBytes(header[1]))

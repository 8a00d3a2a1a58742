import { TidemarkError } from '../record/errors.js'
import { operatorFailed } from '../record/operatorFailed.js'
import type { StreamRecord } from '../record/record.js'

/** The error of a function that was called because of a record, but not in that record's turn: it has that record's place. */
export function failedAt({ topic, partition, offset, key }: StreamRecord, cause: unknown): TidemarkError {
  const place = topic === '' ? { key } : { topic, partition, offset, key }
  if (cause instanceof TidemarkError) return cause.at(place)
  return operatorFailed(cause, place)
}

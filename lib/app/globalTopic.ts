import type { TidemarkError } from '../record/errors.js'
import type { GlobalRows } from '../tables/globalTable.js'
import type { DropReason, SourceRole } from '../task/definition.js'
import type { PartitionQueue } from './partitionQueue.js'
import { withFate } from './withFate.js'

/** A global table of an app, as its reader sees it. */
export interface GlobalTopic {
  readonly role: SourceRole
  readonly rows: GlobalRows<unknown>
}

/**
 * Takes the record at the head of a queue into a table.
 *
 * @param drop gets why it isn't taken, and for a bad record its error
 * @throws TidemarkError `DESERIALISE`, `BAD_TIMESTAMP`, where bad records aren't skipped
 */
export function takeRow(
  { role, rows }: GlobalTopic,
  queue: PartitionQueue,
  drop: (reason: DropReason, error?: TidemarkError) => void,
): void {
  try {
    const { key, value, timestamp } = queue.record(role)
    if (key === null) drop('null key')
    else rows.put(key, value, timestamp)
  } catch (error) {
    const policy = role.onError === 'skip' ? 'skip' : 'fail'
    const told = withFate(error as TidemarkError, 'deserialise', policy)
    if (policy === 'fail') throw told
    drop('bad record', told)
  }
}

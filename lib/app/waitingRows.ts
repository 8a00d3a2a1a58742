import { TidemarkError } from '../record/errors.js'
import type { AnyRecord, RowsRole } from '../task/definition.js'
import type { Node } from '../task/node.js'

/** Writes rows in a transaction. */
export type RowsWrite = (transaction: unknown) => Promise<void>

/** The records of a task that wait for the next checkpoint to write them, by the operator that does. */
export class WaitingRows {
  private waiting = new Map<Node, AnyRecord[]>()
  count = 0

  add(node: Node, record: AnyRecord): void {
    const records = this.waiting.get(node)
    if (records === undefined) this.waiting.set(node, [record])
    else records.push(record)
    this.count++
  }

  /** All that wait; what comes later waits for the checkpoint after. */
  take(): RowsWrite[] {
    const { waiting } = this
    this.waiting = new Map()
    this.count = 0
    return [...waiting].map(([node, records]) => async (transaction) => {
      try {
        await (node.definition.role as RowsRole).write(transaction, records)
      } catch (cause) {
        throw failedIn(node, records.length, cause)
      }
    })
  }
}

/** One write out of several, in their order; none if there is none. */
export function together(writes: readonly RowsWrite[]): RowsWrite | undefined {
  if (writes.length === 0) return undefined
  return async (transaction) => {
    for (const write of writes) await write(transaction)
  }
}

function failedIn({ operator, task }: Node, count: number, cause: unknown): TidemarkError {
  const place = { operator, partition: task.partition }
  if (cause instanceof TidemarkError) return cause.at(place)
  const reason = cause instanceof Error ? cause.message : String(cause)
  const message = `${reason} (in the checkpoint in which task ${task.id} writes ${count} records; nothing of it is kept)`
  return new TidemarkError('OPERATOR_FAILED', message, place, { cause })
}

import type { Aggregator } from '../aggregates/aggregator.js'
import type { Key } from '../record/key.js'
import type { StreamRecord } from '../record/record.js'
import type { Handlers, OperatorContext } from '../task/definition.js'
import type { Change } from './change.js'
import type { GroupChange } from './groupChange.js'
import { CellRow, type Row, type Rows } from './rows.js'

/** An aggregator that can take records back. */
export type Retractable<R> = Aggregator<R, unknown, unknown> & Required<Pick<Aggregator<R, unknown, unknown>, 'remove'>>

/** A row as a member of a group. */
interface Member {
  readonly key: Key
  readonly value: unknown
}

/** Keeps one aggregate per group: what leaves it is subtracted, what comes is added. */
export function aggregateGroups(
  context: OperatorContext<Change<Key, unknown>>,
  aggregator: Retractable<Member>,
): Handlers<StreamRecord<Key, GroupChange<unknown>>> {
  const state = context.cells<Key, unknown>()
  const resultOf = (acc: unknown) => (aggregator.result === undefined ? acc : aggregator.result(acc))
  const rows: Rows<unknown> = {
    get(key): Row<unknown> | undefined {
      const cell = state.cell(key)
      return cell === undefined ? undefined : { value: resultOf(cell.value), timestamp: cell.timestamp }
    },
    *entries() {
      for (const cell of state.all()) yield new CellRow(cell.key, undefined, cell, resultOf)
    },
  }
  context.publish(rows)

  const added = (acc: unknown, member: Member) => {
    if (acc !== null) return aggregator.add(acc, member)
    return aggregator.init === undefined ? member.value : aggregator.add(aggregator.init(), member)
  }

  return {
    record({ key, value: { old, new: fresh }, timestamp: at }) {
      context.accept(at)
      const cell = state.cell(key)
      const previous = cell === undefined ? null : resultOf(cell.value)
      const timestamp = cell === undefined ? at : Math.max(at, cell.timestamp)
      let acc = cell === undefined ? null : cell.value
      if (old !== undefined && acc !== null) acc = aggregator.remove(acc, { key, value: old })
      if (fresh !== undefined) acc = added(acc, { key, value: fresh })
      if (acc === null) state.delete(key)
      else state.put(key, acc, timestamp)
      const value = acc === null ? null : resultOf(acc)
      context.emit({ key, value, previous, timestamp, window: undefined, isLatest: true })
    },
  }
}

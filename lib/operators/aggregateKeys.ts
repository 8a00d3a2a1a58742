import type { Aggregator } from '../aggregates/aggregator.js'
import type { Key } from '../record/key.js'
import { NO_HEADERS, type StreamRecord } from '../record/record.js'
import { CellRow, type Rows } from '../tables/rows.js'
import type { Handlers, OperatorContext } from '../task/definition.js'
import type { Cell } from '../task/state.js'

/** Keeps one value per key, without windows. */
export function aggregateKeys<R extends StreamRecord<unknown, unknown>>(
  context: OperatorContext<StreamRecord>,
  aggregator: Aggregator<R, unknown, unknown>,
  changes: object,
): Handlers<R> {
  const state = context.cells<Key, unknown>()
  const resultOf = (cell: Cell<unknown>) =>
    aggregator.result === undefined ? cell.value : aggregator.result(cell.value)
  const hasChanges = () => context.hasOutput(changes)
  const rows: Rows<unknown> = {
    get(key) {
      const cell = state.cell(key)
      return cell === undefined ? undefined : { value: resultOf(cell), timestamp: cell.timestamp }
    },
    *entries() {
      for (const cell of state.all()) yield new CellRow(cell.key, undefined, cell, aggregator.result)
    },
  }
  context.publish(rows)
  return {
    record(record) {
      const key = record.key as Key | null
      if (key === null || record.value === null) {
        context.drop(record, key === null ? 'null key' : 'null value')
        return
      }
      context.accept(record.timestamp)
      let cell = state.cell(key)
      const previous = cell !== undefined && hasChanges() ? resultOf(cell) : null
      const { init } = aggregator
      const acc =
        cell !== undefined
          ? aggregator.add(cell.value, record)
          : init === undefined
            ? record.value
            : aggregator.add(init(), record)
      let value: unknown = null
      let { timestamp } = record
      if (acc === null) {
        if (cell !== undefined) {
          timestamp = Math.max(timestamp, cell.timestamp)
          state.remove(cell)
        }
      } else {
        if (cell === undefined) cell = state.insert(key, acc, timestamp)
        cell.value = acc
        if (cell.timestamp < timestamp) cell.timestamp = timestamp
        else timestamp = cell.timestamp
        state.touch(cell)
        value = resultOf(cell)
      }
      context.emit({
        key,
        value,
        timestamp,
        topic: record.topic,
        partition: record.partition,
        offset: record.offset,
        headers: NO_HEADERS,
      })
      if (hasChanges()) context.emitTo(changes, { key, value, previous, timestamp, window: undefined, isLatest: true })
    },
  }
}

import type { StreamRecord } from '../record/record.js'
import { type RecordJson, recordFromJson, recordToJson } from '../record/recordJson.js'
import type { OperatorContext } from '../task/definition.js'
import type { SeriesCell } from '../task/seriesState.js'

/**
 * Holds each record back until time is at least its timestamp and a grace; those that are due come out by timestamp, then key, then arrival. One that
 * is later than the grace is released at once.
 *
 * @returns takes a record
 */
export function graceBuffer<R extends StreamRecord<any, any>>(
  context: OperatorContext<never>,
  graceMs: number,
  release: (record: R) => void,
): (record: R) => void {
  const waiting = context.series<RecordJson>()
  context.fires({
    due: () => (waiting.first()?.at ?? Number.POSITIVE_INFINITY) + graceMs,
    fireNext() {
      const cell = waiting.first() as SeriesCell<RecordJson>
      waiting.remove(cell)
      release(recordFromJson(cell.value) as R)
    },
    waiting: (key) => waiting.of(key).map(({ at }) => ({ what: 'record', timestamp: at, until: at + graceMs })),
  })
  return (record) => {
    const { key, timestamp } = record
    if (timestamp < context.accept(timestamp) - graceMs) {
      release(record)
      return
    }
    waiting.insert(key, timestamp, recordToJson(record), 0)
    context.dueChanged()
  }
}

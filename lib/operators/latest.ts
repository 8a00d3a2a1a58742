import type { MonoTypeOperatorFunction } from 'rxjs'
import { type Duration, durationMs } from '../record/duration.js'
import type { Key } from '../record/key.js'
import type { StreamRecord } from '../record/record.js'
import { type RecordJson, recordFromJson, recordToJson } from '../record/recordJson.js'
import { operate } from '../task/operate.js'
import type { Cell } from '../task/state.js'

export interface LatestOptions {
  /** Length of an interval, in event time. */
  readonly every: Duration
  /** Names the state. A must where the app's store is durable. */
  readonly name?: string
}

/**
 * Lets one record per key and interval of event time pass: the newest.
 *
 * ```
 * latest({ every: '10ms' })     a column is 1 ms
 * in   -a-b---c--d-----a---e---|     a: ann 1   b: bob 2   c: ann 3   d: bob 4   e: ann 5
 * out  ----------(cb)------(ad)(e|)
 * ```
 *
 * The n-th interval is `[n·every, n·every + every)`. Of a key's records in it the one with the highest timestamp comes out, of equal ones the last to
 * arrive, after the record that brought time to the interval's end; those of several keys by interval, then key. All others are left out, and not counted: that is what it is
 * for. So the newest state of each key is never lost, only late by up to `every`, and a key without news is silent. A record whose interval is over is
 * dropped as `late`, a null key as `null key`; a null value is news like any other. On completion what waits comes out.
 * Keeps one record per key and open interval, over restarts too. What follows sees no time beyond the beginning of the interval in which time is.
 * RxJS's `auditTime`, by key and in event time; the result is that of a `tumblingWindow` with `aggregate(last(…))` on close, as plain records.
 *
 * @throws TidemarkError `BAD_DURATION`; at planning `UNNAMED_STATE`
 */
export function latest<R extends StreamRecord<any, any>>(options: LatestOptions): MonoTypeOperatorFunction<R> {
  const everyMs = durationMs(options.every, 'latest: every', 1)
  const startOf = (time: number) => Math.floor(time / everyMs) * everyMs
  return operate<R, R>(
    'latest',
    (context) => {
      /** By key, the newest record of each interval that isn't over. */
      const waiting = context.cells<Key, RecordJson[]>()
      const timers = context.timers((end, key) => {
        const cell = waiting.cell(key) as Cell<RecordJson[]>
        const newest = cell.value.find((other) => other.rest.timestamp < end && other.rest.timestamp >= end - everyMs)
        cell.value = cell.value.filter((other) => other !== newest)
        if (cell.value.length === 0) waiting.remove(cell)
        else waiting.touch(cell)
        context.emit(recordFromJson(newest as RecordJson) as R)
      })
      return {
        record(record) {
          const { timestamp } = record
          const key: Key | null = record.key
          if (key === null) {
            context.drop(record, 'null key')
            return
          }
          const start = startOf(timestamp)
          if (start + everyMs <= context.accept(timestamp)) {
            context.drop(record, 'late')
            return
          }
          const cell = waiting.cell(key) ?? waiting.insert(key, [], 0)
          const at = cell.value.findIndex((other) => startOf(other.rest.timestamp) === start)
          if (at < 0) {
            cell.value.push(recordToJson(record))
            timers.at(start + everyMs, key)
          } else {
            if (timestamp < (cell.value[at] as RecordJson).rest.timestamp) return
            cell.value[at] = recordToJson(record)
          }
          waiting.touch(cell)
        },
        holds: startOf,
      }
    },
    { ...(options.name !== undefined && { name: options.name }), usesTime: true },
  )
}

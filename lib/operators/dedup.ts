import type { MonoTypeOperatorFunction, Observable } from 'rxjs'
import { type Duration, durationMs } from '../record/duration.js'
import type { Key } from '../record/key.js'
import type { StreamRecord } from '../record/record.js'
import { operate } from '../task/operate.js'
import type { Cell } from '../task/state.js'

export interface DedupOptions<R> {
  /** How long a repeat is one, in event time, before the record that passed and after it. */
  readonly within: Duration
  /** What makes records equal, instead of their key. Compared within a partition: equal ones must have the same key to meet there. */
  readonly by?: (record: R) => Key | null | undefined
  /** A `sideOutput` for records that come too late to be compared. They are counted in any case. */
  readonly late?: Observable<unknown>
  /** Names the state. A must where the app's store is durable. */
  readonly name?: string
}

/**
 * Lets the first record of each key pass and drops its repeats.
 *
 * ```
 * dedup({ within: '10ms' })     a column is 1 ms
 * in   -a--a-b----ab---a--|
 * out  -a----b----a-------|
 * ```
 *
 * A record at t is a repeat, dropped and counted as `duplicate`, if one of its key (or of what `by` gives for it) at u has passed and `|t - u| < within`. So a key's
 * records that pass are at least `within` apart, also those that come out of order: one older than a record that has passed is a repeat of it, or
 * passes if it lies `within` or more before it. A record at `time - within` or before is dropped as `late` and goes to `options.late`, since
 * what it repeats may be forgotten. A null key, or null from `by`, is dropped and counted.
 * Keeps the timestamp of each record that has passed, until `t + 2·within <= time`, over restarts too. Records pass at once and unchanged; windows stay;
 * completion and errors pass on. Looking to both sides in event time is as in
 * Confluent's de-duplication example for Kafka Streams; a repeat doesn't prolong the span.
 *
 * @throws TidemarkError `BAD_DURATION`; `BAD_KEY` for what `by` gives, with the record's place; at planning `UNNAMED_STATE`
 */
export function dedup<R extends StreamRecord<any, any>>(options: DedupOptions<R>): MonoTypeOperatorFunction<R> {
  const { by, late } = options
  const withinMs = durationMs(options.within, 'dedup: within', 1)
  return operate<R, R>(
    'dedup',
    (context) => {
      /** By key, the timestamps that have passed. */
      const passed = context.cells<Key, number[]>()
      const timers = context.timers((due, key) => {
        const cell = passed.cell(key) as Cell<number[]>
        cell.value = cell.value.filter((timestamp) => timestamp !== due - 2 * withinMs)
        if (cell.value.length === 0) passed.remove(cell)
        else passed.touch(cell)
      })
      return {
        record(record) {
          const { timestamp } = record
          const key: Key | null | undefined = by === undefined ? record.key : by(record)
          if (key === null || key === undefined) {
            context.drop(record, 'null key')
            return
          }
          if (timestamp <= context.accept(timestamp) - withinMs) {
            context.drop(record, 'late')
            if (late !== undefined) context.emitTo(late, record)
            return
          }
          const cell = passed.cell(key) ?? passed.insert(key, [], 0)
          if (cell.value.some((other) => Math.abs(timestamp - other) < withinMs)) {
            context.drop(record, 'duplicate')
            return
          }
          cell.value.push(timestamp)
          passed.touch(cell)
          timers.at(timestamp + 2 * withinMs, key)
          context.emit(record)
        },
      }
    },
    {
      ...(options.name !== undefined && { name: options.name }),
      usesTime: true,
      sideOutputs: late === undefined ? [] : [late],
    },
  )
}

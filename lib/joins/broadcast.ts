import type { OperatorFunction } from 'rxjs'
import type { Key } from '../record/key.js'
import type { StreamRecord, WithValue } from '../record/record.js'
import { type GlobalTable, originOf, rowsFor } from '../tables/globalTable.js'
import { define } from '../task/operate.js'

/** All rules as they are now. */
export interface Rules<K extends Key, V> extends Iterable<readonly [K, V]> {
  readonly size: number
  get(key: K): V | undefined
}

/**
 * Shows each record of a stream all rules of a global table, and emits a record for each value that comes of it.
 *
 * ```
 * broadcast(rules, (r, rules) => [...rules].filter(([, limit]) => r.value > limit).map(([name]) => name))
 * rules   X-----Y--------|     X: low 1   Y: high 5
 * stream  --a------a---b-|     a: ann 7   b: bob 3
 * out     --x------(yz)w-|     x: ann low   y: ann low   z: ann high   w: bob low
 * ```
 *
 * Each task has all rules, whatever its partitions: the rules' topic is read as a whole by every instance (`app.globalTable`). A rule counts for the records
 * that are handled after it was read; where it must not miss any, its writer waits. Results have the record's key and timestamp, and come in the order of
 * `apply`. Null keys and null values are shown too. Keeps no state: the rows are the table's. Completes with the stream. What `apply`
 * throws fails the task with the record's place. Flink's broadcast state.
 *
 * @throws TidemarkError `OPERATOR_FAILED`; `NOT_PLANNED` for a table of another app
 */
export function broadcast<R extends StreamRecord<any, any>, K extends Key, V, Out>(
  rules: GlobalTable<K, V>,
  apply: (record: R, rules: Rules<K, V>) => Iterable<Out>,
): OperatorFunction<R, WithValue<R, Out>> {
  const origin = originOf(rules)
  return (source) =>
    define<R, WithValue<R, Out>>(
      'broadcast',
      origin.of === 'app' ? [source] : [source, origin.table.changes()],
      (context) => {
        const rows = rowsFor(rules, context)
        const all: Rules<K, V> = {
          get size() {
            return rows.size
          },
          get: (key) => rows.get(key)?.value,
          *[Symbol.iterator]() {
            for (const { key, value } of rows.entries()) yield [key as K, value]
          },
        }
        return {
          record(record, input) {
            if (input === 1) return
            for (const value of apply(record, all)) context.emit({ ...record, value } as WithValue<R, Out>)
          },
        }
      },
      { untimed: [1] },
    )
}

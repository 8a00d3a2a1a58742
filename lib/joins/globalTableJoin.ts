import type { OperatorFunction } from 'rxjs'
import type { Key } from '../record/key.js'
import type { StreamRecord, WithValue } from '../record/record.js'
import { type GlobalTable, originOf, rowsFor } from '../tables/globalTable.js'
import { define } from '../task/operate.js'
import { rowJoin } from './rowJoin.js'

export interface GlobalTableJoinOptions<Kind extends 'inner' | 'left' = 'inner' | 'left'> {
  /** `inner`: records without a row are left out. `left`: they meet null. Default `inner`. */
  readonly kind?: Kind
}

/**
 * Joins each record of a stream with the row that a global table has at that moment for a key taken from the record.
 *
 * ```
 * globalTableJoin(table, (r) => r.value, …)
 * table   X------Y-----|     X: gold 10   Y: gold 20
 * stream  --a--b----c--|     a: ann gold  b: bob lead  c: ann gold
 * inner   --x-------z--|     x: ann 10    z: ann 20
 * left    --x--y----z--|     y: bob null
 * ```
 *
 * Only stream records give output, with their own key and timestamp; nothing is repartitioned, and the numbers of partitions don't matter. A null value is
 * dropped, and a record for which `keyOf` gives null too unless the join is `left`, where it meets null; the record's own key may be null. Keeps no
 * state: the rows are the table's. They change as the table's topic is read, on their own and not by the stream's time: after a restart a record that
 * is handled again may meet a newer row. Completes with the stream. Kafka Streams' `join` and `leftJoin` of a KStream with a GlobalKTable.
 *
 * @throws TidemarkError `NOT_PLANNED` for a table of another app
 */
export function globalTableJoin<
  R extends StreamRecord<any, any>,
  K extends Key,
  V,
  Out,
  Kind extends 'inner' | 'left' = 'inner',
>(
  table: GlobalTable<K, V>,
  keyOf: (record: R) => K | null | undefined,
  joiner: (value: NonNullable<R['value']>, row: Kind extends 'left' ? V | null : V, record: R) => Out,
  options: GlobalTableJoinOptions<Kind> = {},
): OperatorFunction<R, WithValue<R, Out>> {
  const origin = originOf(table)
  const tableInput = origin.of === 'app' ? undefined : 0
  return (source) =>
    define<R, WithValue<R, Out>>(
      'globalTableJoin',
      // What fills the table comes first.
      origin.of === 'app' ? [source] : [origin.table.changes(), source],
      (context) => {
        const rows = rowsFor(table, context)
        const { takes, join } = rowJoin(context, options.kind === 'left', (key) => rows.get(key), joiner)
        return {
          record(record, input) {
            if (input === tableInput) return
            // keyOf isn't asked about values that are null.
            const key = record.value === null ? null : (keyOf(record) ?? null)
            if (takes(record, key)) join(record, key)
          },
        }
      },
      { untimed: tableInput === undefined ? [] : [tableInput] },
    )
}

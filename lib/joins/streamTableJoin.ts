import type { Observable, OperatorFunction } from 'rxjs'
import type { Key } from '../record/key.js'
import type { StreamRecord, WithValue } from '../record/record.js'
import type { Rows } from '../tables/rows.js'
import { type AnyTable, rowsDefinition, type Table } from '../tables/table.js'
import { define } from '../task/operate.js'

export interface StreamTableJoinOptions<Kind extends 'inner' | 'left' = 'inner' | 'left'> {
  /** `inner`: records without a row are left out. `left`: they meet null. Default `inner`. */
  readonly kind?: Kind
}

/**
 * Joins each record of a stream with the row that the table has for its key at that moment.
 *
 * ```
 * table   X------Y-----|     X: ann gold   Y: ann lead
 * stream  --a--b----c--|     a: ann 1      b: bob 2      c: ann 3
 * inner   --x-------z--|     x: 1 gold     z: 3 lead
 * left    --x--y----z--|     y: 2 null
 * ```
 *
 * Only stream records give output, with their own timestamp. Both sides must have the same number of partitions and key serde. Among a
 * task's inputs the record with the smallest timestamp comes first; where the table is caught up, nothing waits for it. A null value is
 * dropped, and a null key too unless the join is `left`, where it meets null. Keeps no state of its own: the rows are the table's. Completes
 * when stream and table have. Kafka Streams' `join` and `leftJoin` of a KStream with a KTable.
 *
 * @throws TidemarkError at planning `CO_PARTITION`
 */
export function streamTableJoin<R extends StreamRecord<any, any>, V, Out, Kind extends 'inner' | 'left' = 'inner'>(
  table: Table<Extract<R['key'], Key>, V>,
  joiner: (value: NonNullable<R['value']>, row: Kind extends 'left' ? V | null : V, record: R) => Out,
  options: StreamTableJoinOptions<Kind> = {},
): OperatorFunction<R, WithValue<R, Out>> {
  const isLeft = options.kind === 'left'
  return (source) =>
    define<R, WithValue<R, Out>>(
      'streamTableJoin',
      [source, table.changes() as Observable<unknown>],
      ({ published, emit, drop }) => {
        const rows = published<Rows<V>>(rowsDefinition(table as AnyTable))
        return {
          record(record, input) {
            if (input === 1) return
            const { key, value } = record
            if (value === null || (key === null && !isLeft)) {
              drop(record, value === null ? 'null value' : 'null key')
              return
            }
            const row = key === null ? null : (rows.get(key)?.value ?? null)
            if (row === null && !isLeft) return
            emit({ ...record, value: joiner(value, row as V, record) } as WithValue<R, Out>)
          },
        }
      },
      { untimed: [1], coPartitioned: true, needs: (input) => ({ rows: input === 1, previous: false }) },
    )
}

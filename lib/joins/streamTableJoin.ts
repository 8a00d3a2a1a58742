import type { Observable, OperatorFunction } from 'rxjs'
import { type Duration, durationMs } from '../record/duration.js'
import { TidemarkError } from '../record/errors.js'
import type { Key } from '../record/key.js'
import type { StreamRecord, WithValue } from '../record/record.js'
import type { Rows } from '../tables/rows.js'
import { type AnyTable, rowsDefinition, type Table } from '../tables/table.js'
import { define } from '../task/operate.js'
import { graceBuffer } from './graceBuffer.js'
import { rowJoin } from './rowJoin.js'

export interface StreamTableJoinOptions<Kind extends 'inner' | 'left' = 'inner' | 'left'> {
  /** `inner`: records without a row are left out. `left`: they meet null. Default `inner`. */
  readonly kind?: Kind
  /**
   * How long, in event time, a record waits for the versions of the row that are older than itself. Only with a versioned table (one that has a
   * `history`). Default: not at all.
   */
  readonly grace?: Duration
  /**
   * Holds the stream back until the table has what its topics held when the task began. Default false: then records that are older than the
   * table's come first, and meet no row.
   */
  readonly bootstrap?: boolean
  /** Names the state that `grace` needs. A must then where the app's store is durable. */
  readonly name?: string
}

/**
 * Joins each record of a stream with the row that the table has for its key at that moment.
 *
 * ```
 * table   X------Y-----|     X: ann gold   Y: ann lead
 * stream  --a--b----c--|     a: ann 1      b: bob 2      c: ann 3
 * inner   --x-------z--|     x: 1 gold     z: 3 lead
 * left    --x--y----z--|     y: 2 null
 *
 * streamTableJoin(table, …, { grace: 3 }), with a table that has a history     a column is 1 ms
 * table   X---Y@3-------|
 * stream  ---a-----c---c|
 * inner   ---------l---z(z|)     l: 1 lead: what the row was at 3
 * ```
 *
 * Only stream records give output, with their own timestamp. A versioned table gives the row as it was at the record's timestamp. Both sides must have
 * the same number of partitions and key serde. Among a task's inputs the record with the smallest timestamp comes first; where the table is caught up,
 * nothing waits for it. A null value is dropped, and a null key too unless the join is `left`, where it meets null.
 *
 * With `grace` (and a versioned table) a record at t waits until time is at least `t + grace`, so that late versions of the row are there, and
 * those that are due come out by timestamp, then key; one with `t <= time - grace` is joined at once, and so is one without a key. Time is the watermark, or
 * the newest timestamp of what has waited. The records that wait are state, freed as they come out; without `grace` there is none, as the
 * rows are the table's.
 *
 * With `bootstrap`, whenever a task begins, no other topic of it is read until those that the table is made of have been read up to where they ended then.
 * Where an exchange (keyBy, a grouped table) stands before the table that is the internal topic, without what the tasks before it had yet to write.
 * Outside an app it does nothing.
 *
 * Completes when stream and table have, after what waits has come out. Kafka Streams' `join` and `leftJoin` of a KStream with a KTable, and
 * `Joined.withGracePeriod`.
 *
 * @throws TidemarkError `BAD_DURATION`; at planning `CO_PARTITION`, `BAD_OPTION` for `grace` with a table that isn't versioned and for `bootstrap` where
 *   both sides come from one topic, `UNNAMED_STATE`
 */
export function streamTableJoin<R extends StreamRecord<any, any>, V, Out, Kind extends 'inner' | 'left' = 'inner'>(
  table: Table<Extract<R['key'], Key>, V>,
  joiner: (value: NonNullable<R['value']>, row: Kind extends 'left' ? V | null : V, record: R) => Out,
  options: StreamTableJoinOptions<Kind> = {},
): OperatorFunction<R, WithValue<R, Out>> {
  const graceMs = options.grace === undefined ? undefined : durationMs(options.grace, 'streamTableJoin: grace')
  return (source) =>
    define<R, WithValue<R, Out>>(
      'streamTableJoin',
      [source, table.changes() as Observable<unknown>],
      (context) => {
        const rows = context.published<Rows<V>>(rowsDefinition(table as AnyTable))
        const rowOf = (key: Key, { timestamp }: R) => (rows.at === undefined ? rows.get(key) : rows.at(key, timestamp))
        const { takes, join } = rowJoin(context, options.kind === 'left', rowOf, joiner)
        if (graceMs !== undefined && rows.at === undefined) throw unversioned(context.operator)
        const wait = graceMs === undefined ? undefined : graceBuffer<R>(context, graceMs, (r) => join(r, r.key))
        return {
          record(record, input) {
            if (input === 1) return
            const { key } = record
            if (!takes(record, key)) return
            if (wait === undefined || key === null) join(record, key)
            else wait(record)
          },
          ...(graceMs !== undefined && { holds: (time) => time - graceMs }),
        }
      },
      {
        ...(options.name !== undefined && { name: options.name }),
        untimed: [1],
        coPartitioned: true,
        usesTime: graceMs !== undefined,
        bootstraps: options.bootstrap === true ? [1] : [],
        needs: (input) => ({ rows: input === 1, previous: false }),
      },
    )
}

const unversioned = (operator: string) =>
  new TidemarkError(
    'BAD_OPTION',
    'streamTableJoin: grace waits for older versions of a row, and this table keeps only the last; give the table a history, or leave grace out',
    { operator },
  )

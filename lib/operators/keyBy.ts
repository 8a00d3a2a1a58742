import type { Observable, OperatorFunction } from 'rxjs'
import { checkSerde } from '../record/checkSerde.js'
import type { Key } from '../record/key.js'
import type { StreamRecord } from '../record/record.js'
import { json, type Serde } from '../record/serde.js'
import { exchange } from '../task/exchange.js'

export interface KeyByOptions<K, V, Null extends 'drop' | 'keep' = 'drop' | 'keep'> {
  /** Names the internal topic: `<app>-<name>-repartition`. Without it, the next named operator does. */
  readonly name?: string
  /** Of the internal topic; default: that of the table it is joined with, else JSON. */
  readonly key?: Serde<K>
  /** Default JSON, which refuses what it would not give back. */
  readonly value?: Serde<V>
  /** Of the internal topic; default: that of what it is joined with, else as many as its input has. */
  readonly partitions?: number
  /** What becomes of records that have no key: `drop` (default) counts them, `keep` passes them on, as a left join wants them. */
  readonly nullKeys?: Null
}

/**
 * Gives records another key, and brings all records of a key together in one task.
 *
 * ```
 * in                        a--b--c--|     a: 1 {user: ann}     b: 2 {user: bob}     c: 3 {user: ann}
 * keyBy(r => r.value.user)  x--y--z--|     x: ann {user: ann}   y: bob {user: bob}   z: ann {user: ann}
 * ```
 *
 * In an app this is an exchange: records pass through an internal topic, and what follows belongs to other tasks, one per partition of
 * it. Their time is the lowest over the writing tasks, which travels with the records, so a shuffle makes no record late. Outside an
 * app it only sets the key. A null key is dropped and counted. Keeps no state; timestamps stay. Kafka Streams' `selectKey` + `repartition`.
 *
 * @throws TidemarkError `BAD_OPTION`; at planning `LOST_WINDOW` after a window; `NOT_SERIALISABLE` for what the serde can't write, `BAD_TIMESTAMP`, with the record's place
 */
export function keyBy<R extends StreamRecord<any, any>, K extends Key, Null extends 'drop' | 'keep' = 'drop'>(
  keyOf: (record: R) => K | null | undefined,
  options: KeyByOptions<K, R['value'], Null> = {},
): OperatorFunction<R, StreamRecord<Null extends 'keep' ? K | null : K, R['value']>> {
  const keepsNull = options.nullKeys === 'keep'
  const { key, value = json() } = options
  checkSerde(key ?? json(), 'keyBy: key')
  checkSerde(value, 'keyBy: value')
  return (source) =>
    exchange<R, R['value']>(
      'keyBy',
      source,
      ({ drop }, send) =>
        (record) => {
          const key = keyOf(record) ?? null
          if (key === null && !keepsNull) drop(record, 'null key')
          else send({ ...record, key })
        },
      { ...options, value },
    ) as Observable<StreamRecord<Null extends 'keep' ? K | null : K, R['value']>>
}

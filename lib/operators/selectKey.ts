import type { OperatorFunction } from 'rxjs'
import { type Key, keyIdentity } from '../record/key.js'
import type { StreamRecord, WithKey } from '../record/record.js'
import { operate } from '../task/operate.js'

export interface SelectKeyOptions {
  /**
   * Claims that records of one new key already lie in one partition, as where the old key is a part of the new one. State by key may then
   * follow. Nothing can check it.
   */
  readonly partitioned?: true
}

/** The key that comes out for what the function returns. */
type Selected<K> = Exclude<K, undefined> | (undefined extends K ? null : never)

/**
 * Gives records another key and leaves them where they are.
 *
 * ```
 * in                            a--b--c--|     a: 1 {user: ann}     b: 2 {user: null}    c: 3 {user: ann}
 * selectKey(r => r.value.user)  x--y--z--|     x: ann {user: ann}   y: null {user: null}   z: ann {user: ann}
 * ```
 *
 * Nothing is repartitioned: records of one new key may lie in several partitions. That does no harm before `toTopic`, which writes by the new
 * key, or to what looks at single records. What keeps state by key behind it (aggregates, tables, `dedup`, `batch`, `process`) and joins by key are
 * refused in an app, up to the next `keyBy`, unless `partitioned: true`. Both sides of a join must then be re-keyed from the same old key. A
 * plain `map` that changes keys does the same harm, and nobody sees it.
 * Keeps no state; timestamps and windows stay; null keys pass on; completion and errors too. Kafka Streams' `selectKey`, which repartitions
 * before an aggregation by itself; ours is told, by `keyBy`.
 *
 * ```ts
 * // A user's orders lie in one partition, and so do those of one user and product.
 * const products = orders.pipe(
 *   selectKey((order) => [order.key, order.value.product], { partitioned: true }),
 *   aggregate(count(), { name: 'per-user-and-product' }),
 * )
 * ```
 *
 * @throws TidemarkError `BAD_KEY` with the record's place; at planning `KEY_CHANGED`
 */
export function selectKey<R extends StreamRecord<any, any>, K extends Key | null | undefined>(
  keyOf: (record: R) => K,
  options: SelectKeyOptions = {},
): OperatorFunction<R, WithKey<R, Selected<K>>> {
  return operate<R, WithKey<R, Selected<K>>>(
    'selectKey',
    ({ emit }) => ({
      record(record) {
        const key = keyOf(record) ?? null
        // Throws for what is no key.
        if (key !== null) keyIdentity(key)
        emit({ ...record, key } as WithKey<R, Selected<K>>)
      },
    }),
    { changesKey: options.partitioned === true ? 'together' : 'apart' },
  )
}

import type { OperatorFunction } from 'rxjs'
import type { StreamRecord, WithValue } from '../record/record.js'
import { operate } from '../task/operate.js'

/**
 * Gives each record another value; key, timestamp and window stay, so nothing is repartitioned.
 *
 * ```
 * in                      a--b--|     a: ann 1    b: bob 2
 * mapValues(v => v * 10)  x--y--|     x: ann 10   y: bob 20
 * ```
 *
 * Keeps no state. What `map` throws fails the task with `OPERATOR_FAILED`; completion and errors pass on. Kafka Streams' `mapValues`.
 */
export function mapValues<R extends StreamRecord<unknown, unknown>, V>(
  map: (value: R['value'], record: R) => V,
): OperatorFunction<R, WithValue<R, V>> {
  return operate<R, WithValue<R, V>>('mapValues', ({ emit }) => ({
    record(record) {
      emit({ ...record, value: map(record.value, record) } as WithValue<R, V>)
    },
  }))
}

import type { MonoTypeOperatorFunction } from 'rxjs'
import type { StreamRecord } from '../record/record.js'
import { operate } from '../task/operate.js'

/**
 * Looks at each record and passes it on as it is.
 *
 * ```
 * in          a--b--|
 * peek(look)  a--b--|     look(a), look(b)
 * ```
 *
 * Called once per task and record, however many branches follow, before they get it; again after a crash for what is handled again. What `look` returns isn't
 * waited for. Keeps no state; what it throws fails the task with `OPERATOR_FAILED`; completion and errors pass on. Kafka Streams' `peek`.
 */
export function peek<R extends StreamRecord<unknown, unknown>>(look: (record: R) => void): MonoTypeOperatorFunction<R> {
  return operate<R, R>('peek', ({ emit }) => ({
    record(record) {
      look(record)
      emit(record)
    },
  }))
}

import type { Observable, OperatorFunction } from 'rxjs'
import { process, type StreamRecord } from 'tidemark'

/**
 * Sets late records aside. Right behind a source each partition's watermark is its own, so how fast other partitions are read decides about
 * no result.
 */
export function onTime<R extends StreamRecord<any, any>>(
  late: Observable<StreamRecord<any, any>>,
  name = 'on-time',
): OperatorFunction<R, R> {
  return process<R, R>(
    ({ emit, emitTo, drop, time }) => ({
      record(record) {
        if (record.timestamp >= time()) return emit(record)
        drop(record, 'late')
        emitTo<StreamRecord<any, any>>(late, record)
      },
    }),
    { name, sideOutputs: [late] },
  )
}

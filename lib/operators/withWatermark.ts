import type { OperatorFunction } from 'rxjs'
import { TidemarkError } from '../record/errors.js'
import type { StreamRecord } from '../record/record.js'
import { declare } from '../task/operate.js'
import { sameWatermark, type WatermarkOptions, watermarkOf } from '../task/watermark.js'

/**
 * Declares how far time is when a record has come; time then follows the watermark instead of the newest record.
 *
 * ```
 * withWatermark({ maxOutOfOrderness: '5ms' })     a column is 1 ms
 * in         a@1--b@9--c@4--d@16--|
 * watermark  -4   4         11          a window that ends at 10 closes with d
 *
 * withWatermark({ punctuated: (r) => r.value.mark })     b: mark 9   c: mark 5   d: mark 20
 * in         a@1--b@9--c@4--d@16--|
 * watermark       9         20          a window [10, 20) takes d, and closes right after it
 * ```
 *
 * An app's sources measure it, per partition and before any filter (outside an app, where sources are plain Observables, the first of our
 * operators does): `watermark = highest timestamp - maxOutOfOrderness`, or the highest that a record has carried, or the greater of the two if both
 * are given; and the stream's is the minimum over its active partitions. Records with a timestamp at or above it are on time. `punctuated` gets what
 * the source reads, not what stands before this operator; null and undefined say nothing. With `idleTimeout`, a
 * partition with nothing to read for that long (lag is never idle) doesn't count; when all are quiet, time goes on
 * with the wall clock, so that windows close when traffic stops. With `alignment`, an app reads no partition further than `maxDrift` ahead of the slowest
 * of its group. On completion time goes to +Infinity. A bound costs nothing per record.
 *
 * The ideas are Flink's: bounded out-of-orderness, punctuated watermarks, alignment; the minimum over partitions as in the Dataflow model.
 *
 * @throws TidemarkError `BAD_DURATION`, `BAD_OPTION` if neither is given; `BAD_TIMESTAMP` for a punctuation that is no time; at planning
 *   `TWO_WATERMARKS` if two differ over one source, or after an operator that uses time
 */
export function withWatermark<R extends StreamRecord<unknown, unknown>>(
  options: WatermarkOptions,
): OperatorFunction<R, R> {
  const watermark = watermarkOf(options, 'withWatermark')
  return declare<R>('withWatermark', (path) => {
    if (path.watermark !== undefined && !sameWatermark(path.watermark, watermark)) {
      throw new TidemarkError(
        'TWO_WATERMARKS',
        'two different watermarks are declared over one stream; declare it once',
        { operator: 'withWatermark' },
      )
    }
    path.watermark = watermark
  })
}

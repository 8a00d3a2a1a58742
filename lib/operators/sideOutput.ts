import { NEVER, type Observable } from 'rxjs'
import { define } from '../task/operate.js'

/**
 * Makes an output besides an operator's main one: a cold stream that a pipeline can read, once per task.
 *
 * ```
 * an operator that sends odd numbers to the side output `odd`, and emits the others
 * in   a--b--a--|     a: 1   b: 2
 * out  ---b-----|
 * odd  a-----a--|
 * ```
 *
 * ```ts
 * const late = sideOutput<StreamRecord<string, Order>>('late')
 * const perMinute = orders.pipe(tumblingWindow('1m', { late }), aggregate(count(), { name: 'per-minute' }))
 * app.run('per-minute', perMinute.pipe(toTopic('per-minute', { value: json() })))
 * app.run('late', late.pipe(toTopic('late-orders', { value: json() })))
 * ```
 *
 * Its time is that of the operators that write to it. Keeps no state; completes with them. Outside an app it works together with them only:
 * `local(merge(perMinute, late))`.
 *
 * @throws TidemarkError `NOT_PLANNED` if nothing in the app, or in the pipeline that is subscribed, writes it; `LATE_BRANCH`
 */
export function sideOutput<R>(name: string): Observable<R> {
  return define<never, R>('sideOutput', [NEVER], () => ({ record() {} }), { name, role: { is: 'side' } })
}

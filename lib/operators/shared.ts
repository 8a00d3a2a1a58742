import type { MonoTypeOperatorFunction } from 'rxjs'
import { operate } from '../task/operate.js'

/**
 * Makes the plain operators before it run once per task, however many branches follow.
 *
 * ```
 * in        a--b--|
 * shared()  a--b--|     to each branch, in the plan's order
 * ```
 *
 * Use it where you would use RxJS's `share`, which would hold one subscription for all tasks and is refused. Keeps no state;
 * completion and errors pass on.
 */
export function shared<R>(): MonoTypeOperatorFunction<R> {
  return operate<R, R>('shared', ({ emit }) => ({ record: emit }))
}

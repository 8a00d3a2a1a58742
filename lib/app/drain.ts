import type { Broker } from '../ports/broker.js'
import type { Clock } from '../ports/clock.js'
import { TidemarkError } from '../record/errors.js'
import type { Plan } from './plan.js'
import { topicsReadBy, topicsWrittenBy } from './planTopics.js'
import { endsOf } from './savepoints.js'
import type { TaskScope } from './taskScope.js'

/** What a drain needs of the runtime. */
export interface DrainHost {
  readonly app: string
  readonly plan: Plan
  readonly broker: Broker
  readonly clock: Clock
  readonly tasks: readonly TaskScope[]
  /** Outputs that the broker has yet to acknowledge. */
  readonly unsentBytes: number
  /** Of all processes. */
  readonly taskCount: number
  stampExchanges(): void
  /** @throws TidemarkError if the app doesn't run any more */
  commit(): Promise<void>
  wake(): void
}

const PAUSE_MS = 5

/**
 * Waits until everything that there is to handle has been handled, through all exchanges.
 *
 * @throws TidemarkError `BAD_STATE` if that takes longer than `timeoutMs`, or not all tasks run in this process
 */
export async function drain(host: DrainHost, timeoutMs: number): Promise<void> {
  const until = host.clock.now() + timeoutMs
  const own = new Set(topicsWrittenBy(host.plan))
  const both = topicsReadBy(host.plan).filter((topic) => own.has(topic))
  for (let before = ''; ; ) {
    host.stampExchanges()
    await host.commit()
    const ends = await endsOf(host.broker, both)
    const after = JSON.stringify(ends)
    if (after === before && isAtRest(host, ends)) return
    before = after
    if (host.clock.now() >= until) {
      throw new TidemarkError(
        'BAD_STATE',
        `the app has not come to rest within ${timeoutMs} ms, or not all of its tasks run in this process`,
        { app: host.app },
      )
    }
    await new Promise<void>((resolve) => void host.clock.after(PAUSE_MS, resolve))
  }
}

/** Drains while no input is taken but from the app's own topics, and runs something before any is taken again. */
export async function drained<T>(host: DrainHost, timeoutMs: number, run: () => Promise<T>): Promise<T> {
  const own = new Set(topicsWrittenBy(host.plan))
  const inputs = host.tasks.flatMap(({ queues }) => queues.filter(({ topic }) => !own.has(topic)))
  for (const queue of inputs) queue.isHeld = true
  try {
    await drain(host, timeoutMs)
    return await run()
  } finally {
    for (const queue of inputs) queue.isHeld = false
    host.wake()
  }
}

/** @param ends of the topics that the app both writes and reads: what has been written last may not have been heard of */
function isAtRest(host: DrainHost, ends: { readonly [topic: string]: readonly number[] }): boolean {
  return (
    host.tasks.length === host.taskCount &&
    host.unsentBytes === 0 &&
    host.tasks.every(
      (task) =>
        task.isAtRest && task.queues.every((queue) => queue.position >= (ends[queue.topic]?.[queue.partition] ?? 0)),
    )
  )
}

import type { Tell } from './course.js'
import type { Node } from './node.js'
import { outsideOfTasks } from './readers.js'
import type { Scope } from './scope.js'
import { SentRecords } from './sentRecords.js'
import { TaskTrace } from './taskTrace.js'
import type { TraceEvent } from './traceEvent.js'

/** Follows what goes on in tasks. */
export interface Tracer {
  /** A task begins. @returns what is to be told of each node: before it is set up, and, by what that returns, afterwards */
  follow(scope: Scope): (node: Node) => () => void
}

/**
 * Tells of each record on its way through the operators of an app or a local pipeline, of each window, state and time, and what brought it about.
 *
 * ```ts
 * const app = createApp({ id: 'spend', broker: embedded(), store: memory(), trace: tracer(console.log) })
 * const counts = local(orders.pipe(tumblingWindow('1m'), aggregate(count())), { trace: tracer(console.log) })
 * ```
 *
 * `listener` is called in the midst of it, so it must be quick; what it throws is reported as uncaught, and the task goes on. One tracer may follow several tasks, one after the other too: the
 * ids of its events rise over all of them. What isn't traced costs nothing; what is runs at a fraction of its speed, as each state's value is copied when it changes.
 */
export function tracer(listener: (event: TraceEvent) => void): Tracer {
  let last = 0
  const tell: Tell = ({ task, node, operator }, cause, details) => {
    const id = ++last
    const event = { id, task, node, operator, cause, ...details } as TraceEvent
    outsideOfTasks(() => {
      try {
        listener(event)
      } catch (error) {
        // Who looks on changes nothing: told as an error that nobody has caught.
        queueMicrotask(() => {
          throw error
        })
      }
    })
    return id
  }
  const sent = new SentRecords()
  return {
    follow(scope) {
      const trace = new TaskTrace(tell, sent, scope)
      return (node) => trace.follow(node)
    },
  }
}

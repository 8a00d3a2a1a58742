import type { TopicPartition } from '../ports/broker.js'
import type { TaskScope } from './taskScope.js'

export const partitionText = ({ topic, partition }: TopicPartition) => `${topic}[${partition}]`

/** What a task that has something to read waits for, before it takes the next record; undefined if it waits for nothing. */
export function waitsFor(task: TaskScope, maxTaskIdleMs: number): string | undefined {
  if (task.queues.every((queue) => queue.size === 0 && queue.lag === 0)) return undefined
  const [blocking] = task.full
  if (blocking !== undefined)
    return `${blocking.operator} takes no more: ${blocking.handlers.underWay?.() ?? 0} of its calls are under way`
  if (task.delivery.againAt !== undefined)
    return `a record has gone wrong, and is tried again in ${Math.max(0, task.delivery.againAt - task.clock.now())} ms (retry)`
  const held = task.queues.find((queue) => queue.isHeld && queue.size > 0)
  if (held !== undefined && task.queues.every((queue) => queue.isHeld || queue.size === 0))
    return `${partitionText(held)} is held until what is under way has come out (shadow)`
  const { bootstraps } = task.choice
  const queues = bootstraps.length > 0 ? bootstraps : task.queues
  const missing = queues.find((queue) => queue.size === 0 && queue.lag > 0)
  if (missing !== undefined) {
    const why = bootstraps.length > 0 ? 'it is read first (bootstrap)' : 'one of them may come first'
    return `${partitionText(missing)} has ${missing.lag} records that haven't been fetched yet, and ${why}`
  }
  if (bootstraps.length > 0) return undefined
  const now = task.clock.now()
  for (const queue of queues) {
    if (queues.length === 1 || queue.size > 0 || queue.quietSince === undefined) continue
    const restMs = queue.quietSince + maxTaskIdleMs - now
    if (restMs > 0) return `${partitionText(queue)} is caught up, and has ${restMs} ms to say more (maxTaskIdle)`
  }
  const ready = queues.filter((queue) => queue.size > 0)
  const [ahead] = ready
  if (ahead?.aligned === undefined || !ready.every((queue) => queue.aligned?.isTooFar)) return undefined
  const slowest = ahead.aligned.group.slowest().map(({ queue }) => partitionText(queue))
  return `${partitionText(ahead)} is further than maxDrift ahead of ${slowest.join(', ')} (alignment)`
}

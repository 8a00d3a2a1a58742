import type { Position } from '../../ports/broker.js'
import { allOf } from '../partitions.js'
import type { Plan } from '../plan.js'
import { storedPlanOf } from '../storedPlan.js'
import { taskScope } from '../taskScopes.js'
import type { CopiedTask } from './checkpointCopy.js'

/**
 * Tasks of an app of which a copy knows nothing, as they have nothing: else what they had here before would be theirs again, from an old local copy, or from what had
 * been on its way.
 *
 * @param counts partitions by topic
 * @param positions where all topics go on
 */
export function forgottenTasks(
  plan: Plan,
  counts: ReadonlyMap<string, number>,
  tasks: readonly CopiedTask[],
  positions: readonly Position[],
): CopiedTask[] {
  const partitionsOf = allOf(plan, counts)
  return plan.subTopologies.flatMap((sub) => {
    const stored = storedPlanOf(plan, sub, (topic) => counts.get(topic) as number)
    const isKnown = (partition: number) =>
      tasks.some((task) => task.partition === partition && sub.sources.some(({ topic }) => topic in task.plan.topics))
    return partitionsOf(sub)
      .filter((partition) => !isKnown(partition))
      .map((partition): CopiedTask => {
        const own = positions.filter((at) => at.partition === partition && at.topic in stored.topics)
        const manifest = { version: 1, plan: '', positions: own, sources: {}, streamTimes: {}, times: {} } as const
        const scope = taskScope(plan.app, sub.title, partition)
        return { scope, title: sub.title, partition, manifest, plan: stored, entries: [] }
      })
  })
}

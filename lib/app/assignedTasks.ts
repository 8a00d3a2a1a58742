import type { TopicPartition } from '../ports/broker.js'
import type { Plan, SubTopology } from './plan.js'
import { taskId } from './taskId.js'

/** A task of this process, with the topics of which it has a partition. */
export interface AssignedTask {
  readonly sub: SubTopology
  readonly partition: number
  readonly topics: readonly string[]
}

/** The tasks that partitions belong to, by id. */
export function assignedTasks(plan: Plan, partitions: readonly TopicPartition[]): Map<string, AssignedTask> {
  const wanted = new Map<string, AssignedTask & { topics: string[] }>()
  for (const { topic, partition } of partitions) {
    for (const sub of plan.subTopologies) {
      if (!sub.sources.some((source) => source.topic === topic)) continue
      const id = taskId(sub.id, partition)
      const task = wanted.get(id)
      if (task === undefined) wanted.set(id, { sub, partition, topics: [topic] })
      else if (!task.topics.includes(topic)) task.topics.push(topic)
    }
  }
  return wanted
}

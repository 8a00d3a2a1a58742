import type { SubTopology } from './plan.js'

/** A task as people see it. */
export const taskId = (subTopology: number, partition: number) => `${subTopology}_${partition}`

/** A task as the readers of its exchanges know it: the same in every version of the plan that reads these topics. */
export const writerId = (sub: SubTopology, partition: number) => `${sub.title}/${partition}`

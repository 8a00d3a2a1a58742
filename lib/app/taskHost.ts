import type { Clock } from '../ports/clock.js'
import type { TidemarkError } from '../record/errors.js'
import type { ErrorPolicies } from '../task/errorPolicy.js'
import type { Tracer } from '../task/tracer.js'
import type { ValueBudget } from '../task/valueBudget.js'
import type { AlignmentGroup } from './alignment.js'
import type { Plan } from './plan.js'
import type { TaskScope } from './taskScope.js'

/** What a task needs of the runtime around it. */
export interface TaskHost {
  readonly clock: Clock
  readonly plan: Plan
  /** Partition count of a topic. */
  partitions(topic: string): number
  /** Number of tasks of a sub-topology. */
  tasksIn(subTopology: number): number
  /** There if values of states may leave memory. */
  readonly values: StoredValues | undefined
  /** Number of the running slice. */
  readonly slice: number
  /** All tasks stand still, those that begin now too. */
  readonly isStill: boolean
  /** How long a partition that is caught up is waited for, where others have records. */
  readonly maxTaskIdleMs: number
  /** The sources of this process that wait for each other under that name. */
  alignment(group: string): AlignmentGroup
  /** The task has something to do that comes from no partition. */
  wake(): void
  /** What becomes of records that go wrong where neither the operator nor the source says so. */
  readonly onError: ErrorPolicies | undefined
  /** Told of what goes on in tasks. */
  readonly trace: Tracer | undefined
  /** Something went wrong; `fatal`: the app ends by it. */
  error(error: TidemarkError, fatal: boolean): void
  /** The task has ended half-way through a record: it is to begin anew at its last checkpoint, by {@link TaskScope.takeOver}. */
  goBack(task: TaskScope): void
}

/** Values of states, as far as memory has room for them, and the store that has the others. */
export interface StoredValues {
  readonly budget: ValueBudget
  /** An entry of a local checkpoint. @throws TidemarkError `STORE_FAILED` */
  read(scope: string, key: string): Uint8Array
}

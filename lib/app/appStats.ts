import type { DropReason } from '../task/definition.js'
import type { GlobalTableStats } from './globalReader.js'
import type { RebalanceStats } from './rebalances.js'
import type { RestoreStats } from './restore.js'
import type { StandbyStats } from './standbys.js'
import type { TaskScope } from './taskScope.js'

export type AppState =
  | 'created'
  | 'starting'
  | 'standing by'
  | 'rebalancing'
  | 'running'
  | 'stopping'
  | 'stopped'
  | 'failed'

/** Figures of one task. */
export interface TaskStats {
  readonly task: string
  /** Records handled since it started: those that were handled again after going back to a checkpoint too, and what other tasks told of time. */
  readonly records: number
  /** Its watermark in ms, or stream time where none is declared; -Infinity before the first record. */
  readonly time: number
  /** Records that the log has and the task has not handled, as last heard of. */
  readonly lag: number
  /** Records that have been read ahead and wait in memory, and about what they take there. */
  readonly buffered: number
  readonly bufferedBytes: number
  readonly dropped: readonly { readonly operator: string; readonly reason: DropReason; readonly count: number }[]
  /** Why it takes no record although there are some; undefined if it does, or there are none. */
  readonly waitsFor: string | undefined
  /** While its state is brought back; it handles no record then. */
  readonly restore: RestoreStats | undefined
}

export interface AppStats {
  readonly state: AppState
  readonly tasks: readonly TaskStats[]
  readonly globalTables: readonly GlobalTableStats[]
  readonly checkpoints: number
  readonly rebalances: RebalanceStats
  /** Copies of the state of tasks that run elsewhere. */
  readonly standbys: readonly StandbyStats[]
}

export const taskStats = (task: TaskScope, waitsFor: string | undefined): TaskStats => ({
  task: task.info.id,
  records: task.handled,
  time: task.readers.watermark,
  lag: task.queues.reduce((lag, queue) => lag + queue.lag, 0),
  buffered: task.queues.reduce((size, queue) => size + queue.size, 0),
  bufferedBytes: task.queues.reduce((bytes, queue) => bytes + queue.bytes, 0),
  dropped: task.drops(),
  waitsFor,
  restore: undefined,
})

/** Of a task that has been assigned and doesn't run yet. */
export const restoringStats = (task: string, restore: RestoreStats): TaskStats => ({
  task,
  records: 0,
  time: Number.NEGATIVE_INFINITY,
  lag: 0,
  buffered: 0,
  bufferedBytes: 0,
  dropped: [],
  waitsFor: 'it is being restored',
  restore,
})

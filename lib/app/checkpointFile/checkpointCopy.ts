import type { OutRecord } from '../../ports/broker.js'
import type { StoredEntry } from '../../ports/store.js'
import type { StoredTask } from '../taskScopes.js'

/** A topic as a checkpoint file knows it. */
export interface CopiedTopic {
  readonly partitions: number
  /** Where to go on, by partition; null is the start of the log. Absent for one that is only written. */
  readonly positions?: readonly (number | null)[]
  /** It leads from one part of the app to another: what has come to it, and hasn't been handled, is among the records. */
  readonly exchange?: boolean
}

/** A task with the entries of its states. */
export interface CopiedTask extends StoredTask {
  readonly entries: readonly StoredEntry[]
}

/** An app's state as of one checkpoint, with all that is needed to go on from it on another broker and in another store. */
export interface CheckpointCopy {
  readonly app: string
  /** When it was taken: wall clock, ms since the epoch. */
  readonly at: number
  readonly topics: { readonly [topic: string]: CopiedTopic }
  readonly tasks: readonly CopiedTask[]
  /** What is on its way in exchanges, in the order of each partition. */
  readonly records: readonly OutRecord[]
}

import { type ContentJson, contentJson } from '../../record/bytesJson.js'
import type { Manifest } from '../checkpoint.js'
import type { StateShape } from '../stateShape.js'
import type { StoredPlan } from '../storedPlan.js'
import type { CheckpointCopy, CopiedTopic } from './checkpointCopy.js'
import { entryLine, type FormOf } from './entryLine.js'

/** The version that is written. A reader knows it and all before it. */
export const VERSION = 1

/** The first line. */
export interface HeaderLine {
  readonly tidemark: 'checkpoint'
  readonly version: number
  readonly app: string
  readonly at: number
  /** For people: the plans of the tasks say it. */
  readonly states: readonly string[]
  readonly topics: { readonly [topic: string]: CopiedTopic }
}

/** A task's, before those of its entries. `time`: how far its sources and operators are. */
export interface TaskLine {
  /** The topics that it reads, and its partition: `orders+users/3`. */
  readonly task: string
  readonly positions: Manifest['positions']
  readonly time: Pick<Manifest, 'sources' | 'streamTimes' | 'times'>
  readonly plan: StoredPlan
}

/** A record's that is on its way in an exchange. */
export interface RecordLine extends ContentJson {
  readonly topic: string
  readonly partition: number
  readonly timestamp: number
}

/** The last line: without it the file isn't whole. */
export interface EndLine {
  readonly end: { readonly tasks: number; readonly entries: number; readonly records: number }
}

/** The lines of a checkpoint file, without their ends. */
export function* checkpointLines({ app, at, topics, tasks, records }: CheckpointCopy): Generator<string, void, void> {
  const states = [...new Set(tasks.flatMap(({ plan }) => Object.keys(plan.states)))].sort()
  yield line<HeaderLine>({ tidemark: 'checkpoint', version: VERSION, app, at, states, topics })
  let count = 0
  for (const { title, partition, manifest, plan, entries } of tasks) {
    const task = `${title}/${partition}`
    const { positions, sources, streamTimes, times } = manifest
    yield line<TaskLine>({ task, positions, time: { sources, streamTimes, times }, plan })
    const formOf = formsOf(plan)
    for (const entry of entries) yield entryLine(task, entry, formOf)
    count += entries.length
  }
  for (const record of records) {
    const { topic, partition, timestamp } = record
    yield line<RecordLine>({ topic, partition, timestamp, ...contentJson(record) })
  }
  yield line<EndLine>({ end: { tasks: tasks.length, entries: count, records: records.length } })
}

const line = <T>(content: T): string => JSON.stringify(content)

/** How the states of a task are filed, those included that no operator has any more. */
export const formsOf =
  ({ states, orphans }: StoredPlan): FormOf =>
  (state): StateShape['form'] | undefined =>
    (states[state] ?? orphans[state])?.form

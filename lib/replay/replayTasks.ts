import { AlignmentGroup } from '../app/alignment.js'
import { assignedTasks } from '../app/assignedTasks.js'
import { Snapshot } from '../app/checkpoint.js'
import { PartitionQueue } from '../app/partitionQueue.js'
import { resolvePartitions, tasksOf } from '../app/partitions.js'
import type { Plan } from '../app/plan.js'
import type { RuntimeOptions } from '../app/runtimeOptions.js'
import { planEntry, storedPlanOf } from '../app/storedPlan.js'
import type { TaskHost } from '../app/taskHost.js'
import { writerId } from '../app/taskId.js'
import { TaskScope } from '../app/taskScope.js'
import type { OutRecord, RawRecord, TopicPartition } from '../ports/broker.js'
import type { StoreEntry } from '../ports/store.js'
import type { TidemarkError } from '../record/errors.js'
import type { ErrorPolicies } from '../task/errorPolicy.js'
import type { Node } from '../task/node.js'
import type { Tracer } from '../task/tracer.js'
import { type Frame, restoreFrame, saveFrame, type TaskEntries } from './frame.js'
import type { RecordedClock } from './recordedClock.js'
import type { RecordedRecord } from './recordedRecord.js'

const NEVER = () => false

/** Who reads a partition. */
interface Reading {
  readonly queue: PartitionQueue
  /** Place of the task among all. */
  readonly task: number
}

export interface ReplayTasksOptions {
  readonly app: RuntimeOptions
  readonly plan: Plan
  readonly clock: RecordedClock
  /** Partitions of the topics that there are. */
  readonly topics: ReadonlyMap<string, number>
  /** Topics whose records are recorded: what the pipeline writes to them isn't read again. */
  readonly recorded: ReadonlySet<string>
  report(error: TidemarkError): void
}

/**
 * The tasks of an app, fed one record at a time: each is handled to its end, through all exchanges, before the next one. What an app leaves to chance (which partition
 * is read first, when checkpoints let records of exchanges go on, when the clock strikes) is so a matter of the recording alone.
 */
export class ReplayTasks implements TaskHost {
  readonly plan: Plan
  readonly clock: RecordedClock
  readonly slice = 0
  readonly isStill = false
  /** All that a partition may have has been fed. */
  readonly maxTaskIdleMs = 0
  readonly onError: ErrorPolicies | undefined
  readonly trace: Tracer | undefined
  /** A recording's state is in memory as a whole. */
  readonly values = undefined
  all: readonly TaskScope[] = []
  failure: TidemarkError | undefined
  /** A task is to begin anew: it knows now what to do about a record. */
  isGoingBack = false
  /** What has been written to topics since it was last taken. */
  written: (OutRecord & { readonly offset: number })[] = []
  private readonly counts: ReadonlyMap<string, number>
  private readonly internal: ReadonlySet<string>
  /** By topic, then partition. */
  private readings = new Map<string, Reading[][]>()
  /** Offset of the next record that is written, by topic and partition. */
  private ends = new Map<string, number[]>()
  private isDue: boolean[] = []
  private isAnyDue = false
  private callers: readonly Node[] = []
  private called: (() => void) | undefined

  constructor(private readonly options: ReplayTasksOptions) {
    const { plan, clock, app, topics } = options
    this.plan = plan
    this.clock = clock
    this.onError = app.onError
    this.trace = app.trace
    this.counts = resolvePartitions(plan, topics, false).counts
    this.internal = new Set(plan.subTopologies.flatMap(({ exchanges }) => exchanges))
  }

  // ---- what tasks ask for

  partitions(topic: string): number {
    return this.counts.get(topic) as number
  }

  tasksIn(subTopology: number): number {
    return tasksOf(this.plan, subTopology, this.counts)
  }

  /** The order is the recording's: none waits for another. */
  alignment(group: string): AlignmentGroup {
    return new AlignmentGroup(group)
  }

  wake(): void {
    this.isAnyDue = true
    this.isDue.fill(true)
    this.called?.()
  }

  error(error: TidemarkError, fatal: boolean): void {
    if (fatal) this.failure ??= error
    else this.options.report(error)
  }

  goBack(): void {
    this.isGoingBack = true
  }

  // ---- opening and closing

  /**
   * Opens all tasks: at the beginning, or where others have been saved.
   *
   * @param learnt those that know what has to be known of bad records
   */
  open(at?: { readonly frame: Frame; readonly entries: TaskEntries }, learnt: readonly TaskScope[] = []): void {
    const { plan, clock } = this
    const before = new Map(learnt.map((task) => [task.info.writer, task]))
    this.close()
    this.failure = undefined
    this.isGoingBack = false
    this.written = []
    this.readings = new Map()
    this.ends = copyOf(at?.frame.ends ?? [])
    if (at !== undefined) clock.reset(at.frame.clock.time)
    const partitions = plan.subTopologies.flatMap(({ sources }) =>
      sources.flatMap(({ topic }) =>
        Array.from({ length: this.partitions(topic) }, (_, partition) => ({ topic, partition })),
      ),
    )
    const assigned = [...assignedTasks(plan, partitions)].sort(
      ([, a], [, b]) => a.sub.id - b.sub.id || a.partition - b.partition,
    )
    const all: TaskScope[] = []
    this.all = all
    for (const [id, { sub, partition, topics }] of assigned) {
      const writer = writerId(sub, partition)
      const snapshot = new Snapshot(id)
      snapshot.add(at?.entries.get(writer) ?? [])
      if (at === undefined) snapshot.note(planEntry(storedPlanOf(plan, sub, (topic) => this.partitions(topic))))
      const positions = new Map(snapshot.manifest?.positions.map(({ topic, offset }) => [topic, offset]))
      const task = new TaskScope(sub, partition, this, snapshot, topics, undefined)
      task.open()
      const known = before.get(writer)
      if (known !== undefined) task.takeOver(known, 'all')
      for (const topic of topics) {
        const offset = positions.get(topic) ?? 0
        const queue = new PartitionQueue(topic, partition, offset, offset)
        task.addQueue(queue)
        const lanes = this.readings.get(topic) ?? []
        this.readings.set(topic, lanes)
        lanes[partition] = [...(lanes[partition] ?? []), { queue, task: all.length }]
      }
      all.push(task)
    }
    this.isDue = all.map(() => true)
    this.isAnyDue = true
    if (at !== undefined) {
      restoreFrame(all, at.frame)
      clock.takeUp(at.frame.clock)
    }
    this.callers = all.flatMap((task) =>
      [...task.nodes.values()].filter(({ handlers }) => handlers.calling !== undefined),
    )
  }

  close(): void {
    for (const task of this.all) task.close()
    this.all = []
    this.called?.()
  }

  /** What has changed in states since it was last asked. */
  takeChanges(): ReadonlyMap<string, readonly StoreEntry[]> {
    return new Map(this.all.map((task) => [task.info.writer, task.takeCheckpoint()]))
  }

  /** All else that a later {@link open} needs to go on from here. */
  frame(): Frame {
    return saveFrame(this.all, this.clock.save(), copyOf(this.ends))
  }

  /** Whether nothing is left to do, now or by a call that is under way. */
  get isAtRest(): boolean {
    return this.all.every((task) => task.isAtRest)
  }

  /** What is being handled can't be handled to its end. */
  get isBrokenOff(): boolean {
    return this.failure !== undefined || this.isGoingBack
  }

  // ---- records

  /** Gives a record to those that read its partition. {@link settle} does the rest. */
  deliver(record: RecordedRecord): void {
    const readings = this.readings.get(record.topic)?.[record.partition]
    if (readings !== undefined) this.feed(readings, record, record)
  }

  private feed(readings: readonly Reading[], { topic, partition }: TopicPartition, record: RawRecord): void {
    const end = record.offset + 1
    for (const { queue, task } of readings) {
      queue.add({ topic, partition, records: [record], nextOffset: end, endOffset: end })
      this.isDue[task] = true
      this.isAnyDue = true
    }
  }

  /** Lets tasks do all that they can do without time passing, one after the other, through all exchanges. */
  settle(): void {
    while (this.isAnyDue || this.clock.isDue) {
      this.clock.runSoon()
      this.isAnyDue = false
      for (let n = 0; n < this.all.length; n++) {
        if (this.isDue[n] !== true) continue
        this.isDue[n] = false
        const task = this.all[n] as TaskScope
        task.step(NEVER)
        if (this.isBrokenOff) return
        if (task.output.records.length > 0) this.pass(task.output.take())
      }
    }
  }

  /** Tells the readers of exchanges how far time is. */
  stampExchanges(): void {
    for (const task of this.all) {
      task.stampExchanges()
      if (task.output.records.length > 0) this.pass(task.output.take())
    }
  }

  /** Lets time go on where partitions are idle: they have all that there is. */
  checkIdle(): void {
    const now = this.clock.now()
    for (const task of this.all) {
      const quiet = task.readers.quietTopics(now)
      if (quiet.length === 0) continue
      const ends = new Map(quiet.map((topic) => [topic, Array.from({ length: this.partitions(topic) }, () => 0)]))
      task.time.checkIdle(ends)
      this.wake()
    }
  }

  /** Whether calls of the user's are under way. */
  get isCalling(): boolean {
    return this.callers.some(({ handlers }) => (handlers.calling?.() ?? 0) > 0)
  }

  /** Whether it makes such calls at all. */
  get hasCalls(): boolean {
    return this.callers.length > 0
  }

  /** Resolves when one of them has ended, or the tasks have. */
  nextCall(): Promise<void> {
    return new Promise((resolve) => {
      this.called = resolve
    })
  }

  private pass(records: readonly OutRecord[]): void {
    for (const record of records) {
      const { topic, partition, key, value, timestamp, headers } = record
      const ends = this.ends.get(topic) ?? []
      this.ends.set(topic, ends)
      const offset = ends[partition] ?? 0
      ends[partition] = offset + 1
      const isInternal = this.internal.has(topic)
      const isRead = isInternal || !this.options.recorded.has(topic)
      const readings = isRead ? this.readings.get(topic)?.[partition] : undefined
      if (readings !== undefined) this.feed(readings, record, { key, value, timestamp, offset, headers })
      if (!isInternal) this.written.push({ ...record, offset })
    }
  }

  /** The lowest watermark of all tasks that have one; where none is declared, stream time. */
  get watermark(): number {
    let least = Number.POSITIVE_INFINITY
    for (const { readers } of this.all) {
      const { watermark } = readers
      if (watermark > Number.NEGATIVE_INFINITY) least = Math.min(least, watermark)
    }
    return least === Number.POSITIVE_INFINITY ? Number.NEGATIVE_INFINITY : least
  }
}

const copyOf = (ends: Iterable<readonly [topic: string, ends: readonly number[]]>) =>
  new Map([...ends].map(([topic, own]) => [topic, [...own]]))

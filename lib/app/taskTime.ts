import type { Key } from '../record/key.js'
import type { StreamRecord } from '../record/record.js'
import type { TimeStamp } from '../record/stamp.js'
import type { ExchangeRole, SourceRole } from '../task/definition.js'
import type { Node } from '../task/node.js'
import { idleWatermarks, SourceTime } from '../task/watermark.js'
import { AlignedPartition } from './alignment.js'
import type { SavedTime } from './checkpoint.js'
import type { PartitionQueue } from './partitionQueue.js'
import type { SubTopology } from './plan.js'
import type { TaskHost } from './taskHost.js'
import { writerId } from './taskId.js'
import type { Reader } from './taskReaders.js'
import type { TaskScope } from './taskScope.js'

/** The time of a task's sources: how it rises by records, by the stamps of exchanges, and where partitions are idle. */
export class TaskTime {
  constructor(
    private readonly task: TaskScope,
    private readonly host: TaskHost,
    /** The topics of which a partition belongs to the task. */
    private readonly topics: readonly string[],
  ) {}

  /** Gives a source its time, as the last checkpoint has it. */
  open(node: Node, saved: { readonly [source: string]: SavedTime } | undefined): void {
    const planned = this.task.sub.sources.find((source) => source.definition === node.definition)
    if (planned === undefined) return
    const role = node.definition.role as SourceRole | ExchangeRole
    const time = new SourceTime()
    time.declared = planned.watermark
    node.source = time
    const { clock } = this.host
    if (role.is === 'exchange') {
      time.carried = true
      // No time is known before all that write here have told theirs.
      const writing = this.host.plan.subTopologies[planned.writtenBy as number] as SubTopology
      time.isCapped = this.host.tasksIn(writing.id) > 1
      for (let p = 0; p < this.host.tasksIn(writing.id); p++) time.lane(writerId(writing, p), clock.now())
    }
    const resolved = role.is === 'exchange' ? { ...role, key: planned.keySerde } : role
    const reader: Reader = { node, role: resolved, planned, time, lane: undefined, partition: -1 }
    time.isAbsent = !this.topics.includes(planned.topic)
    this.task.readers.add(reader)
    this.task.readers.restore(reader, saved, clock.now())
  }

  /** Opens a partition's lane: one that never has a record holds back time too, until it is idle. */
  openLane(queue: PartitionQueue, timestampOf: (queue: PartitionQueue, role: Reader['role']) => number): void {
    for (const { time, role } of this.task.readers.of(queue.topic)) {
      if (role.is !== 'source') continue
      const lane = time.lane(String(queue.partition), this.host.clock.now())
      const { declared } = time
      // Where a topic is read by several streams, the first that declares one: else each could wait for the other.
      if (declared?.alignment === undefined || queue.aligned !== undefined) continue
      const group = this.host.alignment(declared.alignment.group)
      queue.aligned = new AlignedPartition(group, queue, lane, declared, () => timestampOf(queue, role))
    }
    this.task.version++
  }

  takeRecord(reader: Reader, { partition, timestamp }: StreamRecord<Key | null, unknown>): void {
    const { time } = reader
    const { sliceAt } = this.task
    if (reader.partition !== partition || reader.lane === undefined) {
      reader.lane = time.lane(String(partition), sliceAt)
      reader.partition = partition
    }
    reader.lane.activeAt = sliceAt
    this.task.measure(time, reader.lane, timestamp)
  }

  takeStamp(source: SourceTime, stamp: TimeStamp): void {
    const lane = source.lanes.get(stamp.task)
    if (lane === undefined) return
    lane.idle = stamp.idle
    // +Infinity would be for good: a record that follows it would be late, whatever its timestamp.
    if (stamp.time > lane.watermark && stamp.time < Number.POSITIVE_INFINITY) lane.watermark = stamp.time
    if (stamp.hasWatermark) {
      const least = source.least()
      if (least > source.watermark) this.task.raise(source, least)
    } else if (source.declared === undefined) this.task.cap(source, source.leastTold())
  }

  /**
   * Looks for idle partitions, and lets time go on by it.
   *
   * @param ends ends of the log just asked of the broker, by topic; a topic that isn't there counts as busy
   */
  checkIdle(ends: ReadonlyMap<string, readonly number[]>): void {
    const { task } = this
    if (task.failure !== undefined) return
    const topics = new Map(this.task.readers.all.map(({ time, planned }) => [time, planned.topic]))
    const isCaughtUp = (source: SourceTime, lane: string | number): boolean => {
      const topic = topics.get(source)
      const queue = task.queues.find((other) => other.topic === topic && String(other.partition) === String(lane))
      const end = topic === undefined ? undefined : ends.get(topic)?.[Number(lane)]
      return (
        queue !== undefined &&
        end !== undefined &&
        queue.size === 0 &&
        queue.position >= end &&
        !queue.isPaused &&
        !task.isBlocked
      )
    }
    task.dispatch(() => {
      const risen = idleWatermarks([...topics.keys()], task.clock.now(), isCaughtUp)
      for (const [source, watermark] of risen) task.raise(source, watermark)
    })
  }
}

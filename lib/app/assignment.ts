import {
  type Broker,
  type Consumer,
  type PartitionRange,
  type Position,
  placeOf,
  type TopicPartition,
} from '../ports/broker.js'
import { partitionKey } from '../ports/partitionKey.js'
import { TidemarkError } from '../record/errors.js'
import { adaptSnapshot } from './adaptSnapshot.js'
import { type AssignedTask, assignedTasks } from './assignedTasks.js'
import type { Committer, CommitterOptions } from './committer.js'
import { PartitionQueue } from './partitionQueue.js'
import type { Plan, SubTopology } from './plan.js'
import type { ReadThrough } from './readThrough.js'
import { Restore, RestoreCancelled, type Restored } from './restore.js'
import type { Standbys } from './standbys.js'
import { storedPlanOf } from './storedPlan.js'
import type { TaskHost } from './taskHost.js'
import { TaskScope } from './taskScope.js'
import type { Upgrade } from './upgrade.js'

/** What the tasks of this process need of the runtime around them. */
export interface AssignmentHost
  extends Pick<CommitterOptions, 'app' | 'broker' | 'store' | 'clock' | 'keeper' | 'slots'> {
  readonly readThrough: ReadThrough | undefined
  readonly plan: Plan
  readonly tasks: TaskHost
  readonly committer: Committer
  readonly upgrade: Upgrade
  readonly standbys: Standbys
  consumer(): Promise<Consumer>
  /** A task runs now. */
  opened(): void
  error(error: unknown): void
}

/** Tasks that are restored at a time: each holds its state twice while it is. */
const MAX_RESTORES = 4

/** Whether its checkpoint holds more than where it stands. */
export const isKept = ({ states, definitions }: SubTopology) =>
  states.size > 0 || definitions.some(({ role }) => role?.is === 'rows')

/**
 * The tasks that the group has given to this process. Those that come are restored while the others go on: their partitions are paused until
 * they run.
 */
export class Assignment {
  readonly tasks = new Map<string, TaskScope>()
  private readonly queues = new Map<string, { readonly queue: PartitionQueue; readonly task: TaskScope }>()
  /** Tasks that have been assigned and don't run yet. */
  readonly restores = new Map<string, { readonly assigned: AssignedTask; readonly restore: Restore }>()
  private readonly waiting: (() => void)[] = []
  private running = 0

  constructor(private readonly host: AssignmentHost) {}

  /** How many partitions are read. */
  get size(): number {
    return this.queues.size
  }

  queue(at: TopicPartition): PartitionQueue | undefined {
    return this.queues.get(partitionKey(at))?.queue
  }

  /** Whether a task is this process's. */
  has(id: string): boolean {
    return this.tasks.has(id) || this.restores.has(id)
  }

  /** Takes over slots, and begins to restore their tasks. */
  async add(partitions: readonly TopicPartition[]): Promise<void> {
    const { host } = this
    const wanted = assignedTasks(host.plan, partitions)
    const slots = new Set([...wanted.values()].map(({ partition }) => host.slots.of(partition)))
    const consumer = await host.consumer()
    consumer.pause(partitions)
    const begun = [...wanted].map(([id, assigned]) => ({ id, assigned, restore: this.begin(id, assigned) }))
    await Promise.all([...slots].map((slot) => host.slots.open(slot)))
    await host.upgrade.prepare(new Set([...wanted.values()].map(({ partition }) => partition)))
    const places = await placesOf(host.broker, host.app, partitions)
    for (const { id, assigned, restore } of begun) {
      this.watch(
        restore,
        this.inTurn(() => this.open(id, assigned, restore, places, consumer)),
      )
    }
  }

  private begin(task: string, assigned: AssignedTask): Restore {
    const { host } = this
    const restore = new Restore({
      app: host.app,
      task,
      sub: assigned.sub,
      partition: assigned.partition,
      broker: host.broker,
      store: host.store,
      clock: host.clock,
      hasChangelogs: host.keeper === 'changelogs',
      readThrough: host.readThrough,
    })
    this.restores.set(task, { assigned, restore })
    return restore
  }

  private watch(restore: Restore, opening: Promise<void>): void {
    opening.catch((error) => {
      if (!(error instanceof RestoreCancelled) && !restore.isCancelled) this.host.error(error)
    })
  }

  /**
   * A task that can't go on begins anew at its last checkpoint: what it has done since is forgotten, and done again.
   *
   * @param committed when that checkpoint is written, and can be read
   */
  goBack(task: TaskScope, committed: Promise<void>): void {
    const { sub, partition, queues, info } = task
    const assigned = { sub, partition, topics: queues.map(({ topic }) => topic) }
    this.forget(task)
    const restore = this.begin(info.id, assigned)
    this.watch(restore, this.reopen(task, assigned, restore, committed))
  }

  private async reopen(
    before: TaskScope,
    assigned: AssignedTask,
    restore: Restore,
    committed: Promise<void>,
  ): Promise<void> {
    const { broker, app, consumer: member, upgrade } = this.host
    try {
      await committed
    } finally {
      before.close()
    }
    await upgrade.prepare(new Set([assigned.partition]))
    const consumer = await member()
    if (restore.isCancelled) return
    const partitions = assigned.topics.map((topic) => ({ topic, partition: assigned.partition }))
    consumer.pause(partitions)
    const places = await placesOf(broker, app, partitions)
    await this.inTurn(() => this.open(before.info.id, assigned, restore, places, consumer, before))
  }

  /** The running tasks that have one of these partitions. */
  tasksOf(partitions: readonly TopicPartition[]): Set<TaskScope> {
    return new Set(partitions.flatMap((partition) => this.queues.get(partitionKey(partition))?.task ?? []))
  }

  /** Ends the tasks of these partitions, whether they run or are being restored. */
  async remove(partitions: readonly TopicPartition[]): Promise<void> {
    const gone = new Set(partitions.map(partitionKey))
    for (const [id, { assigned, restore }] of [...this.restores]) {
      if (!assigned.topics.some((topic) => gone.has(partitionKey({ topic, partition: assigned.partition })))) continue
      restore.isCancelled = true
      this.restores.delete(id)
    }
    const leaving = this.tasksOf(partitions)
    for (const task of leaving) this.close(task)
    await Promise.all([...leaving].map((task) => this.host.committer.abandon(task)))
    await this.host.slots.keep(
      new Set(
        [...this.tasks.values(), ...[...this.restores.values()].map(({ assigned }) => assigned)].map(({ partition }) =>
          this.host.slots.of(partition),
        ),
      ),
    )
  }

  /** Ends all of them at once. */
  clear(): void {
    for (const { restore } of this.restores.values()) restore.isCancelled = true
    this.restores.clear()
    for (const task of [...this.tasks.values()]) this.close(task)
  }

  private close(task: TaskScope): void {
    task.close()
    this.forget(task)
  }

  private forget(task: TaskScope): void {
    this.tasks.delete(task.info.id)
    for (const queue of task.queues) this.queues.delete(partitionKey(queue))
  }

  private async inTurn(run: () => Promise<void>): Promise<void> {
    while (this.running >= MAX_RESTORES) await new Promise<void>((resolve) => this.waiting.push(resolve))
    this.running++
    try {
      await run()
    } finally {
      this.running--
      this.waiting.shift()?.()
    }
  }

  private async open(
    id: string,
    assigned: AssignedTask,
    restore: Restore,
    places: Places,
    consumer: Consumer,
    before?: TaskScope,
  ): Promise<void> {
    if (restore.isCancelled) return
    await this.host.standbys.end(id)
    if (restore.isCancelled) return
    const restored = await restore.run()
    if (restore.isCancelled) return
    const known = isAhead(restored, places)
      ? await placesOf(
          this.host.broker,
          this.host.app,
          assigned.topics.map((topic) => ({ topic, partition: assigned.partition })),
        )
      : places
    if (restore.isCancelled) return
    const positions = this.start(id, assigned, restored, known, before)
    this.restores.delete(id)
    consumer.seek(positions)
    consumer.resume(positions)
    this.host.opened()
  }

  private start(
    id: string,
    { sub, partition, topics }: AssignedTask,
    restored: Restored,
    places: Places,
    before: TaskScope | undefined,
  ): Position[] {
    const { plan, tasks, committer, upgrade, broker } = this.host
    const { snapshot } = restored
    const states = upgrade.statesOf(id, sub, partition, snapshot)
    const next = storedPlanOf(plan, sub, (topic) => tasks.partitions(topic))
    adaptSnapshot(snapshot, sub, next, states, upgrade.options)
    const task = new TaskScope(sub, partition, tasks, snapshot, topics, restored.changelog)
    const saved = new Map(snapshot.manifest?.positions.map((position) => [partitionKey(position), position.offset]))
    const positions: Position[] = []
    const queues: PartitionQueue[] = []
    try {
      task.open()
      if (before !== undefined) task.takeOver(before)
      for (const topic of topics) {
        const key = partitionKey({ topic, partition })
        const range = places.ranges.get(key) ?? { start: 0, end: 0 }
        const committed = places.committed.get(key)
        // State, rows and offsets come from one checkpoint: the group's offset would be ahead of a state that isn't here. Without them, the group's
        // is the newer one: what a store here says may be from before the task went elsewhere and came back.
        const offset = (isKept(sub) ? saved.get(key) : (committed ?? saved.get(key))) ?? range.start
        if (offset < range.start || offset > range.end) throw offLog(id, broker, range, { topic, partition, offset })
        const queue = new PartitionQueue(topic, partition, offset, range.end)
        task.addQueue(queue)
        queues.push(queue)
        positions.push({ topic, partition, offset })
      }
    } catch (error) {
      task.close()
      throw error
    }
    for (const queue of queues) this.queues.set(partitionKey(queue), { queue, task })
    this.tasks.set(id, task)
    committer.adopt(task, restored)
    return positions
  }
}

function offLog(task: string, broker: Broker, { start, end }: PartitionRange, at: Position): TidemarkError {
  const anew = broker.durable
    ? 'the topic was made anew'
    : 'the topic was made anew, as those of embedded() end with the process; embedded({ store }) keeps them'
  return new TidemarkError(
    'OFFSET_OUT_OF_RANGE',
    `the checkpoint of task ${task} goes on at offset ${at.offset}, but the log holds ${start} to ${end}: ${
      at.offset > end ? anew : 'retention has deleted records before they were read'
    }. Clear the checkpoint to start from what is there`,
    placeOf(at),
  )
}

/** Where partitions begin and end, and what the group has committed for them. */
interface Places {
  readonly ranges: ReadonlyMap<string, PartitionRange>
  readonly committed: ReadonlyMap<string, number>
}

/** Whether others have gone on with the task after the places were asked for: it is theirs then, and the next commit will tell. */
function isAhead({ snapshot }: Restored, { ranges }: Places): boolean {
  return (snapshot.manifest?.positions ?? []).some(({ topic, partition, offset }) => {
    const range = ranges.get(partitionKey({ topic, partition }))
    return range !== undefined && offset > range.end
  })
}

async function placesOf(broker: Broker, group: string, partitions: readonly TopicPartition[]): Promise<Places> {
  const topics = [...new Set(partitions.map(({ topic }) => topic))]
  const ranges = new Map<string, PartitionRange>()
  for (const topic of topics)
    for (const [partition, range] of (await broker.ranges(topic)).entries())
      ranges.set(partitionKey({ topic, partition }), range)
  const committed = await broker.committed(group, topics)
  return { ranges, committed: new Map(committed.map((position) => [partitionKey(position), position.offset])) }
}

import type { Node } from '../task/node.js'
import type { Lane, Watermark } from '../task/watermark.js'
import type { Hold } from './explanation.js'
import type { Reader } from './taskReaders.js'
import type { TaskScope } from './taskScope.js'
import { timeText } from './timeText.js'
import { partitionText } from './waitsFor.js'

/** What is known in this process. */
export interface Surroundings {
  /** Its tasks, by what readers of their exchanges know them by. */
  readonly writers: ReadonlyMap<string, TaskScope>
  waitsFor(task: TaskScope): string | undefined
}

/** What holds a node's time where it is: the way along the slowest input, through exchanges, to partitions, calls or rules. */
export function holdsOf(node: Node, task: TaskScope, around: Surroundings): Hold[] {
  return new HoldFinder(around).of(node, task)
}

const UNKNOWN = Number.NEGATIVE_INFINITY

class HoldFinder {
  /** A way through a diamond is one way. */
  private readonly seen = new Set<Node>()

  constructor(private readonly around: Surroundings) {}

  of(node: Node, task: TaskScope): Hold[] {
    if (this.seen.has(node)) return []
    this.seen.add(node)
    if (!node.hasWatermark) {
      const time = node.definition.role?.is === 'writer' ? node.toldTime() : node.streamTime
      return node.isCapped && node.cap() <= time ? this.ofCap(node, task) : [ofStreamTime(node, task, time)]
    }
    const reader = task.readers.all.find((other) => other.node === node)
    if (reader !== undefined) return reader.time.carried ? this.ofWriters(reader, task) : this.ofSource(reader, task)
    const edges = node.ruling.flatMap((input) => input.edges)
    const least = Math.min(...edges.map(({ from }) => from.outputTime()))
    return edges
      .filter(({ from }) => from.outputTime() === least)
      .flatMap(({ from }) => this.ofCalls(from, task) ?? this.of(from, task))
  }

  private ofCalls(node: Node, task: TaskScope): Hold[] | undefined {
    const at = node.underWayAt
    if (at === undefined || at > node.time()) return undefined
    if (this.seen.has(node)) return []
    this.seen.add(node)
    const text = `${node.handlers.underWay?.()} of its calls are under way, the earliest for a record at ${at}`
    return [{ rule: 'under way', task: task.info.id, time: at, operator: node.operator, text }]
  }

  /** Stream time behind an exchange is at most the lowest over its writers. */
  private ofCap(node: Node, task: TaskScope): Hold[] {
    const reader = task.readers.all.find((other) => other.node === node)
    if (reader !== undefined) return this.ofWriters(reader, task)
    const least = node.cap()
    const slowest = node.timed
      .flatMap((input) => input.edges)
      .filter(({ from }) => from.cap() === least && !this.seen.has(from))
    return slowest.flatMap(({ from }) => {
      this.seen.add(from)
      return this.ofCap(from, task)
    })
  }

  private ofSource(reader: Reader, task: TaskScope): Hold[] {
    const { time } = reader
    if (time.isIdle) {
      const busy = task.readers.all.filter((other) => other.time.declared && !other.time.isAbsent && !other.time.isIdle)
      // Idle as a whole, it follows the slowest of the others.
      const slowest = Math.min(...busy.map((other) => other.time.watermark))
      return busy.length === 0
        ? [ofClock(reader, task)]
        : busy.filter((other) => other.time.watermark === slowest).flatMap(({ node }) => this.of(node, task))
    }
    return slowestOf(time.lanes, ({ idle }) => !idle).map(([id, lane]) =>
      this.ofPartition(reader, Number(id), lane, task),
    )
  }

  private ofPartition({ time, planned: { topic } }: Reader, partition: number, lane: Lane, task: TaskScope): Hold {
    const { idleMs } = time.declared as Watermark
    const queue = task.queues.find((other) => other.topic === topic && other.partition === partition)
    const place = { task: task.info.id, time: lane.watermark, topic, partition }
    const has = lane.newest === UNKNOWN ? 'it never had a record' : `its newest record is at ${timeText(lane.newest)}`
    if (queue !== undefined && (queue.size > 0 || queue.lag > 0)) {
      const waitsFor = this.around.waitsFor(task)
      const why = waitsFor === undefined ? '' : `, but ${waitsFor}`
      return { rule: 'lag', ...place, text: `${has}; ${queue.lag} are still to be read${why}` }
    }
    const nothing = `${has}; there is nothing more to read`
    if (idleMs === Number.POSITIVE_INFINITY) {
      const text = `${nothing}, and without an idleTimeout it holds back time until there is`
      return { rule: 'no idleTimeout', ...place, text }
    }
    const restMs = Math.max(0, lane.activeAt + idleMs - task.clock.now())
    return { rule: 'quiet', ...place, text: `${nothing}, and in ${restMs} ms it will be idle` }
  }

  /** The slowest of those that count; where all are idle, the slowest that knows a time. */
  private ofWriters(reader: Reader, task: TaskScope): Hold[] {
    const { lanes } = reader.time
    const all = [...lanes.values()]
    const counts = all.some(({ idle }) => !idle)
      ? ({ idle }: Lane) => !idle
      : all.some(({ watermark }) => watermark > UNKNOWN)
        ? ({ watermark }: Lane) => watermark > UNKNOWN
        : () => true
    return slowestOf(lanes, counts).flatMap(([id, lane]) => this.ofWriter(reader, String(id), lane, task))
  }

  private ofWriter({ planned }: Reader, writer: string, lane: Lane, task: TaskScope): Hold[] {
    const { topic } = planned
    const place = { rule: 'writer' as const, task: task.info.id, time: lane.watermark, topic, writer }
    const other = this.around.writers.get(writer)
    const node = [...(other?.nodes.values() ?? [])].find(({ definition: { role } }) => {
      return role?.is === 'writer' && role.exchange() === planned.definition
    })
    if (other === undefined || node === undefined)
      return [{ ...place, text: 'the task that writes it does not run in this process: ask where it does' }]
    const now = node.toldTime()
    if (now <= lane.watermark || now === Number.POSITIVE_INFINITY) return this.of(node, other)
    const queue = task.queues.find((one) => one.topic === topic)
    const text =
      queue !== undefined && queue.lag > 0
        ? `${partitionText(queue)} has ${queue.lag} records still to be read`
        : lane.idle
          ? 'idle, it says so each 32nd of its silence, a minute at most'
          : 'it will say so within the watermarkInterval'
    return [{ ...place, text: `its task ${other.info.id} is at ${timeText(now)}; ${text}` }]
  }
}

function slowestOf<Id>(lanes: ReadonlyMap<Id, Lane>, counts: (lane: Lane) => boolean): [id: Id, lane: Lane][] {
  const counting = [...lanes].filter(([, lane]) => counts(lane))
  const least = Math.min(...counting.map(([, lane]) => lane.watermark))
  return counting.filter(([, lane]) => lane.watermark === least)
}

function ofStreamTime(node: Node, task: TaskScope, time: number): Hold {
  const behind = task.queues.filter((queue) => queue.lag > 0).map((queue) => `${queue.lag} of ${partitionText(queue)}`)
  const toRead = behind.length === 0 ? 'there is nothing to read' : `still to be read are ${behind.join(', ')}`
  const text = `no watermark is declared: its time is the highest timestamp among its records, and waits for a newer one; ${toRead}`
  return { rule: 'stream time', task: task.info.id, time, operator: node.operator, text }
}

function ofClock({ time, planned: { topic } }: Reader, task: TaskScope): Hold {
  const text =
    time.watermark === UNKNOWN
      ? 'all partitions are idle, and there was no record yet that time could go on from'
      : 'all partitions are idle: time goes on with the wall clock'
  return { rule: 'clock', task: task.info.id, time: time.watermark, topic, text }
}

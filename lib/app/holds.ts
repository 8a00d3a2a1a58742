import type { Node } from '../task/node.js'
import type { Lane, Watermark } from '../task/watermark.js'
import type { Hold } from './explanation.js'
import type { Reader, TaskScope } from './taskScope.js'
import { partitionText } from './waitsFor.js'

/** What is known in this process. */
export interface Surroundings {
  /** Its tasks, by what readers of their exchanges know them by. */
  readonly writers: ReadonlyMap<string, TaskScope>
  waitsFor(task: TaskScope): string | undefined
}

/** What holds a node's time where it is: the way along the slowest input, through exchanges, to partitions, calls or rules. */
export function holdsOf(node: Node, task: TaskScope, around: Surroundings): Hold[] {
  if (!node.hasWatermark)
    return node.isCapped && node.cap() <= node.streamTime ? cappedHolds(node, task, around) : [streamHold(node, task)]
  const reader = task.readers.find((other) => other.node === node)
  if (reader !== undefined) return sourceHolds(reader, task, around)
  const inputs = node.inputs.filter((input) => !node.definition.untimed.includes(input.index))
  const edges = inputs.flatMap((input) => input.edges)
  const least = Math.min(...edges.map(({ from }) => from.outputTime()))
  return unique(
    edges
      .filter(({ from }) => from.outputTime() === least)
      .flatMap(({ from }) => callsUnderWay(from, task) ?? holdsOf(from, task, around)),
  )
}

function streamHold(node: Node, task: TaskScope): Hold {
  const behind = task.queues.filter((queue) => queue.lag > 0).map((queue) => `${queue.lag} of ${partitionText(queue)}`)
  const toRead = behind.length === 0 ? 'there is nothing to read' : `still to be read are ${behind.join(', ')}`
  const text = `no watermark is declared: its time is the highest timestamp among its records, and waits for a newer one; ${toRead}`
  return { rule: 'stream time', task: task.info.id, time: node.streamTime, operator: node.operator, text }
}

/** A way through a diamond is one way. */
const unique = (holds: readonly Hold[]): Hold[] => [
  ...new Map(holds.map((hold) => [JSON.stringify(hold), hold])).values(),
]

function callsUnderWay(node: Node, task: TaskScope): Hold[] | undefined {
  const at = node.underWayAt
  if (at === undefined || at > node.time()) return undefined
  const text = `${node.handlers.underWay?.()} of its calls are under way, the earliest for a record at ${at}`
  return [{ rule: 'under way', task: task.info.id, time: at, operator: node.operator, text }]
}

/** Stream time behind an exchange is at most the lowest over its writers. */
function cappedHolds(node: Node, task: TaskScope, around: Surroundings): Hold[] {
  const reader = task.readers.find((other) => other.node === node)
  if (reader !== undefined) return writerHolds(reader, task, around)
  const least = node.cap()
  return node.inputs.flatMap((input) =>
    input.edges.filter(({ from }) => from.cap() === least).flatMap(({ from }) => cappedHolds(from, task, around)),
  )
}

function sourceHolds(reader: Reader, task: TaskScope, around: Surroundings): Hold[] {
  const { time } = reader
  if (time.carried) return writerHolds(reader, task, around)
  if (time.isIdle) {
    const busy = task.readers.filter((other) => other.time.declared && !other.time.isAbsent && !other.time.isIdle)
    // Idle as a whole, it follows the slowest of the others.
    if (busy.length > 0) {
      const slowest = Math.min(...busy.map((other) => other.time.watermark))
      return busy
        .filter((other) => other.time.watermark === slowest)
        .flatMap((other) => sourceHolds(other, task, around))
    }
    const { topic } = reader.planned
    const text =
      time.watermark === Number.NEGATIVE_INFINITY
        ? 'all partitions are idle, and there was no record yet that time could go on from'
        : 'all partitions are idle: time goes on with the wall clock'
    return [{ rule: 'clock', task: task.info.id, time: time.watermark, topic, text }]
  }
  const active = [...time.lanes].filter(([, lane]) => !lane.idle)
  const least = Math.min(...active.map(([, lane]) => lane.watermark))
  return active
    .filter(([, lane]) => lane.watermark === least)
    .map(([id, lane]) => partitionHold(reader, Number(id), lane, task, around))
}

function partitionHold(reader: Reader, partition: number, lane: Lane, task: TaskScope, around: Surroundings): Hold {
  const { topic } = reader.planned
  const { idleMs } = reader.time.declared as Watermark
  const queue = task.queues.find((other) => other.topic === topic && other.partition === partition)
  const place = { task: task.info.id, time: lane.watermark, topic, partition }
  const has =
    lane.newest === Number.NEGATIVE_INFINITY ? 'it never had a record' : `its newest record is at ${lane.newest}`
  if (queue !== undefined && (queue.size > 0 || queue.lag > 0)) {
    const waitsFor = around.waitsFor(task)
    const why = waitsFor === undefined ? '' : `, but ${waitsFor}`
    return { rule: 'lag', ...place, text: `${has}; ${queue.lag} are still to be read${why}` }
  }
  if (idleMs === Number.POSITIVE_INFINITY) {
    return {
      rule: 'no idleTimeout',
      ...place,
      text: `${has}; there is nothing more to read, and without an idleTimeout it holds back time until there is`,
    }
  }
  const restMs = Math.max(0, lane.activeAt + idleMs - task.clock.now())
  return { rule: 'quiet', ...place, text: `${has}; there is nothing more to read, and in ${restMs} ms it will be idle` }
}

function writerHolds(reader: Reader, task: TaskScope, around: Surroundings): Hold[] {
  const { lanes } = reader.time
  const { topic } = reader.planned
  // Where all are idle, the slowest that knows a time counts.
  const all = [...lanes]
  const known = all.filter(([, lane]) => lane.watermark > Number.NEGATIVE_INFINITY)
  const counting = all.filter(([, lane]) => !lane.idle)
  const active = counting.length > 0 ? counting : known.length > 0 ? known : all
  const least = Math.min(...active.map(([, lane]) => lane.watermark))
  return active
    .filter(([, lane]) => lane.watermark === least)
    .flatMap(([id, lane]) => {
      const writer = String(id)
      const place = { rule: 'writer' as const, task: task.info.id, time: lane.watermark, topic, writer }
      const other = around.writers.get(writer)
      const node = other === undefined ? undefined : writerNode(reader, other)
      if (other === undefined || node === undefined)
        return [{ ...place, text: 'the task that writes it does not run in this process: ask where it does' }]
      const now = node.toldTime()
      if (now > lane.watermark && now < Number.POSITIVE_INFINITY) {
        const queue = task.queues.find((one) => one.topic === topic)
        const text =
          queue !== undefined && queue.lag > 0
            ? `${partitionText(queue)} has ${queue.lag} records still to be read`
            : 'it will say so within the watermarkInterval'
        return [{ ...place, text: `its task ${other.info.id} is at ${now}; ${text}` }]
      }
      return holdsOf(node, other, around)
    })
}

/** The writing half of a reader's exchange, in the task that has it. */
function writerNode(reader: Reader, task: TaskScope): Node | undefined {
  for (const node of task.nodes.values()) {
    const { role } = node.definition
    if (role?.is === 'writer' && role.exchange() === reader.planned.definition) return node
  }
  return undefined
}

import { show, TidemarkError } from '../record/errors.js'
import type { Key } from '../record/key.js'
import { partitionOf } from '../record/partitionOf.js'
import { upstream } from '../task/upstream.js'
import { closesAt, type Windowing } from '../task/windowing.js'
import type {
  ExplainRequest,
  Explanation,
  PartitionState,
  SourceState,
  TaskExplanation,
  WriterState,
} from './explanation.js'
import { explanationText } from './explanationText.js'
import { holdsOf, type Surroundings } from './holds.js'
import type { Plan, PlanNode, PlannedSource } from './plan.js'
import type { Reader } from './taskReaders.js'
import type { TaskScope } from './taskScope.js'

/** The app as an explanation needs it. */
export interface Explainable {
  readonly plan: Plan
  readonly tasks: readonly TaskScope[]
  /** Ids of all tasks of a sub-topology. */
  tasksOf(subTopology: number): readonly string[]
  partitions(topic: string): number | undefined
  waitsFor(task: TaskScope): string | undefined
}

/**
 * Looks up why an operator's time is where it is.
 *
 * @throws TidemarkError `BAD_OPTION` for an operator that the app doesn't have, or a window where there are none
 */
export function explain(request: ExplainRequest, app: Explainable): Explanation {
  const { definition, subTopology } = find(request.operator, app.plan)
  const { window, key } = request
  const writers = new Map(app.tasks.map((task) => [task.info.writer, task]))
  const around: Surroundings = { writers, waitsFor: app.waitsFor }
  const owner = key === undefined ? undefined : ownerOf(key, subTopology, app)
  const ids = app.tasksOf(subTopology).filter((id) => owner === undefined || id === `${subTopology}_${owner}`)
  let ends: number | undefined
  const tasks = app.tasks
    .filter(({ info }) => ids.includes(info.id))
    .map((task): TaskExplanation => {
      const node = task.nodeOf(definition)
      const windowing = node.windowing ?? node.resolved
      if (window !== undefined) ends = closesAt(windowed(windowing, request.operator), window)
      const time = node.time()
      const before = upstream(node)
      return {
        task: task.info.id,
        time,
        rule: node.hasWatermark ? 'watermark' : 'stream time',
        isOpen: ends === undefined ? undefined : time < ends,
        nextDue: node.due,
        waiting: key === undefined ? [] : node.waiting(key),
        heldBy: holdsOf(node, task, around),
        sources: task.readers.all
          .filter((reader) => before.has(reader.node))
          .map((reader) => sourceState(reader, task, writers)),
        waitsFor: app.waitsFor(task),
      }
    })
  const facts = {
    operator: request.operator,
    kind: definition.kind,
    closesAt: ends,
    tasks,
    elsewhere: ids.filter((id) => tasks.every(({ task }) => task !== id)),
  }
  return { ...facts, toString: () => explanationText(request, facts) }
}

/** By name, and for what has none by kind. */
function find(operator: string, plan: Plan): PlanNode {
  const nodes = [...plan.nodes.values()].filter(({ definition }) => definition.role?.is !== 'root')
  const named = nodes.filter(({ definition: { name } }) => name === operator)
  // An exchange has two halves, of which readers know the second.
  const found = named.findLast(({ definition }) => definition.role?.is !== 'writer')
  if (found !== undefined) return found
  const kinds = nodes.filter(({ definition: { kind, name } }) => name === undefined && kind === operator)
  if (kinds.length === 1) return kinds[0] as PlanNode
  const known = [...new Set(nodes.flatMap(({ definition: { name } }) => name ?? []))]
  const reason =
    kinds.length > 1
      ? `explain: the app has ${kinds.length} operators ${operator} without a name; name them`
      : `explain: the app has no operator ${show(operator)}; its names are ${known.length === 0 ? 'none' : known.join(', ')}`
  throw new TidemarkError('BAD_OPTION', reason, { app: plan.app })
}

function windowed(windowing: Windowing | undefined, operator: string): Windowing {
  if (windowing !== undefined) return windowing
  throw new TidemarkError('BAD_OPTION', `explain: ${operator} has no windows; ask without one`, { operator })
}

/** The partition that an exchange gives a key; undefined where another app chose it. */
function ownerOf(key: Key, subTopology: number, app: Explainable): number | undefined {
  const sources = app.plan.subTopologies[subTopology]?.sources ?? []
  const exchange: PlannedSource | undefined = sources.find((source) => source.isInternal)
  const partitions = exchange === undefined ? undefined : app.partitions(exchange.topic)
  if (exchange?.keySerde === undefined || partitions === undefined) return undefined
  return partitionOf(exchange.keySerde.serialize(key), partitions)
}

function sourceState(reader: Reader, task: TaskScope, writers: Surroundings['writers']): SourceState {
  const { topic } = reader.planned
  const source = reader.time
  return {
    topic,
    time: reader.node.time(),
    partition: partitionState(reader, task),
    writers: source.carried
      ? [...source.lanes].map(
          ([id, { watermark, idle }]): WriterState => ({
            writer: String(id),
            task: writers.get(String(id))?.info.id,
            time: watermark,
            isIdle: idle,
          }),
        )
      : [],
  }
}

function partitionState(
  { node, time: source, planned: { topic } }: Reader,
  task: TaskScope,
): PartitionState | undefined {
  const queue = task.queues.find((other) => other.topic === topic)
  if (queue === undefined) return undefined
  const lane = source.carried ? undefined : source.lanes.get(String(queue.partition))
  return {
    topic,
    partition: queue.partition,
    watermark: source.carried ? source.watermark : (lane?.watermark ?? Number.NEGATIVE_INFINITY),
    newest: source.carried ? node.streamTime : (lane?.newest ?? Number.NEGATIVE_INFINITY),
    isIdle: source.carried ? source.lanes.size > 0 && source.isIdle : lane?.idle === true,
    activeAt: lane?.activeAt ?? Number.NEGATIVE_INFINITY,
    lag: queue.lag,
    isPaused: queue.isPaused,
    isAhead: queue.aligned?.isTooFar === true,
  }
}

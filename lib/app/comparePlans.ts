import { json } from '../record/serde.js'
import type { Plan, SubTopology } from './plan.js'
import {
  type PlanComparison,
  planComparison,
  type StateComparison,
  type TopicComparison,
  type UpgradeOptions,
} from './planComparison.js'
import type { PlannedState, StateShape } from './stateShape.js'
import type { Orphan, StoredTopic } from './storedPlan.js'
import type { StoredTask } from './taskScopes.js'

/** Partition count of a topic; undefined: there is none yet. */
export type PartitionsOf = (topic: string) => number | undefined

export const isListed = (list: readonly string[] | undefined, name: string, operator: string): boolean =>
  list?.some((one) => one === name || one === operator) === true

/** Compares a plan with the checkpoints of an app, of any partitions. */
export function comparePlans(
  plan: Plan,
  partitionsOf: PartitionsOf,
  tasks: readonly StoredTask[],
  options: UpgradeOptions,
): PlanComparison {
  const partitions = new Set(tasks.map(({ partition }) => partition))
  const found = new Map<string, StateComparison>()
  const add = (state: StateComparison) => {
    const other = found.get(state.state)
    if (other === undefined || weight(other) < weight(state)) found.set(state.state, state)
  }
  if (tasks.length === 0) for (const state of compareStates(plan, partitionsOf, [], options)) add(state)
  for (const partition of partitions) {
    const own = tasks.filter((task) => task.partition === partition)
    for (const state of compareStates(plan, partitionsOf, own, options)) add(state)
  }
  const states = [...found.values()].sort((a, b) => (a.state < b.state ? -1 : 1))
  return planComparison(plan.app, tasks.length === 0, states, compareTopics(plan, tasks))
}

/** Of what two partitions say of a state, the worse counts; one that has seen no record yet has nothing stored. */
const weight = ({ change, isRefused }: StateComparison) =>
  (isRefused ? 4 : 0) + ['new', 'kept', 'orphaned', 'incompatible'].indexOf(change)

/** @param tasks those of one partition */
export function compareStates(
  plan: Plan,
  partitionsOf: PartitionsOf,
  tasks: readonly StoredTask[],
  { startEmpty, drop }: UpgradeOptions,
): StateComparison[] {
  const compared: StateComparison[] = []
  const planned = new Set<string>()
  for (const sub of plan.subTopologies) {
    for (const [state, now] of sub.states) {
      planned.add(state)
      const isAllowed = isListed(startEmpty, state, now.shape.operator)
      const stored = findState(tasks, state)
      if (stored === undefined) {
        const readers = tasks.filter((task) => now.shape.topics.some((topic) => topic in task.plan.topics))
        const isLate = readers.length > 0
        compared.push({
          state,
          change: 'new',
          text: isLate
            ? `it begins empty, though records of ${titles(readers)} have been handled`
            : `it begins at the start of ${startOf(plan, now.shape.topics)}`,
          isRefused: isLate && !isAllowed,
        })
        continue
      }
      const why = mismatch(now, stored, sub, partitionsOf)
      if (why !== undefined) {
        const text = isAllowed ? `${why}; it is dropped, and begins empty` : why
        compared.push({ state, change: 'incompatible', text, isRefused: !isAllowed })
        continue
      }
      const { version } = stored.shape
      const isOlder = version < now.shape.version
      const moves = stored.task.title === sub.title ? [] : [`it moves from tasks of ${titles([stored.task])}`]
      const migrates = isOlder ? [`it is migrated from version ${version} to ${now.shape.version}`] : []
      compared.push({
        state,
        change: 'kept',
        ...(isOlder && { migratesFrom: version }),
        text: [...moves, ...migrates].join(', '),
        isRefused: false,
      })
    }
  }
  for (const { plan: stored } of tasks) {
    for (const [state, { operator }] of Object.entries({ ...stored.orphans, ...stored.states })) {
      if (planned.has(state)) continue
      const text = isListed(drop, state, operator) ? 'it is dropped' : 'it is kept aside'
      compared.push({ state, change: 'orphaned', text, isRefused: false })
    }
  }
  return compared
}

/** The topics themselves, and of an exchange that is new those that are read before it: what has been read there never comes through it. */
export function originsOf(plan: Plan, topics: readonly string[], isKnown: (topic: string) => boolean): string[] {
  const found = new Set<string>()
  const visit = (topic: string): void => {
    if (found.has(topic)) return
    found.add(topic)
    if (isKnown(topic)) return
    for (const { sources } of plan.subTopologies)
      for (const source of sources)
        if (source.topic === topic && source.writtenBy !== undefined)
          for (const before of plan.subTopologies[source.writtenBy]?.sources ?? []) visit(before.topic)
  }
  for (const topic of topics) visit(topic)
  return [...found]
}

/** Through an exchange comes only what is read from now on: that isn't the log that one may think of. */
function startOf(plan: Plan, topics: readonly string[]): string {
  const exchanges = topics.filter((topic) =>
    plan.subTopologies.some(({ sources }) => sources.some((source) => source.topic === topic && source.isInternal)),
  )
  return exchanges.length === 0 ? 'the log' : `the exchange ${exchanges.join(', ')}`
}

interface Stored {
  readonly task: StoredTask
  readonly shape: StateShape
  readonly orphan: Orphan | undefined
}

function findState(tasks: readonly StoredTask[], name: string): Stored | undefined {
  for (const task of tasks) {
    const shape = task.plan.states[name]
    if (shape !== undefined) return { task, shape, orphan: undefined }
  }
  for (const task of tasks) {
    const orphan = task.plan.orphans[name]
    if (orphan !== undefined) return { task, shape: orphan, orphan }
  }
  return undefined
}

/** Why a stored state can't go on; undefined if it can. */
function mismatch(
  { shape: now, migrate }: PlannedState,
  { task, shape: was, orphan }: Stored,
  sub: SubTopology,
  partitionsOf: PartitionsOf,
): string | undefined {
  const differs = (what: string, before: unknown, after: unknown) =>
    before === after ? undefined : `${what} ${after ?? 'none'}, it was ${before ?? 'none'}`
  const common = was.topics.filter((topic) => now.topics.includes(topic))
  return (
    differs('its operator is', was.kind, now.kind) ??
    differs('its window is', was.window, now.window) ??
    differs('its entries are filed', was.form, now.form) ??
    (common.length > 0
      ? undefined
      : `it is fed by ${now.topics.join(', ')}, it was by ${was.topics.join(', ')}, so its keys may lie elsewhere`) ??
    common
      .map((topic) => spreadOtherwise(topic, task.plan.topics[topic], sub, partitionsOf(topic)))
      .find((why) => why !== undefined) ??
    (was.version > now.version
      ? `it is stored in version ${was.version}, and this operator knows version ${now.version}`
      : was.version < now.version
        ? migrate === undefined
          ? `it is stored in version ${was.version}, and this operator has version ${now.version} without migrate`
          : undefined
        : differs('it holds', was.holds, now.holds)) ??
    (orphan === undefined || isCurrent(task, orphan)
      ? undefined
      : 'it was left out of the plan while records were handled, which it has not seen')
  )
}

function spreadOtherwise(
  topic: string,
  was: StoredTopic | undefined,
  sub: SubTopology,
  partitions: number | undefined,
): string | undefined {
  const { keySerde = json() } = sub.sources.find((source) => source.topic === topic) ?? {}
  if (was === undefined) return undefined
  if (was.key !== keySerde.name) return `keys of ${topic} are read as ${keySerde.name}, they were as ${was.key}`
  if (partitions === undefined || was.partitions === partitions) return undefined
  return `${topic} has ${partitions} partitions, it had ${was.partitions}, so keys lie elsewhere`
}

/** Whether nothing has been handled since the state was left out. */
function isCurrent({ manifest }: StoredTask, { topics, at }: Orphan): boolean {
  return manifest.positions
    .filter(({ topic }) => topics.includes(topic))
    .every(({ topic, offset }) => at.some((one) => one.topic === topic && one.offset === offset))
}

function compareTopics(plan: Plan, tasks: readonly StoredTask[]): TopicComparison[] {
  const before = new Map(
    tasks.flatMap(({ plan: { topics } }) =>
      Object.entries(topics).map(([topic, { isExchange }]) => [topic, isExchange]),
    ),
  )
  if (before.size === 0) return []
  const after = new Map(
    plan.subTopologies.flatMap(({ sources }) => sources.map(({ topic, isInternal }) => [topic, isInternal])),
  )
  const only = (of: ReadonlyMap<string, boolean>, other: ReadonlyMap<string, boolean>, change: 'added' | 'removed') =>
    [...of].flatMap(([topic, isExchange]) => (other.has(topic) ? [] : [{ topic, change, isExchange }]))
  return [...only(after, before, 'added'), ...only(before, after, 'removed')]
}

const titles = (tasks: readonly StoredTask[]) =>
  [...new Set(tasks.map(({ title }) => title))].join('+').replaceAll('+', ', ')

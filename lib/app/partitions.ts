import type { NewTopic } from '../ports/broker.js'
import { TidemarkError } from '../record/errors.js'
import type { ExchangeRole } from '../task/definition.js'
import { changelogsOf, changelogTopic } from './changelog.js'
import type { Plan, PlannedSource, SubTopology } from './plan.js'
import { topicsReadBy, topicsWrittenBy } from './planTopics.js'

/** The topics that {@link resolvePartitions} looks up. */
export function topicsOf(plan: Plan, hasChangelogs: boolean): string[] {
  const states = hasChangelogs ? plan.subTopologies.flatMap(changelogsOf) : []
  const changelogs = states.map((state) => changelogTopic(plan.app, state))
  return [...new Set([...topicsReadBy(plan), ...topicsWrittenBy(plan), ...plan.deadLetters, ...changelogs])]
}

/**
 * Finds the partition count of each topic of a plan: those that exist have theirs; an internal one gets what its exchange asks for, else what it is
 * joined with has, else as many as its writing tasks; one of dead letters as many as the widest.
 *
 * @param existing counts of the topics that the broker has
 * @param hasChangelogs whether states have changelogs: topics with a partition for each task
 * @returns all counts, and the topics to create
 * @throws TidemarkError `UNKNOWN_TOPIC`, `CO_PARTITION`, `PLAN_MISMATCH`
 */
export function resolvePartitions(
  plan: Plan,
  existing: ReadonlyMap<string, number>,
  hasChangelogs: boolean,
): { counts: Map<string, number>; needed: NewTopic[] } {
  const counts = new Map<string, number>()
  const needed: NewTopic[] = []
  for (const sub of plan.subTopologies) {
    for (const topic of [
      ...sub.sources.filter((source) => !source.isInternal).map((source) => source.topic),
      ...sub.sinks,
    ]) {
      const count = existing.get(topic)
      if (count === undefined) {
        throw new TidemarkError('UNKNOWN_TOPIC', `the broker has no topic ${topic}; create it, or correct the name`, {
          app: plan.app,
          topic,
        })
      }
      counts.set(topic, count)
    }
  }
  const open = plan.subTopologies.flatMap((sub) => sub.sources.filter((source) => source.isInternal))
  const wantedBy = (source: PlannedSource) =>
    existing.get(source.topic) ??
    (source.definition.role as ExchangeRole).partitions ??
    joinedWith(plan, source, counts) ??
    (isKnown(plan, source.writtenBy as number, counts) ? tasksOf(plan, source.writtenBy as number, counts) : undefined)
  while (open.length > 0) {
    // Where exchanges go in a circle, one has to begin.
    const next = Math.max(
      0,
      open.findIndex((source) => wantedBy(source) !== undefined),
    )
    const [source] = open.splice(next, 1) as [PlannedSource]
    const wanted = wantedBy(source) ?? tasksOf(plan, source.writtenBy as number, counts)
    counts.set(source.topic, wanted)
    if (!existing.has(source.topic)) needed.push({ topic: source.topic, partitions: wanted, keepsOld: true })
  }
  const widest = Math.max(...counts.values())
  for (const topic of plan.deadLetters) {
    counts.set(topic, existing.get(topic) ?? widest)
    // A letter has its record's timestamp, however old that is.
    if (!existing.has(topic)) needed.push({ topic, partitions: widest, keepsOld: true })
  }
  for (const { operator, sources } of plan.coPartitioned) {
    const [first] = sources
    for (const other of sources) {
      if (first === undefined || counts.get(other.topic) === counts.get(first.topic)) continue
      throw new TidemarkError(
        'CO_PARTITION',
        `${first.topic} has ${counts.get(first.topic)} partitions, ${other.topic} has ${counts.get(other.topic)}; to be joined they need equally many. Repartition one with keyBy`,
        { app: plan.app, operator },
      )
    }
  }
  if (hasChangelogs) needed.push(...changelogTopics(plan, counts, existing))
  return { counts, needed }
}

function changelogTopics(
  plan: Plan,
  counts: ReadonlyMap<string, number>,
  existing: ReadonlyMap<string, number>,
): NewTopic[] {
  const needed: NewTopic[] = []
  for (const sub of plan.subTopologies) {
    const partitions = tasksOf(plan, sub.id, counts)
    for (const state of changelogsOf(sub)) {
      const topic = changelogTopic(plan.app, state)
      const found = existing.get(topic)
      if (found !== undefined && found !== partitions) {
        throw new TidemarkError(
          'PLAN_MISMATCH',
          `state ${state} was kept by ${found} tasks and would now be kept by ${partitions}, as the partitions of the topics read have changed: keys would be in other tasks than their state. Give the app another id, or delete ${topic} to build the state anew`,
          { app: plan.app, topic },
        )
      }
      // One that is there too: the broker says whether it keeps what it has to.
      needed.push({ topic, partitions, compacted: true })
    }
  }
  return needed
}

function joinedWith(plan: Plan, source: PlannedSource, counts: ReadonlyMap<string, number>): number | undefined {
  for (const { sources } of plan.coPartitioned) {
    if (!sources.includes(source)) continue
    for (const other of sources) {
      const count = counts.get(other.topic)
      if (count !== undefined) return count
    }
  }
  return undefined
}

/** Whether the partition counts of all that a sub-topology reads are known. */
const isKnown = (plan: Plan, subTopology: number, counts: ReadonlyMap<string, number>): boolean =>
  plan.subTopologies[subTopology]?.sources.every((source) => counts.has(source.topic)) === true

/** How many tasks a sub-topology has: as many as its widest source has partitions. */
export function tasksOf(plan: Plan, subTopology: number, counts: ReadonlyMap<string, number>): number {
  const sub = plan.subTopologies[subTopology]
  return Math.max(1, ...(sub?.sources.map((source) => counts.get(source.topic) ?? 1) ?? []))
}

/** The partitions of all tasks of a sub-topology. */
export const allOf = (plan: Plan, counts: ReadonlyMap<string, number>) => (sub: SubTopology) => [
  ...Array(tasksOf(plan, sub.id, counts)).keys(),
]

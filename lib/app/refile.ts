import type { StoreAdapter, StoreChanges, StoreEntry } from '../ports/store.js'
import { TidemarkError } from '../record/errors.js'
import { stateKey } from '../task/state.js'
import { MANIFEST, type Manifest, manifestEntry } from './checkpoint.js'
import { dictionary } from './dictionary.js'
import type { Plan, SubTopology } from './plan.js'
import { PLAN, planEntry, type StoredPlan } from './storedPlan.js'
import { type StoredTask, taskScope } from './taskScopes.js'

/**
 * Files the checkpoints of one partition as the plan's sub-topologies want them, where these read other topics together than before: positions and
 * times go by topic, states by name. Topics that are read no more keep their position, in case that they come back.
 *
 * @param tasks the stored ones of that partition
 * @param maxBytes what values of states may take in memory
 * @returns changes that are to be committed in one; none if all is in its place
 * @throws TidemarkError `BAD_OPTION` if they don't fit into memory
 */
export async function refile(
  plan: Plan,
  tasks: readonly StoredTask[],
  store: StoreAdapter,
  maxBytes: number,
): Promise<StoreChanges[]> {
  const titles = new Set(plan.subTopologies.map(({ title }) => title))
  const heirsOf = ({ plan: { topics } }: StoredTask) =>
    plan.subTopologies.filter((sub) => topicsOf(sub).some((topic) => topic in topics))
  const leaving = tasks.filter((task) => !titles.has(task.title) && heirsOf(task).length > 0)
  if (leaving.length === 0) return []

  const changes: StoreChanges[] = leaving.map(({ scope }) => ({ scope, entries: [], reset: true }))
  const contents = new Map<StoredTask, readonly StoreEntry[]>()
  let bytes = 0
  for (const task of leaving) {
    const entries: StoreEntry[] = []
    contents.set(task, entries)
    await store.load(task.scope, (stored) => {
      for (const entry of stored) {
        bytes += entry[1].length
        if (bytes > maxBytes) throw tooLarge(plan.app, task, maxBytes)
        entries.push(entry)
      }
    })
  }

  for (const sub of plan.subTopologies) {
    const from = leaving.filter((task) => heirsOf(task).includes(sub))
    if (from.length === 0) continue
    const topics = topicsOf(sub)
    const entries: StoreEntry[] = []
    const plans = from.map((task) => {
      // What nobody takes goes along with the first heir.
      const isFirst = heirsOf(task)[0] === sub
      const isTaken = (name: string) => plan.subTopologies.some((other) => other !== sub && other.states.has(name))
      const goes = (name: string) => sub.states.has(name) || (isFirst && !isTaken(name))
      entries.push(...statesOf(contents.get(task) as readonly StoreEntry[], task.plan, goes))
      return partOf(task.plan, topics, goes)
    })
    entries.push(planEntry(mergePlans(plans)), manifestEntry(mergeManifests(from, topics)))
    const { partition } = from[0] as StoredTask
    changes.push({ scope: taskScope(plan.app, sub.title, partition), entries, reset: true })
  }

  const read = new Set(plan.subTopologies.flatMap(topicsOf))
  for (const task of leaving) {
    const left = Object.keys(task.plan.topics).filter((topic) => !read.has(topic))
    if (left.length === 0) continue
    changes.push({
      scope: taskScope(plan.app, left.sort().join('+'), task.partition),
      entries: [planEntry(partOf(task.plan, left, () => false)), manifestEntry(mergeManifests([task], left))],
      reset: true,
    })
  }
  return changes
}

const tooLarge = (app: string, { title, partition }: StoredTask, maxBytes: number) =>
  new TidemarkError(
    'BAD_OPTION',
    `the state of partition ${partition} of ${title} is to be filed anew, as the plan reads other topics together, and has more than ${maxBytes} bytes (maxStateBytes); start once without maxStateBytes where there is memory for all of the state`,
    { app },
  )

const topicsOf = ({ sources }: SubTopology) => sources.map(({ topic }) => topic)

/** The entries of those states of a checkpoint that go along. */
function statesOf(entries: readonly StoreEntry[], plan: StoredPlan, goes: (name: string) => boolean): StoreEntry[] {
  const prefixes = Object.keys({ ...plan.orphans, ...plan.states })
    .filter(goes)
    .map((name) => stateKey(name, ''))
  return entries.filter(
    ([key]) => key !== MANIFEST && key !== PLAN && prefixes.some((prefix) => key.startsWith(prefix)),
  )
}

const only = <T>(of: { readonly [name: string]: T }, goes: (name: string) => boolean): Record<string, T> =>
  dictionary(Object.fromEntries(Object.entries(of).filter(([name]) => goes(name))))

function partOf(plan: StoredPlan, topics: readonly string[], goes: (name: string) => boolean): StoredPlan {
  return {
    ...plan,
    topics: only(plan.topics, (topic) => topics.includes(topic)),
    states: only(plan.states, goes),
    orphans: only(plan.orphans, goes),
  }
}

function mergePlans(plans: readonly StoredPlan[]): StoredPlan {
  const states = dictionary(...plans.map((one) => one.states))
  const orphans = dictionary(...plans.map((one) => one.orphans))
  return {
    operators: [],
    topics: dictionary(...plans.map((one) => one.topics)),
    sinks: [...new Set(plans.flatMap((one) => one.sinks))],
    states,
    orphans: only(orphans, (name) => !(name in states)),
    left: [],
  }
}

/** What several checkpoints know of some topics, and of operators by name. */
function mergeManifests(tasks: readonly StoredTask[], topics: readonly string[]): Manifest {
  const manifests = tasks.map(({ manifest }) => manifest)
  const isOf = (source: string) => topics.includes(source.slice(0, source.lastIndexOf('#')))
  return {
    version: 1,
    plan: '',
    positions: manifests.flatMap(({ positions }) => positions.filter(({ topic }) => topics.includes(topic))),
    sources: dictionary(...manifests.map(({ sources }) => only(sources, isOf))),
    streamTimes: dictionary(...manifests.map(({ streamTimes }) => streamTimes)),
    times: dictionary(...manifests.map(({ times }) => times)),
  }
}

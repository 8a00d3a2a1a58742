import type { NewTopic, OutRecord } from '../../ports/broker.js'
import type { StoreChanges, StoreEntry } from '../../ports/store.js'
import { TidemarkError } from '../../record/errors.js'
import { changelogState } from '../changelog.js'
import { manifestEntry } from '../checkpoint.js'
import { checkNewExchanges } from '../newExchanges.js'
import { resolvePartitions } from '../partitions.js'
import type { Plan } from '../plan.js'
import { exchangesOf, topicsReadBy } from '../planTopics.js'
import { slotsOf } from '../resources.js'
import type { RuntimeOptions } from '../runtimeOptions.js'
import { Slots } from '../slots.js'
import { planEntry } from '../storedPlan.js'
import type { StoredState } from '../storedState.js'
import { isTaskScope } from '../taskScopes.js'
import { ChangelogWriter } from './changelogWriter.js'
import type { CheckpointCopy } from './checkpointCopy.js'
import { forgottenPlaces } from './forgottenPlaces.js'
import { forgottenTasks } from './forgottenTasks.js'
import { Placement } from './placement.js'

export interface StoreCheckpointOptions {
  readonly app: RuntimeOptions
  readonly stored: StoredState
  readonly plan: Plan
  readonly copy: CheckpointCopy
  readonly replace?: boolean
  readonly createTopics?: boolean
}

/** Takes a checkpoint into the store and the broker of an app, which are open, if the app can go on from it there. */
export async function storeCheckpoint(options: StoreCheckpointOptions): Promise<void> {
  const { app, plan, copy, replace = false } = options
  const { id, broker, store, keeper } = app
  const existing = await broker.topics()
  const missing = missingTopics(options, existing)
  const known = new Map([...existing, ...missing.map(({ topic, partitions }) => [topic, partitions] as const)])
  const hasChangelogs = keeper === 'changelogs'
  const { counts, needed } = resolvePartitions(plan, known, hasChangelogs)
  await checkPlan(options, counts)
  await checkPlaces(options, existing)
  const scopes = (await store.scopes()).filter((scope) => isTaskScope(id, scope))
  const changelogs = [...existing.keys()].filter((topic) => changelogState(id, topic) !== undefined)
  if (!replace) await checkEmpty(options, hasChangelogs ? [] : scopes, changelogs)

  const writer = hasChangelogs ? new ChangelogWriter(app, plan) : undefined
  await broker.createTopics([
    ...missing,
    ...(writer === undefined ? [] : [...needed.filter(({ compacted }) => compacted), ...writer.topics(copy.tasks)]),
  ])
  const slots = new Slots(id, broker, slotsOf(counts))
  try {
    // Former owners, if they still live, write nothing from here on.
    await Promise.all(Array.from({ length: slots.count }, (_, slot) => slots.open(slot)))
    const placement = await Placement.of(copy, broker, known)
    const { positions } = placement
    if (replace) positions.push(...(await forgottenPlaces(plan, broker, known, positions)))
    const tasks = copy.tasks.map((task) => ({ ...task, ...placement.move(task) }))
    if (replace) tasks.push(...forgottenTasks(plan, counts, tasks, positions))
    const changes: StoreChanges[] = [
      ...scopes.map((scope) => ({ scope, entries: [], reset: true })),
      ...(hasChangelogs ? [] : tasks.map((task) => ({ scope: task.scope, entries: entriesOf(task), reset: true }))),
    ]
    const records: OutRecord[] = [...copy.records]
    if (writer !== undefined) records.push(...(await writer.tombstones(changelogs)), ...writer.records(tasks))
    await slots.commit(0, { records, positions, along: keeper === 'broker' ? changes : [] })
    if (keeper !== 'broker') {
      for (const { scope } of changes) await store.claim?.(scope)
      await store.commit(changes)
    }
    await slots.visible(app.clock, () => true)
  } finally {
    await slots.keep(new Set())
  }
}

type Task = CheckpointCopy['tasks'][number]

const entriesOf = ({ entries, plan, manifest }: Task): readonly StoreEntry[] => [
  ...entries,
  planEntry(plan),
  manifestEntry(manifest),
]

/** Exchanges are the app's to make; other topics are made if that is wanted. */
function missingTopics(
  { copy, createTopics = false }: StoreCheckpointOptions,
  existing: ReadonlyMap<string, number>,
): NewTopic[] {
  return Object.entries(copy.topics).flatMap(([topic, { partitions, positions, exchange }]): NewTopic[] => {
    if (existing.has(topic)) return []
    if (exchange === true) return [{ topic, partitions, keepsOld: true }]
    return createTopics ? [{ topic, partitions, ...(positions && { starts: positions.map((at) => at ?? 0) }) }] : []
  })
}

/** @throws TidemarkError `PLAN_MISMATCH` */
async function checkPlan(
  { app, stored, plan, copy }: StoreCheckpointOptions,
  counts: ReadonlyMap<string, number>,
): Promise<void> {
  for (const topic of topicsReadBy(plan)) {
    const was = copy.topics[topic]?.partitions
    if (was === undefined || was === counts.get(topic)) continue
    const message = `${topic} has ${counts.get(topic)} partitions here, and had ${was} where the file was written, so keys lie elsewhere`
    throw new TidemarkError('PLAN_MISMATCH', message, { app: plan.app, topic })
  }
  stored.upgrade(plan, counts).admit(copy.tasks)
  const exchanges = exchangesOf(plan)
  await checkNewExchanges(plan, app.upgrade, {
    hasTopic: (topic) => topic in copy.topics || !exchanges.has(topic),
    hasState: (state) => copy.tasks.some((task) => state in task.plan.states),
    positions: async (topics) =>
      topics.flatMap((topic) =>
        (copy.topics[topic]?.positions ?? []).map((at, partition) => ({ topic, partition, offset: at ?? 0 })),
      ),
  })
}

/** @throws TidemarkError `OFFSET_OUT_OF_RANGE` */
async function checkPlaces(
  { app, plan, copy }: StoreCheckpointOptions,
  existing: ReadonlyMap<string, number>,
): Promise<void> {
  for (const topic of topicsReadBy(plan)) {
    const { positions = [], exchange } = copy.topics[topic] ?? {}
    if (exchange === true || !existing.has(topic)) continue
    for (const [partition, { start, end }] of (await app.broker.ranges(topic)).entries()) {
      const offset = positions[partition] ?? start
      if (offset >= start && offset <= end) continue
      throw new TidemarkError(
        'OFFSET_OUT_OF_RANGE',
        `the file goes on at offset ${offset}, but the log here holds ${start} to ${end}: it has to have what comes next, at the same offsets. Where there is no such topic yet, { createTopics: true } makes one that begins there`,
        { app: app.id, topic, partition, offset },
      )
    }
  }
}

/** @throws TidemarkError `BAD_STATE` */
async function checkEmpty(
  { app: { id, broker, store }, plan }: StoreCheckpointOptions,
  scopes: readonly string[],
  changelogs: readonly string[],
): Promise<void> {
  const ranges = await Promise.all(changelogs.map((topic) => broker.ranges(topic)))
  const committed = await broker.committed(id, topicsReadBy(plan))
  const isInBroker = committed.length > 0 || ranges.flat().some(({ start, end }) => end > start)
  if (scopes.length === 0 && !isInBroker) return
  const where = scopes.length > 0 ? store.name : broker.name
  const message = `the app has state or offsets in ${where} already; { replace: true } throws them away for what is in the file`
  throw new TidemarkError('BAD_STATE', message, { app: id })
}

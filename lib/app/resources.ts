import type { TidemarkError } from '../record/errors.js'
import { GlobalReader } from './globalReader.js'
import { resolvePartitions } from './partitions.js'
import type { Plan } from './plan.js'
import type { PlanComparison } from './planComparison.js'
import type { RuntimeOptions } from './runtimeOptions.js'
import { Slots } from './slots.js'
import type { StoredState } from './storedState.js'
import { checkpointPartitions } from './taskScopes.js'
import type { Upgrade } from './upgrade.js'

/** More slots would mean more transactions at a time than a broker likes. */
const MAX_SLOTS = 16

/** What an app opens before it joins its group, and closes after it has left: broker, store, topics, global tables. */
export class Resources {
  /** Partitions by topic. */
  counts = new Map<string, number>()
  slots!: Slots
  /** Slots of which the local store has a copy. */
  readonly warm = new Set<number>()
  upgrade!: Upgrade
  /** What the upgrade has found. */
  comparison: (() => PlanComparison) | undefined
  globals: GlobalReader | undefined
  /** Undoes what has been done, the last first. */
  opened: (() => Promise<void>)[] = []

  constructor(
    private readonly options: RuntimeOptions,
    private readonly stored: StoredState,
    private readonly error: (error: TidemarkError, fatal: boolean) => void,
  ) {}

  async open(plan: Plan): Promise<void> {
    const { id, broker, store, keeper } = this.options
    await broker.connect()
    this.opened.push(() => broker.close())
    // By name: a topic that isn't there, and one that nobody shows us, are told apart.
    const named = plan.subTopologies.flatMap(({ sources, sinks }) => [...sources.map(({ topic }) => topic), ...sinks])
    const existing = await broker.topics([...new Set(named)])
    const hasChangelogs = keeper === 'changelogs'
    const { counts, missing } = resolvePartitions(plan, existing, hasChangelogs)
    this.counts = counts
    this.slots = new Slots(id, broker, Math.min(MAX_SLOTS, Math.max(...counts.values())))
    if (missing.length > 0) await broker.createTopics(missing)
    // A broker that keeps its topics in this very store has opened it.
    if (broker.store !== store) {
      await store.open(this.stored.storeName)
      this.opened.push(() => store.close())
    }
    this.upgrade = this.stored.upgrade(plan, counts)
    this.comparison = await this.upgrade.begin()
    if (hasChangelogs)
      for (const partition of await checkpointPartitions(plan, store)) this.warm.add(this.slots.of(partition))
    const globals = new GlobalReader(id, broker, this.options.globals, this.error)
    this.globals = globals
    this.opened.push(() => globals.close())
    await globals.open()
  }
}

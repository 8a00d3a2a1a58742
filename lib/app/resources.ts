import type { TidemarkError } from '../record/errors.js'
import { changelogTopic } from './changelog.js'
import { GlobalReader } from './globalReader.js'
import { checkNewExchanges } from './newExchanges.js'
import { resolvePartitions, topicsOf } from './partitions.js'
import type { Plan } from './plan.js'
import type { PlanComparison } from './planComparison.js'
import type { RuntimeOptions } from './runtimeOptions.js'
import { Slots } from './slots.js'
import type { StoredState } from './storedState.js'
import { checkpointPartitions } from './taskScopes.js'
import type { Upgrade } from './upgrade.js'

/** More slots would mean more transactions at a time than a broker likes. */
const MAX_SLOTS = 16

/** How many slots an app has. @param counts partitions by topic */
export const slotsOf = (counts: ReadonlyMap<string, number>): number =>
  Math.min(MAX_SLOTS, Math.max(...counts.values()))

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

  /** @param turn gives false if it isn't to be opened after all, once the broker is connected */
  async open(plan: Plan, turn: () => Promise<boolean>): Promise<void> {
    const { id, broker, store, keeper, clock } = this.options
    await broker.connect()
    this.opened.push(() => broker.close())
    if (!(await turn())) return
    const hasChangelogs = keeper === 'changelogs'
    // By name: a topic that isn't there, and one that nobody shows us, are told apart.
    const existing = await broker.topics(topicsOf(plan, hasChangelogs))
    const { counts, needed } = resolvePartitions(plan, existing, hasChangelogs)
    this.counts = counts
    this.slots = new Slots(id, broker, slotsOf(counts))
    // A broker that keeps its topics in this very store has opened it.
    if (broker.store !== store) {
      await store.open(this.stored.storeName)
      this.opened.push(() => store.close())
    }
    this.upgrade = this.stored.upgrade(plan, counts)
    this.comparison = await this.upgrade.begin()
    // An exchange that is there isn't new, the next time: it is made when nothing is refused.
    await checkNewExchanges(plan, this.options.upgrade, {
      hasTopic: (topic) => existing.has(topic),
      // One that has a changelog isn't new: what became of it is told when it is restored.
      hasState: (state) => existing.has(changelogTopic(id, state)),
      positions: (topics) => broker.committed(id, topics),
    })
    if (needed.length > 0) await broker.createTopics(needed)
    if (hasChangelogs)
      for (const partition of await checkpointPartitions(plan, store)) this.warm.add(this.slots.of(partition))
    const globals = new GlobalReader({ app: id, broker, clock, report: this.error }, this.options.globals)
    this.globals = globals
    this.opened.push(() => globals.close())
    await globals.open()
  }
}

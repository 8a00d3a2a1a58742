import type { Broker } from '../ports/broker.js'
import type { StoreAdapter, StoreEntry } from '../ports/store.js'
import { TidemarkError } from '../record/errors.js'
import { stateKey } from '../task/state.js'
import { changelogState, changelogsOf } from './changelog.js'
import { changelogTasks } from './changelogTasks.js'
import type { Snapshot } from './checkpoint.js'
import { comparePlans, compareStates, isListed, type PartitionsOf } from './comparePlans.js'
import type { Plan, SubTopology } from './plan.js'
import type { PlanComparison, StateComparison, UpgradeOptions } from './planComparison.js'
import { refile } from './refile.js'
import { type Orphan, planEntry } from './storedPlan.js'
import { type StoredTask, storedTasks, titleOf } from './taskScopes.js'

/** Takes an app's stored state over into its present plan. */
export class Upgrade {
  /** What becomes of the states of partitions that are filed in the store. */
  private readonly prepared = new Map<number, ReadonlyMap<string, StateComparison>>()
  /** Checkpoints that tasks of this process have been restored from, where changelogs hold them. */
  private readonly restored = new Map<string, StoredTask>()

  constructor(
    private readonly plan: Plan,
    private readonly partitionsOf: PartitionsOf,
    private readonly store: StoreAdapter,
    readonly options: UpgradeOptions,
    /** Where the states have changelogs. What the store has is only a copy then. */
    private readonly changelogs: Broker | undefined,
    private readonly maxStateBytes = Number.POSITIVE_INFINITY,
  ) {}

  /**
   * What is stored beside the plan; reads changelogs whole.
   *
   * @throws TidemarkError `BAD_OPTION` for a state that is to be dropped and is there
   */
  async compare(): Promise<PlanComparison> {
    this.checkOptions()
    const { app } = this.plan
    return this.comparisonOf(
      this.changelogs === undefined ? await this.stored() : await changelogTasks(app, this.changelogs),
    )
  }

  /**
   * Looks at what is stored before any task begins.
   *
   * @returns a comparison as far as one can be made by now
   * @throws TidemarkError `PLAN_MISMATCH`, `BAD_OPTION`
   */
  async begin(): Promise<() => PlanComparison> {
    if (this.changelogs !== undefined) {
      this.checkOptions()
      await this.dropChangelogs(this.changelogs)
      await this.clearCopies()
      return () => this.comparisonOf([...this.restored.values()])
    }
    const comparison = await this.compare()
    refuse(this.plan.app, comparison.states)
    return () => comparison
  }

  /**
   * Looks at checkpoints that are about to be stored.
   *
   * @throws TidemarkError `PLAN_MISMATCH`, `BAD_OPTION`
   */
  admit(tasks: readonly StoredTask[]): void {
    this.checkOptions()
    refuse(this.plan.app, this.comparisonOf(tasks).states)
  }

  /**
   * Files what is stored of some partitions as the plan has it, before their tasks are restored, each time: what a checkpoint has since taken over is not to
   * be taken over again. Changelogs are filed by state already.
   *
   * @throws TidemarkError `PLAN_MISMATCH`
   */
  async prepare(partitions: ReadonlySet<number>): Promise<void> {
    if (this.changelogs !== undefined) return
    await this.claimOld(partitions)
    const stored = await this.stored(partitions)
    for (const partition of partitions) {
      const tasks = stored.filter((task) => task.partition === partition)
      const compared = compareStates(this.plan, this.partitionsOf, tasks, this.options)
      refuse(this.plan.app, compared)
      const changes = await refile(this.plan, tasks, this.store, this.maxStateBytes)
      if (changes.length > 0) await this.store.commit(changes)
      for (const task of tasks) await this.dropLeft(task)
      this.prepared.set(partition, byName(compared))
    }
  }

  /**
   * What becomes of a task's states.
   *
   * @param snapshot what it is restored from
   * @throws TidemarkError `PLAN_MISMATCH`
   */
  statesOf(
    task: string,
    sub: SubTopology,
    partition: number,
    { manifest, plan }: Snapshot,
  ): ReadonlyMap<string, StateComparison> {
    const prepared = this.prepared.get(partition)
    if (prepared !== undefined) return prepared
    const stored = manifest && plan && { scope: task, title: sub.title, partition, manifest, plan }
    if (stored !== undefined) this.restored.set(task, stored)
    const only = { ...this.plan, subTopologies: [sub] }
    const compared = compareStates(only, this.partitionsOf, stored === undefined ? [] : [stored], this.options)
    refuse(this.plan.app, compared)
    return byName(compared)
  }

  /** Nobody claims the scope of a task that the plan doesn't have, and its former owner may still live. */
  private async claimOld(partitions: ReadonlySet<number>): Promise<void> {
    if (this.store.claim === undefined) return
    const titles = new Set(this.plan.subTopologies.map(({ title }) => title))
    for (const { scope, title } of await this.stored(partitions)) if (!titles.has(title)) await this.store.claim(scope)
  }

  private comparisonOf(tasks: readonly StoredTask[]): PlanComparison {
    return comparePlans(this.plan, this.partitionsOf, tasks, this.options)
  }

  private stored(partitions?: ReadonlySet<number>): Promise<StoredTask[]> {
    return storedTasks(this.plan.app, this.store, partitions)
  }

  private checkOptions(): void {
    for (const [name, { shape }] of this.plan.subTopologies.flatMap(({ states }) => [...states])) {
      if (!isListed(this.options.drop, name, shape.operator)) continue
      throw new TidemarkError(
        'BAD_OPTION',
        `upgrade: drop: an operator has the state ${name}; remove one or the other`,
        { app: this.plan.app, operator: shape.operator },
      )
    }
  }

  /** What the store has of tasks that the plan doesn't have would be taken for what changelogs held then. */
  private async clearCopies(): Promise<void> {
    const titles = new Set(this.plan.subTopologies.map(({ title }) => title))
    for (const scope of await this.store.scopes()) {
      const title = titleOf(this.plan.app, scope)
      if (title !== undefined && !titles.has(title)) await this.store.clear(scope)
    }
  }

  private async dropChangelogs(broker: Broker): Promise<void> {
    const dropped = [...(await broker.topics()).keys()].filter((topic) => {
      const state = changelogState(this.plan.app, topic)
      if (state === undefined || this.plan.subTopologies.some((sub) => changelogsOf(sub).includes(state))) return false
      return this.options.drop?.some((one) => state === one || state.startsWith(`${one}.`))
    })
    if (dropped.length > 0) await broker.deleteTopics(dropped)
  }

  /** Where no task reads any of its topics, nobody else drops what is to be dropped. */
  private async dropLeft({ scope, plan }: StoredTask): Promise<void> {
    const isRead = this.plan.subTopologies.some(({ sources }) => sources.some(({ topic }) => topic in plan.topics))
    const isKept = ([name, { operator }]: [string, { operator: string }]) =>
      !isListed(this.options.drop, name, operator)
    const states = Object.entries(plan.states)
    const orphans: [string, Orphan][] = Object.entries(plan.orphans)
    if (isRead || [...states, ...orphans].every(isKept)) return
    const dropped = [...states, ...orphans].filter((one) => !isKept(one)).map(([name]) => stateKey(name, ''))
    const entries: StoreEntry[] = []
    await this.store.load(scope, (stored) => {
      for (const [key] of stored) if (dropped.some((prefix) => key.startsWith(prefix))) entries.push([key, null])
    })
    entries.push(
      planEntry({
        ...plan,
        states: Object.fromEntries(states.filter(isKept)),
        orphans: Object.fromEntries(orphans.filter(isKept)),
      }),
    )
    await this.store.commit([{ scope, entries }])
  }
}

const byName = (states: readonly StateComparison[]) => new Map(states.map((state) => [state.state, state]))

/** @throws TidemarkError `PLAN_MISMATCH` if any of it is refused */
function refuse(app: string, states: readonly StateComparison[]): void {
  const refused = states.filter(({ isRefused }) => isRefused)
  if (refused.length === 0) return
  const isNew = refused.some(({ change }) => change === 'new')
  const isOther = refused.some(({ change }) => change === 'incompatible')
  const orphaned = states.filter(({ change }) => change === 'orphaned').map(({ state }) => state)
  const advice = [
    ...(isNew && orphaned.length > 0
      ? [`give a renamed one its former name (${orphaned.join(', ')} have no operator)`]
      : []),
    ...(isOther ? ['raise the version and give migrate where only values have changed', 'give it another name'] : []),
    `let it begin empty at the present offsets with createApp({ upgrade: { startEmpty: [${refused.map(({ state }) => `'${state}'`).join(', ')}] } })`,
    'give the app another id to build all state anew from the log',
  ]
  throw new TidemarkError(
    'PLAN_MISMATCH',
    `the plan's states aren't those that are stored: ${refused
      .map(({ state, change, text }) => `${state} is ${change}: ${text}`)
      .join('; ')}. Either ${advice.join(', or ')}`,
    { app },
  )
}

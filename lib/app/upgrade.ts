import type { StoreAdapter, StoreEntry } from '../ports/store.js'
import { TidemarkError } from '../record/errors.js'
import { stateKey } from '../task/state.js'
import { comparePlans, compareStates, isListed, type PartitionsOf } from './comparePlans.js'
import type { Plan } from './plan.js'
import type { PlanComparison, StateComparison, UpgradeOptions } from './planComparison.js'
import { refile } from './refile.js'
import { type Orphan, planEntry } from './storedPlan.js'
import { type StoredTask, storedTasks } from './taskScopes.js'

/** Takes an app's stored state over into its present plan. */
export class Upgrade {
  constructor(
    private readonly plan: Plan,
    private readonly partitionsOf: PartitionsOf,
    private readonly store: StoreAdapter,
    private readonly options: UpgradeOptions,
  ) {}

  /**
   * What is stored beside the plan.
   *
   * @throws TidemarkError `BAD_OPTION` for a state that is to be dropped and is there
   */
  async compare(): Promise<PlanComparison> {
    const planned = this.plan.subTopologies.flatMap(({ states }) => [...states])
    for (const [name, { shape }] of planned) {
      if (!isListed(this.options.drop, name, shape.operator)) continue
      throw new TidemarkError(
        'BAD_OPTION',
        `upgrade: drop: an operator has the state ${name}; remove one or the other`,
        {
          app: this.plan.app,
          operator: shape.operator,
        },
      )
    }
    return comparePlans(this.plan, this.partitionsOf, await this.tasks(), this.options)
  }

  /**
   * Files what is stored of some partitions as the plan has it, before their tasks are opened.
   *
   * @returns what becomes of their states, by partition
   * @throws TidemarkError `PLAN_MISMATCH`
   */
  async prepare(partitions: ReadonlySet<number>): Promise<Map<number, ReadonlyMap<string, StateComparison>>> {
    const stored = await this.tasks()
    const prepared = new Map<number, ReadonlyMap<string, StateComparison>>()
    for (const partition of partitions) {
      const tasks = stored.filter((task) => task.partition === partition)
      const compared = compareStates(this.plan, this.partitionsOf, tasks, this.options)
      refuse(this.plan.app, compared)
      const changes = await refile(this.plan, tasks, this.store)
      if (changes.length > 0) await this.store.commit(changes)
      for (const task of tasks) await this.dropLeft(task)
      prepared.set(partition, new Map(compared.map((state) => [state.state, state])))
    }
    return prepared
  }

  private tasks(): Promise<StoredTask[]> {
    return storedTasks(this.plan.app, this.store)
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
    for (const [key] of await this.store.load(scope))
      if (dropped.some((prefix) => key.startsWith(prefix))) entries.push([key, null])
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

/** @throws TidemarkError `PLAN_MISMATCH` if any of it is refused */
export function refuse(app: string, states: readonly StateComparison[]): void {
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

import type { Position } from '../ports/broker.js'
import type { StoreEntry } from '../ports/store.js'
import { writtenBy } from './drain.js'
import { resolvePartitions, tasksOf } from './partitions.js'
import type { Plan, SubTopology } from './plan.js'
import { Restore } from './restore.js'
import type { RuntimeOptions } from './runtimeOptions.js'
import { endsOf, type Savepoint, Savepoints } from './savepoints.js'
import { taskId } from './taskId.js'
import { checkpointScope, isTaskScope } from './taskScopes.js'
import { Upgrade } from './upgrade.js'

/** An app's state where it is kept, to be compared and copied whether or not the app runs. */
export class StoredState {
  readonly savepoints: Savepoints

  constructor(private readonly options: RuntimeOptions) {
    this.savepoints = new Savepoints(options.id, options.store)
  }

  /** The name under which the app opens its store. */
  get storeName(): string {
    const { id, instance, store } = this.options
    return store.shared || instance === '' ? id : `${id}.${instance}`
  }

  upgrade(plan: Plan, counts: ReadonlyMap<string, number>): Upgrade {
    const { store, upgrade, keeper, broker } = this.options
    const changelogs = keeper === 'changelogs' ? broker : undefined
    return new Upgrade(plan, (topic) => counts.get(topic), store, upgrade, changelogs)
  }

  /** Opens broker and store for something that is done without running. */
  async open<T>(run: (plan: Plan) => Promise<T>): Promise<T> {
    const { broker, store } = this.options
    const plan = this.options.plan()
    await broker.connect()
    try {
      if (broker.store !== store) await store.open(this.storeName)
      try {
        return await run(plan)
      } finally {
        if (broker.store !== store) await store.close()
      }
    } finally {
      await broker.close()
    }
  }

  /** The same, where all topics are there. */
  visit<T>(run: (plan: Plan, counts: ReadonlyMap<string, number>) => Promise<T>): Promise<T> {
    const { broker, keeper } = this.options
    return this.open(async (plan) => {
      const { counts } = resolvePartitions(plan, await broker.topics(), keeper === 'changelogs')
      return run(plan, counts)
    })
  }

  /** A savepoint of an app that doesn't run. */
  saveUnstarted(name: string): Promise<Savepoint> {
    const { id, broker } = this.options
    return this.visit(async (plan, counts) => {
      const committed = await broker.committed(id, topicsReadBy(plan))
      return this.save(name, plan, committed, allOf(plan, counts))
    })
  }

  /**
   * Copies what is stored of some tasks, right after their checkpoint.
   *
   * @param positions how far they have read
   */
  async save(
    name: string,
    plan: Plan,
    positions: readonly Position[],
    partitionsOf: (sub: SubTopology) => readonly number[],
  ): Promise<Savepoint> {
    const { broker, clock } = this.options
    const ends = await endsOf(broker, writtenBy(plan))
    return this.savepoints.take(name, { at: clock.now(), ends, positions }, await this.changelogged(plan, partitionsOf))
  }

  /** What is stored of some tasks, by scope, and of all that the plan doesn't have any more where the store has it. */
  async scopes(
    plan: Plan,
    partitionsOf: (sub: SubTopology) => readonly number[],
  ): Promise<ReadonlyMap<string, readonly StoreEntry[]>> {
    const changelogged = await this.changelogged(plan, partitionsOf)
    if (changelogged !== undefined) return changelogged
    const { id: app, store } = this.options
    const scopes = new Map<string, readonly StoreEntry[]>()
    for (const scope of await store.scopes())
      if (isTaskScope(app, scope)) scopes.set(scope, [...(await store.load(scope))])
    return scopes
  }

  /** What changelogs hold of some tasks, by scope; undefined where the store has it all. */
  private async changelogged(
    plan: Plan,
    partitionsOf: (sub: SubTopology) => readonly number[],
  ): Promise<Map<string, readonly StoreEntry[]> | undefined> {
    const { id: app, broker, clock, keeper } = this.options
    if (keeper !== 'changelogs') return undefined
    const scopes = new Map<string, readonly StoreEntry[]>()
    for (const sub of plan.subTopologies) {
      for (const partition of partitionsOf(sub)) {
        // A store without anything: all of it is read.
        const store = { load: async () => [] }
        const task = taskId(sub.id, partition)
        const restore = new Restore({ app, task, sub, partition, broker, store, clock, hasChangelogs: true })
        const entries = (await restore.run()).missing.filter(([, value]) => value !== null)
        if (entries.length > 0) scopes.set(checkpointScope(app, sub, partition), entries)
      }
    }
    return scopes
  }
}

/** The partitions of all tasks of a plan. */
export const allOf = (plan: Plan, counts: ReadonlyMap<string, number>) => (sub: SubTopology) => [
  ...Array(tasksOf(plan, sub.id, counts)).keys(),
]

/** Each topic that a plan reads, once. */
export const topicsReadBy = (plan: Plan): string[] => [
  ...new Set(plan.subTopologies.flatMap(({ sources }) => sources.map(({ topic }) => topic))),
]

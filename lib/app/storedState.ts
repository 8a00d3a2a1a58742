import type { Position } from '../ports/broker.js'
import { loadAll } from '../ports/loadAll.js'
import type { StoreEntry } from '../ports/store.js'
import { allOf, resolvePartitions } from './partitions.js'
import type { Plan, SubTopology } from './plan.js'
import { topicsReadBy, topicsWrittenBy } from './planTopics.js'
import { Restore } from './restore.js'
import type { RuntimeOptions } from './runtimeOptions.js'
import { endsOf, type KeptScopes, type Savepoint, Savepoints } from './savepoints.js'
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
    const { store, upgrade, keeper, broker, readThrough } = this.options
    const changelogs = keeper === 'changelogs' ? broker : undefined
    return new Upgrade(plan, (topic) => counts.get(topic), store, upgrade, changelogs, readThrough?.maxBytes)
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
      return this.save(name, plan, committed, allOf(plan, counts), 'ended')
    })
  }

  /**
   * Copies what is stored of some tasks: those that run right after their checkpoint.
   *
   * @param positions how far they have read
   */
  async save(
    name: string,
    plan: Plan,
    positions: readonly Position[],
    partitionsOf: (sub: SubTopology) => readonly number[],
    tasks: 'running' | 'ended',
  ): Promise<Savepoint> {
    const { broker, clock } = this.options
    const ends = await endsOf(broker, topicsWrittenBy(plan))
    const kept = await this.kept(plan, partitionsOf, tasks)
    return this.savepoints.take(name, { at: clock.now(), ends, positions }, kept)
  }

  /**
   * What is stored of some tasks, by scope, and of all that the plan doesn't have any more where the store has it.
   *
   * @param tasks `running`: their local checkpoints are up to date
   */
  async scopes(
    plan: Plan,
    partitionsOf: (sub: SubTopology) => readonly number[],
    tasks: 'running' | 'ended',
  ): Promise<ReadonlyMap<string, readonly StoreEntry[]>> {
    const scopes = new Map<string, readonly StoreEntry[]>()
    for (const [scope, entries] of await this.kept(plan, partitionsOf, tasks))
      scopes.set(scope, entries ?? (await loadAll(this.options.store, scope)))
    return scopes
  }

  /**
   * The same, without what the store has: undefined stands for that.
   *
   * @param tasks `running`: their local checkpoints are up to date
   */
  private async kept(
    plan: Plan,
    partitionsOf: (sub: SubTopology) => readonly number[],
    tasks: 'running' | 'ended',
  ): Promise<KeptScopes> {
    const { id: app, broker, store, clock, keeper, readThrough } = this.options
    const scopes = new Map<string, readonly StoreEntry[] | undefined>()
    if (keeper !== 'changelogs') {
      for (const scope of await store.scopes()) if (isTaskScope(app, scope)) scopes.set(scope, undefined)
      return scopes
    }
    for (const sub of plan.subTopologies) {
      for (const partition of partitionsOf(sub)) {
        const scope = checkpointScope(app, sub, partition)
        const task = { app, task: taskId(sub.id, partition), sub, partition, broker, clock, hasChangelogs: true }
        if (readThrough !== undefined) {
          if (tasks === 'ended') await new Restore({ ...task, store, readThrough }).copy()
          scopes.set(scope, undefined)
          continue
        }
        // A store without anything: all of it is read.
        const restore = new Restore({ ...task, store: { load: async () => {} }, readThrough })
        const entries = (await restore.run()).missing.filter(([, value]) => value !== null)
        if (entries.length > 0) scopes.set(scope, entries)
      }
    }
    return scopes
  }
}

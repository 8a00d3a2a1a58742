import type { Position } from '../ports/broker.js'
import type { StoreEntry } from '../ports/store.js'
import { writtenBy } from './drain.js'
import { resolvePartitions, tasksOf } from './partitions.js'
import type { Plan, SubTopology } from './plan.js'
import { Restore } from './restore.js'
import type { RuntimeOptions } from './runtimeOptions.js'
import { endsOf, type Savepoint, Savepoints } from './savepoints.js'
import { taskId } from './taskId.js'
import { checkpointScope } from './taskScopes.js'
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
  async visit<T>(run: (plan: Plan, counts: ReadonlyMap<string, number>) => Promise<T>): Promise<T> {
    const { broker, store, keeper } = this.options
    const plan = this.options.plan()
    await broker.connect()
    try {
      const { counts } = resolvePartitions(plan, await broker.topics(), keeper === 'changelogs')
      if (broker.store !== store) await store.open(this.storeName)
      try {
        return await run(plan, counts)
      } finally {
        if (broker.store !== store) await store.close()
      }
    } finally {
      await broker.close()
    }
  }

  /** A savepoint of an app that doesn't run. */
  saveUnstarted(name: string): Promise<Savepoint> {
    const { id, broker } = this.options
    return this.visit(async (plan, counts) => {
      const topics = plan.subTopologies.flatMap(({ sources }) => sources.map(({ topic }) => topic))
      const committed = await broker.committed(id, [...new Set(topics)])
      return this.save(name, plan, committed, (sub) => [...Array(tasksOf(plan, sub.id, counts)).keys()], 'ended')
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
    const ends = await endsOf(broker, writtenBy(plan))
    const saved = await this.changelogged(plan, partitionsOf, tasks)
    return this.savepoints.take(name, { at: clock.now(), ends, positions }, saved)
  }

  /**
   * What changelogs hold of some tasks, by scope; or, where values stay in the local store, the scopes that have it there. Undefined where the store has it all.
   *
   * @param tasks `running`: their local checkpoints are up to date
   */
  private async changelogged(
    plan: Plan,
    partitionsOf: (sub: SubTopology) => readonly number[],
    tasks: 'running' | 'ended',
  ): Promise<Map<string, readonly StoreEntry[]> | Set<string> | undefined> {
    const { id: app, broker, store, clock, keeper, readThrough } = this.options
    if (keeper !== 'changelogs') return undefined
    const copies = new Map<string, readonly StoreEntry[]>()
    const local = new Set<string>()
    for (const sub of plan.subTopologies) {
      for (const partition of partitionsOf(sub)) {
        const scope = checkpointScope(app, sub, partition)
        const task = { app, task: taskId(sub.id, partition), sub, partition, broker, clock, hasChangelogs: true }
        if (readThrough !== undefined) {
          if (tasks === 'ended') await new Restore({ ...task, store, readThrough }).run()
          local.add(scope)
          continue
        }
        // A store without anything: all of it is read.
        const restore = new Restore({ ...task, store: { load: async () => {} }, readThrough })
        const entries = (await restore.run()).missing.filter(([, value]) => value !== null)
        if (entries.length > 0) copies.set(scope, entries)
      }
    }
    return readThrough === undefined ? copies : local
  }
}

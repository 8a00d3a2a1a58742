import type { StoreAdapter } from '../ports/store.js'
import { MANIFEST, type Manifest, readManifest, readPlan } from './checkpoint.js'
import type { SubTopology } from './plan.js'
import { PLAN, type StoredPlan } from './storedPlan.js'

/** A task's checkpoint as the store has it, without its states' entries. */
export interface StoredTask {
  readonly scope: string
  /** The topics that it read. */
  readonly title: string
  readonly partition: number
  readonly manifest: Manifest
  readonly plan: StoredPlan
}

const prefixOf = (app: string) => `task/${app}/`

/** The store's scope of the checkpoint of a task that reads that partition of those topics. */
export const taskScope = (app: string, title: string, partition: number) => `${prefixOf(app)}${title}/${partition}`

/** The store's scope of a task's checkpoint. */
export const checkpointScope = (app: string, sub: SubTopology, partition: number) =>
  taskScope(app, sub.title, partition)

/** All checkpoints of an app that a store has. */
export async function storedTasks(app: string, store: StoreAdapter): Promise<StoredTask[]> {
  const prefix = prefixOf(app)
  const found: StoredTask[] = []
  for (const scope of await store.scopes()) {
    if (!scope.startsWith(prefix)) continue
    const name = scope.slice(prefix.length)
    const slash = name.lastIndexOf('/')
    const [manifest, plan] = await entriesOf(store, scope, [MANIFEST, PLAN])
    const task = { manifest: readManifest(name, manifest), plan: readPlan(name, plan) }
    if (task.manifest === undefined || task.plan === undefined) continue
    found.push({
      scope,
      title: name.slice(0, slash),
      partition: Number(name.slice(slash + 1)),
      manifest: task.manifest,
      plan: task.plan,
    })
  }
  return found
}

/** Without the rest of the scope, where the store can do that. */
async function entriesOf(store: StoreAdapter, scope: string, keys: readonly string[]) {
  if (store.getSync !== undefined) return keys.map((key) => store.getSync?.(scope, key))
  const entries = new Map(await store.load(scope))
  return keys.map((key) => entries.get(key))
}

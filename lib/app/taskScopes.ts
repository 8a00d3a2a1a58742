import type { StoreAdapter, StoreEntry } from '../ports/store.js'
import { MANIFEST, type Manifest, readManifest, readPlan, stateOf } from './checkpoint.js'
import type { Plan, SubTopology } from './plan.js'
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

/** The partitions of which a store has checkpoints of the plan's tasks. */
export async function checkpointPartitions({ app, subTopologies }: Plan, store: StoreAdapter): Promise<number[]> {
  const known = new Set(subTopologies.map((sub) => sub.title))
  const prefix = prefixOf(app)
  return (await store.scopes()).flatMap((scope) => {
    const slash = scope.lastIndexOf('/')
    return scope.startsWith(prefix) && known.has(scope.slice(prefix.length, slash))
      ? [Number(scope.slice(slash + 1))]
      : []
  })
}

/** The topics that the task of a scope read; undefined if it is no task's. */
export const titleOf = (app: string, scope: string): string | undefined =>
  isTaskScope(app, scope) ? scope.slice(prefixOf(app).length, scope.lastIndexOf('/')) : undefined

export const isTaskScope = (app: string, scope: string): boolean => scope.startsWith(prefixOf(app))

/** The checkpoints of an app that a store has: all of them, or those of some partitions. */
export async function storedTasks(
  app: string,
  store: StoreAdapter,
  partitions?: ReadonlySet<number>,
): Promise<StoredTask[]> {
  const found: StoredTask[] = []
  for (const scope of await store.scopes()) {
    if (!isTaskScope(app, scope)) continue
    if (partitions?.has(Number(scope.slice(scope.lastIndexOf('/') + 1))) === false) continue
    const task = readTask(app, scope, await entriesOf(store, scope))
    if (task !== undefined) found.push(task)
  }
  return found
}

/** A task by what its scope holds; undefined if that is no checkpoint. */
export function readTask(
  app: string,
  scope: string,
  entries: ReadonlyMap<string, Uint8Array | undefined>,
): StoredTask | undefined {
  const name = scope.slice(prefixOf(app).length)
  const slash = name.lastIndexOf('/')
  const manifest = readManifest(name, entries.get(MANIFEST))
  const plan = readPlan(name, entries.get(PLAN))
  if (manifest === undefined || plan === undefined) return undefined
  return { scope, title: name.slice(0, slash), partition: Number(name.slice(slash + 1)), manifest, plan }
}

/** Takes what concerns the whole task from among a checkpoint's entries. */
export function addHeads(heads: Map<string, Uint8Array>, entries: Iterable<StoreEntry>): void {
  for (const [key, value] of entries) if (stateOf(key) === undefined && value !== null) heads.set(key, value)
}

/** Without a state's. */
async function entriesOf(store: StoreAdapter, scope: string): Promise<ReadonlyMap<string, Uint8Array | undefined>> {
  const { getSync } = store
  if (getSync !== undefined) return new Map([MANIFEST, PLAN].map((key) => [key, getSync.call(store, scope, key)]))
  const heads = new Map<string, Uint8Array>()
  await store.load(scope, (entries) => addHeads(heads, entries))
  return heads
}

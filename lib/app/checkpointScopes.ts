import type { StoreAdapter } from '../ports/store.js'
import { TidemarkError } from '../record/errors.js'
import type { Snapshot } from './checkpoint.js'
import type { Plan, SubTopology } from './plan.js'

const prefixOf = (app: string) => `task/${app}/`

/** The store's scope of a task's checkpoint. */
export const checkpointScope = (app: string, sub: SubTopology, partition: number) =>
  `${prefixOf(app)}${sub.title}/${partition}`

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

/**
 * Checkpoints of sub-topologies that the plan doesn't have would be left behind, and come back as of then.
 *
 * @throws TidemarkError `PLAN_MISMATCH`
 */
export async function checkScopes({ app, subTopologies }: Plan, store: StoreAdapter): Promise<void> {
  const known = new Set(subTopologies.map((sub) => sub.title))
  const prefix = prefixOf(app)
  for (const scope of await store.scopes()) {
    if (!scope.startsWith(prefix)) continue
    const title = scope.slice(prefix.length, scope.lastIndexOf('/'))
    if (known.has(title)) continue
    throw new TidemarkError(
      'PLAN_MISMATCH',
      `the store has a checkpoint of a sub-topology that read ${title.replaceAll('+', ', ')}, and none of the plan's reads just that. Restore the pipeline, or give the app another id (or clear its store) to build the state anew from the log`,
      { app },
    )
  }
}

/**
 * A checkpoint of other states than the plan's would restore some of them as of another time.
 *
 * @throws TidemarkError `PLAN_MISMATCH`
 */
export function checkStates(app: string, task: string, sub: SubTopology, { manifest }: Snapshot): void {
  if (manifest === undefined) return
  const gone = manifest.states.filter((name) => !sub.states.includes(name))
  const added = sub.states.filter((name) => !manifest.states.includes(name))
  if (gone.length + added.length === 0) return
  throw new TidemarkError(
    'PLAN_MISMATCH',
    `the checkpoint of task ${task} was written by another plan: ${[
      ...gone.map((name) => `it has a state ${name} that no operator has now`),
      ...added.map((name) => `it has no state ${name}`),
    ].join(
      ', ',
    )}. Restore the names, or give the app another id (or clear its store) to build the state anew from the log`,
    { app },
  )
}

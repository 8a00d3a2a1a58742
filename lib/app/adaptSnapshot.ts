import type { Snapshot } from './checkpoint.js'
import { isListed } from './comparePlans.js'
import { dictionary } from './dictionary.js'
import type { SubTopology } from './plan.js'
import type { StateComparison, UpgradeOptions } from './planComparison.js'
import { type Orphan, planEntry, type StoredPlan } from './storedPlan.js'

/**
 * Makes a task's checkpoint one of the present plan: migrates values, drops what can't go on, sets aside what no operator has any more. What that
 * changes is written with the task's next checkpoint, in one with the plan: it is done once.
 *
 * @param next the task's part of the plan, without what was left out
 * @param compared what becomes of the states of its partition
 * @throws TidemarkError `OPERATOR_FAILED` if a `migrate` throws
 */
export function adaptSnapshot(
  snapshot: Snapshot,
  sub: SubTopology,
  next: StoredPlan,
  compared: ReadonlyMap<string, StateComparison>,
  { drop }: UpgradeOptions,
): void {
  const { plan, manifest } = snapshot
  const orphans = dictionary<Orphan>()
  const at = manifest?.positions ?? []
  for (const [name, shape] of Object.entries({ ...plan?.orphans, ...plan?.states })) {
    const planned = sub.states.get(name)
    const change = compared.get(name)
    if (change?.change === 'incompatible' || (planned === undefined && isListed(drop, name, shape.operator))) {
      snapshot.drop(name)
    } else if (planned === undefined) {
      orphans[name] = { ...shape, at: (shape as Orphan).at ?? at }
    } else if (change?.migratesFrom !== undefined) {
      const { migrate, part } = planned
      const from = change.migratesFrom
      snapshot.replace(name, (value) => migrate?.(value, from, part))
    }
  }
  const left = [...at, ...(plan?.left ?? [])].filter(({ topic }) => !(topic in next.topics))
  const now = { ...next, orphans, left }
  if (JSON.stringify(now) !== JSON.stringify(plan)) snapshot.note(planEntry(now))
}

import type { Position } from '../ports/broker.js'
import { TidemarkError } from '../record/errors.js'
import { isListed, originsOf } from './comparePlans.js'
import type { Plan } from './plan.js'
import type { UpgradeOptions } from './planComparison.js'

/** What was there before this plan. */
export interface Before {
  hasTopic(topic: string): boolean
  hasState(state: string): boolean
  /** How far topics had been read. */
  positions(topics: readonly string[]): Promise<readonly Position[]>
}

/**
 * What the app has read already never comes through an exchange that is new.
 *
 * @throws TidemarkError `PLAN_MISMATCH`
 */
export async function checkNewExchanges(plan: Plan, { startEmpty }: UpgradeOptions, before: Before): Promise<void> {
  for (const sub of plan.subTopologies) {
    for (const [state, { shape }] of sub.states) {
      if (isListed(startEmpty, state, shape.operator) || before.hasState(state)) continue
      const fresh = shape.topics.filter((topic) => !before.hasTopic(topic))
      const origins = originsOf(plan, fresh, before.hasTopic).filter(before.hasTopic)
      if (origins.length === 0) continue
      const read = (await before.positions(origins)).filter(({ offset }) => offset > 0)
      if (read.length === 0) continue
      const topics = [...new Set(read.map(({ topic }) => topic))].join(', ')
      throw new TidemarkError(
        'PLAN_MISMATCH',
        `state ${state} is new, and so is the exchange ${fresh.join(', ')} before it: it would begin empty, though records of ${topics} have been handled. Allow it with upgrade: { startEmpty: ['${state}'] }, or give the app another id to build all of it from the log`,
        { app: plan.app },
      )
    }
  }
}

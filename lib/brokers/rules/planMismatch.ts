import { show, TidemarkError } from '../../record/errors.js'

/** What a member sends ahead of its plan, so that members whose slots differ don't share partitions either. */
export function fingerprint(plan: string, slots: number): string {
  return `${slots} slots\n${plan}`
}

/** The error of a member whose plan isn't the group's. Plans with one line per operator are named by the first line that differs. */
export function planMismatch(group: string, mine: string, leader: string): TidemarkError {
  const mineLines = mine.split('\n')
  const leaderLines = leader.split('\n')
  const at = mineLines.findIndex((line, index) => line !== leaderLines[index])
  const own = at === -1 ? undefined : mineLines[at]
  const other = leaderLines[at === -1 ? mineLines.length : at]
  return new TidemarkError(
    'PLAN_MISMATCH',
    `group ${show(group)} runs another plan: this member has ${own === undefined ? 'nothing' : show(own)} where the group's leader has ${other === undefined ? 'nothing' : show(other)}; stop all members before starting a changed pipeline, or give it another app id`,
  )
}

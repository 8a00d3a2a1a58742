import type { StoreAdapter } from '../ports/store.js'
import { TidemarkError } from '../record/errors.js'
import type { StateKeeper } from './committer.js'
import type { PlanScope } from './planScope.js'

/**
 * Rows and checkpoint are one transaction in the store that keeps the state, and nowhere else.
 *
 * @throws TidemarkError `BAD_OPTION`
 */
export function checkRows(app: string, scope: PlanScope, store: StoreAdapter, keeper: StateKeeper): void {
  for (const { operator, definition } of scope.order) {
    const { role } = definition
    if (role?.is !== 'rows' || (role.transactions === store.transactions && keeper === 'store')) continue
    const elsewhere =
      keeper === 'changelogs'
        ? 'the app keeps its state in changelogs; set changelog: false'
        : `the app keeps them in ${store.name}; pass that same store to createApp`
    const message = `it writes rows in the transaction of the checkpoints in ${role.store}, and ${elsewhere}`
    throw new TidemarkError('BAD_OPTION', message, { app, operator })
  }
}

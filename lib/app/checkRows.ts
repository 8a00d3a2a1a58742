import type { StoreAdapter } from '../ports/store.js'
import { TidemarkError } from '../record/errors.js'
import type { PlanScope } from './planScope.js'

/**
 * Rows and checkpoint are one transaction in the store that has the checkpoint, and in no other.
 *
 * @throws TidemarkError `BAD_OPTION`
 */
export function checkRows(app: string, scope: PlanScope, store: StoreAdapter): void {
  for (const { operator, definition } of scope.order) {
    const { role } = definition
    if (role?.is !== 'rows' || role.transactions === store.transactions) continue
    throw new TidemarkError(
      'BAD_OPTION',
      `it writes rows with the checkpoints of ${role.store}, and the app keeps its checkpoints in ${store.name}; pass that same store to createApp`,
      { app, operator },
    )
  }
}

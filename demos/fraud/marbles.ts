import type { MarbleViewOptions } from 'tidemark/marbles'
import { spanOf } from '../site/spanOf.js'

/** What of the pipeline is drawn, and how. */
export const marbles = (): MarbleViewOptions => ({
  span: spanOf('2h', '45m'),
  lanes: ['transactions', 'to fraud-alerts', 'volume'],
  titles: { transactions: 'Transactions', 'to fraud-alerts': 'Alerts', volume: 'Volume per country' },
  rows: 5,
  format: (value: any) =>
    value?.reason ??
    (typeof value?.merchant === 'string' ? `${value.amount / 100} at the ${value.merchant}` : JSON.stringify(value)),
})

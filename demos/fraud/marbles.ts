import type { MarbleViewOptions } from 'tidemark/marbles'
import { money } from './pipeline.js'

/** What of the pipeline is drawn, and how. */
export const marbles = (): MarbleViewOptions => ({
  span: '30m',
  lanes: ['transactions', 'recent', 'volume'],
  titles: { transactions: 'Transactions' },
  format: (value: any) =>
    typeof value?.amount === 'number' && typeof value.country === 'string'
      ? `${money(value.amount)} in ${value.country}`
      : JSON.stringify(value),
})

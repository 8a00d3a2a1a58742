import type { InputRecord } from 'tidemark/testing'
import { type Customer, type Transaction, topics } from '../../demos/fraud/pipeline.js'
import { keyIn, PARTITIONS } from './partitions.js'

const MINUTE = 60_000
const START = Date.UTC(2026, 0, 1)

export const CUSTOMERS: readonly (readonly [user: string, Customer])[] = [
  ['ada', { name: 'Ada Berg', country: 'DE' }],
  ['ben', { name: 'Ben Costa', country: 'FR' }],
]

export const TRANSACTIONS = (
  [
    ['ada', 0, 10_00, 'DE'],
    ['ben', 1, 20_00, 'FR'],
    ['ada', 1, 11_00, 'DE'],
    ['ada', 3, 12_00, 'DE'],
    ['ada', 2.5, 13_00, 'DE'],
    ['ben', 30, 6_000_00, 'FR'],
    ['ben', 40, 4_500_00, 'IT'],
    ['ben', 10, 9_00, 'FR'],
    ['ada', 65, 14_00, 'US'],
    // Each partition comes so far that hours close, and a day later.
    ...Array.from({ length: PARTITIONS }, (_, n) => [keyIn(n, 'user'), 200 + n, 1_00, 'SE'] as const),
    ['ada', 25 * 60, 1_00, 'DE'],
  ] as const
).map(
  ([user, minutes, amount, country], n): Transaction => ({
    id: `t${n}`,
    user,
    amount,
    merchant: 'grocer',
    country,
    time: START + minutes * MINUTE,
  }),
)

export const INPUT: readonly InputRecord[] = [
  ...CUSTOMERS.map(([key, value]) => ({ topic: topics.customers, key, value, timestamp: START - MINUTE })),
  ...TRANSACTIONS.map((value) => ({ topic: topics.transactions, key: value.user, value, timestamp: value.time })),
]

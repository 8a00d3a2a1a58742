import { expect, test } from '@jest/globals'
import { expectSameUnderFaults, type InputRecord } from 'tidemark/testing'
import { type Customer, fraud, type Transaction, topics } from '../../demos/fraud/pipeline.js'
import { partitionOf } from '../../lib/record/partitionOf.js'
import { string } from '../../lib/record/serde.js'
import { WATERMARK } from '../demos/outcome.js'
import { plainLoop } from '../demos/plainLoop.js'

const PARTITIONS = 4
const MINUTE = 60_000
const START = Date.UTC(2026, 0, 1)
const partition = (user: string) => partitionOf(string().serialize(user), PARTITIONS)

const CUSTOMERS: readonly (readonly [user: string, Customer])[] = [
  ['ada', { name: 'Ada Berg', country: 'DE' }],
  ['ben', { name: 'Ben Costa', country: 'FR' }],
]

const TRANSACTIONS = (
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
    ...Array.from({ length: PARTITIONS }, (_, n) => [userIn(n), 200 + n, 1_00, 'SE'] as const),
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

/** A user whose records are in that partition. */
function userIn(wanted: number): string {
  for (let n = 0; ; n++) if (partition(`user-${n}`) === wanted) return `user-${n}`
}

const INPUT: readonly InputRecord[] = [
  ...CUSTOMERS.map(([key, value]) => ({ topic: topics.customers, key, value, timestamp: START - MINUTE })),
  ...TRANSACTIONS.map((value) => ({ topic: topics.transactions, key: value.user, value, timestamp: value.time })),
]

test('these transactions break every rule, come late and close hours', () => {
  const { alerts, late, volume } = plainLoop(TRANSACTIONS, new Map(CUSTOMERS), partition)
  const rules = new Set([...alerts.values()].flat().map(({ rule }) => rule))
  expect([...rules].sort()).toEqual(['daily-spend', 'large-amount', 'many-transactions', 'new-country'])
  expect(late.size).toBe(1)
  expect(volume.size).toBeGreaterThan(3)
})

const MAX_RUNS = Number(process.env.FAULTS ?? 20)

test('fraud', async () => {
  const report = await expectSameUnderFaults((app) => fraud(app, { watermark: WATERMARK }), INPUT, {
    topics: Object.fromEntries(Object.values(topics).map((topic) => [topic, PARTITIONS])),
    // Alerts of several users, and hours of several countries, share partitions.
    compare: 'perKey',
    maxRuns: MAX_RUNS,
  })
  expect(report.tried).toBe(Math.min(report.possible, MAX_RUNS))
})

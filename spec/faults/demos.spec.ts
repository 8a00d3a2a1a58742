import { expect, test } from '@jest/globals'
import type { App } from 'tidemark'
import { expectSameUnderFaults, type InputRecord } from 'tidemark/testing'
import { topicsOf } from '../../demos/shared/demo.js'
import { clickstreamCase } from '../demos/clickstreamCase.js'
import { plainLoop as sessionsOf } from '../demos/clickstreamLoop.js'
import type { DemoCase } from '../demos/demoCase.js'
import { fraudCase } from '../demos/fraudCase.js'
import { plainLoop as fraudOf } from '../demos/fraudLoop.js'
import { ordersCase } from '../demos/ordersCase.js'
import { plainLoop as judge } from '../demos/ordersLoop.js'
import { INPUT as CLICKSTREAM, VIEWS } from './clickstreamInput.js'
import { CUSTOMERS, INPUT as FRAUD, TRANSACTIONS } from './fraudInput.js'
import { INPUT as ORDERS, REPORTS } from './ordersInput.js'
import { PARTITIONS, partition } from './partitions.js'

test('the transactions break every rule, come late and close hours', () => {
  const { alerts, late, volume } = fraudOf(TRANSACTIONS, new Map(CUSTOMERS), partition)
  const rules = new Set([...alerts.values()].flat().map(({ rule }) => rule))
  expect([...rules].sort()).toEqual(['daily-spend', 'large-amount', 'many-transactions', 'new-country'])
  expect(late.size).toBe(1)
  expect(volume.size).toBeGreaterThan(3)
})

test('the views make sessions out of order, join two, and come late', () => {
  const { sessions, late, engagement } = sessionsOf(VIEWS, partition)
  expect(sessions.get('ada')).toMatchObject([
    { views: 3, pages: 2, durationMs: 180_000, landing: '/', channel: 'search' },
    { views: 1, channel: 'ads' },
  ])
  expect(sessions.get('eve')).toMatchObject([{ views: 3, durationMs: 31 * 60_000, channel: 'newsletter' }])
  expect([...late.keys()]).toEqual(['ada'])
  expect(engagement.size).toBeGreaterThan(3)
})

test('the orders are shipped, forgotten, and shipped too late', () => {
  const { shipped, overdue, tooLate, late } = judge(REPORTS, partition)
  expect([...shipped.keys()]).toEqual(expect.arrayContaining(['in-time', 'hasty']))
  expect([...overdue.keys()]).toEqual(['too-late', 'forgotten'])
  expect([...tooLate]).toMatchObject([
    ['too-late', { warehouse: 'Porto', tookMs: 27 * 3_600_000 }],
    ['unknown', { warehouse: null, tookMs: null }],
  ])
  expect([...late.keys()]).toEqual(['forgotten'])
})

const MAX_RUNS = Number(process.env.FAULTS ?? 20)

test.each([
  ['fraud', fraudCase, FRAUD],
  ['clickstream', clickstreamCase, CLICKSTREAM],
  ['orders', ordersCase, ORDERS],
] satisfies [string, DemoCase, readonly InputRecord[]][])('%s', async (_, { demo, build }, input) => {
  const report = await expectSameUnderFaults((app: App) => build(app), input, {
    topics: Object.fromEntries(topicsOf(demo).map((topic) => [topic, PARTITIONS])),
    // Results of several keys share partitions.
    compare: 'perKey',
    maxRuns: MAX_RUNS,
  })
  expect(report.tried).toBe(Math.min(report.possible, MAX_RUNS))
})

import { describe, expect, test } from '@jest/globals'
import { embedded, memory } from 'tidemark'
import { expectSameUnderFaults, type FaultOptions } from 'tidemark/testing'
import { APPS, INPUT, TOPICS } from './apps.js'

/** Faults tried of each app, of about a thousand: all of them take an hour. */
const MAX_RUNS = Number(process.env.FAULTS ?? 12)

/** A broker that goes on when members crash, and knows nothing of their stores. */
const apart: FaultOptions['broker'] = (_store, clock) => embedded({ clock })

async function expectSame(name: string, options: Partial<FaultOptions> = {}, input = INPUT): Promise<void> {
  // Several tasks write into each partition, in no order among each other.
  const always = { topics: TOPICS, compare: 'perKey', maxRuns: MAX_RUNS } as const
  const report = await expectSameUnderFaults(APPS[name] as never, input, { ...always, ...options })
  expect(report.tried).toBe(Math.min(report.possible, MAX_RUNS))
}

describe('topics and state in one store', () => {
  test.each(Object.keys(APPS))('%s', (name) => expectSame(name))
})

describe('topics and state in one store, and no value that stays in memory', () => {
  test.each(Object.keys(APPS))('%s', (name) => expectSame(name, { maxStateBytes: 1 }))
})

describe.each([
  ['changelogs alone', { broker: apart, changelog: true }],
  [
    'changelogs, a local store for each member, and standbys',
    { broker: apart, changelog: true, standbys: 1, store: () => ({ ...memory(), durable: true }) },
  ],
  [
    'changelogs, a local store for each member, standbys, and no value that stays in memory',
    {
      broker: apart,
      changelog: true,
      standbys: 1,
      store: () => ({ ...memory(), durable: true }),
      maxStateBytes: 1,
    },
  ],
])('%s', (_setting, options) => {
  test.each(Object.keys(APPS))('%s', (name) => expectSame(name, options))
})

describe('three records between checkpoints, where the order among partitions does not matter', () => {
  test.each([
    'windows behind an exchange, on close, late records set aside',
    'a window of windows',
    'streams joined',
    'a table as of each record',
    'a table grouped',
    'changes kept back',
    'branches that meet again',
  ])('%s', (name) => expectSame(name, { checkpointEvery: 3 }))
})

test('a partition that never has a record holds up nobody, whoever reads what it says', async () => {
  const input = INPUT.map((record) => ({ ...record, partition: record.topic === 'left' ? 0 : 1 }))
  await expectSame('every kind of window, in stream time', {}, input)
  await expectSame('streams joined behind exchanges', {}, input)
})

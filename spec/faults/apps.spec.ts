import { describe, expect, test } from '@jest/globals'
import { expectSameUnderFaults, type FaultOptions } from 'tidemark/testing'
import { APPS, INPUT, TOPICS } from './apps.js'

const SETTINGS: Record<string, Partial<FaultOptions>> = {
  'topics and state in one store': {},
}

/** Faults tried of each app, of about a thousand: all of them take half an hour. */
const MAX_RUNS = Number(process.env.FAULTS ?? 30)

describe.each(Object.entries(SETTINGS))('%s', (_setting, options) => {
  test.each(Object.entries(APPS))('%s', async (_name, pipeline) => {
    // Several tasks write into each partition, in no order among each other.
    const report = await expectSameUnderFaults(pipeline, INPUT, {
      topics: TOPICS,
      compare: 'perKey',
      maxRuns: MAX_RUNS,
      ...options,
    })
    expect(report.tried).toBe(Math.min(report.possible, MAX_RUNS))
  })
})

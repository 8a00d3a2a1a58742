import { describe, expect, test } from '@jest/globals'
import { memory } from 'tidemark'
import { CHAINS, CORPUS, readTraces } from '../../conformance/files.js'
import { describeFailure } from '../../conformance/report.js'
import { runFile } from '../../conformance/runFile.js'

/* What Kafka Streams did, to the record. `npm run conformance` shows it as a table, and takes other stores and Chromium. */
const files = readTraces([CORPUS])
const plain = files.filter(({ quirk }) => quirk === undefined)

test('the corpus is all there', () => {
  const cases = files.flatMap((file) => file.cases)
  expect([files.length, cases.length, cases.reduce((sum, { steps }) => sum + steps.length, 0)]).toEqual([
    88, 531, 21_896,
  ])
})

/**
 * Beside the outputs. Stores: we free a window's row by the highest timestamp, Kafka Streams by the highest start of a window that was
 * put. Dropped: it also counts a session whose result comes out, but that its store no longer takes.
 */
const OTHERWISE: { readonly [name: string]: readonly string[] } = {
  'filtered-tumbling-count': ['seed 1: counts', 'seed 5: counts'],
  'session-reduce': ['seed 6: dropped'],
  'sliding-list-dense': ['seed 0: lists'],
}

describe('equal to Kafka Streams', () => {
  test.each(plain)('$name', async (file) => {
    const { name, cases } = await runFile(file, { store: memory })
    expect(cases.filter((one) => !one.isPassed).map((one) => describeFailure(name, one))).toEqual([])
    const otherwise = cases.flatMap(({ seed, dropped, stores }) => [
      ...(dropped.firstStep === undefined ? [] : [`seed ${seed}: dropped`]),
      ...stores.flatMap((store) => (store.isEqual ? [] : [`seed ${seed}: ${store.name}`])),
    ])
    expect(otherwise).toEqual(OTHERWISE[name] ?? [])
  })
})

describe('equal to Kafka Streams, put together from several operators', () => {
  test.each(readTraces([CHAINS]))('$name: $doc', async (file) => {
    const { name, cases } = await runFile(file, { store: memory })
    expect(cases.filter((one) => !one.isPassed).map((one) => describeFailure(name, one))).toEqual([])
  })
})

describe('equal with a crash at every third step, and no value that stays in memory', () => {
  // One case of each: that state survives is each operator's own law too.
  test.each(plain)('$name', async (file) => {
    const options = { store: memory, restartEvery: 3, forgets: true }
    const { name, cases } = await runFile({ ...file, cases: file.cases.slice(-1) }, options)
    expect(cases.filter((one) => !one.isPassed).map((one) => describeFailure(name, one))).toEqual([])
  })
})

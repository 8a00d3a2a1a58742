import { describe, expect, test } from '@jest/globals'
import { memory } from 'tidemark'
import { CORPUS, readTraces } from '../../conformance/files.js'
import { describeAside, describeFailure } from '../../conformance/report.js'
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

describe('equal to Kafka Streams in outputs, drops and stores', () => {
  test.each(plain)('$name', async (file) => {
    const { name, cases } = await runFile(file, { store: memory })
    const wrong = cases.flatMap((one) => (one.isPassed ? describeAside(name, one) : [describeFailure(name, one)]))
    expect(wrong).toEqual([])
  })
})

describe('equal with a crash at every third step', () => {
  // One case of each: that state survives is each operator's own law too.
  test.each(plain)('$name', async (file) => {
    const { name, cases } = await runFile({ ...file, cases: file.cases.slice(-1) }, { store: memory, restartEvery: 3 })
    expect(cases.filter((one) => !one.isPassed).map((one) => describeFailure(name, one))).toEqual([])
  })
})

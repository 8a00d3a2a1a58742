import { describe, expect, test } from '@jest/globals'
import { memory } from 'tidemark'
import type { OutputRecord, TopologyNode, TraceStep } from '../../conformance/format.js'
import { describeAside, describeFailure, table, totals } from '../../conformance/report.js'
import { runFile } from '../../conformance/runFile.js'
import { COUNT, fileOf, out, step, traceOf } from './traces.js'

const COUNTED: readonly TraceStep[] = [
  step('a', 1, 10, [out('a', 1, 10)]),
  step('b', 1, 20, [out('b', 1, 20)]),
  step(null, 1, 30, [], { dropped: 1 }),
  step('a', 1, 5, [out('a', 2, 10)]),
]
const STORES = {
  counts: {
    kind: 'keyValue' as const,
    entries: [
      { key: 'a', value: 2, timestamp: 10 },
      { key: 'b', value: 1, timestamp: 20 },
    ],
  },
}

const run = (steps: readonly TraceStep[], topology: readonly TopologyNode[] = COUNT, stores = STORES) =>
  runFile(fileOf(topology, traceOf(steps, stores)), { store: memory })

const withOutputs = (at: number, outputs: readonly OutputRecord[]) =>
  COUNTED.map((one, index) => (index === at ? { ...one, outputs } : one))

test('a case passes when every step gives just what it should', async () => {
  const report = await run(COUNTED)
  expect(totals([report])).toEqual({ passed: 1, failed: 0, wrong: 0 })
  expect(report).toMatchObject({
    name: 'made',
    isQuirk: false,
    steps: 4,
    cases: [
      {
        isPassed: true,
        isEager: false,
        outputs: { equal: 3, expected: 3 },
        dropped: { got: 1, expected: 1, firstStep: undefined },
        stores: [{ name: 'counts', isEqual: true }],
      },
    ],
  })
})

describe('a case fails', () => {
  test.each<{ name: string; at: number; outputs: readonly OutputRecord[] }>([
    { name: 'with another value', at: 1, outputs: [out('b', 2, 20)] },
    { name: 'with another key', at: 1, outputs: [out('a', 1, 20)] },
    { name: 'with another timestamp', at: 3, outputs: [out('a', 2, 5)] },
    {
      name: 'with a window where there is none',
      at: 1,
      outputs: [{ ...out('b', 1, 20), window: { start: 0, end: 9 } }],
    },
    { name: 'when a record is missing', at: 1, outputs: [out('b', 1, 20), out('b', 2, 20)] },
    { name: 'when one is too much', at: 1, outputs: [] },
    { name: 'when one is too much in the last step', at: 3, outputs: [] },
    { name: 'when it comes a step early', at: 2, outputs: [out('a', 2, 10)] },
    { name: 'when it comes in another topic', at: 0, outputs: [out('a', 1, 10, 'elsewhere')] },
  ])('$name', async ({ at, outputs }) => {
    const report = await run(withOutputs(at, outputs))
    expect(totals([report])).toEqual({ passed: 0, failed: 1, wrong: 1 })
    expect(report.cases[0]?.difference?.index).toBe(at)
  })

  test('when records of one topic come in another order', async () => {
    const twice = [
      ...COUNT,
      { id: 'm', op: 'mapValues', from: 'o', value: 'x' },
      { id: 't2', op: 'to', from: 'm', topic: 'out' },
    ]
    const [right, wrong] = [
      [out('a', 1, 10), out('a', 'x', 10)],
      [out('a', 'x', 10), out('a', 1, 10)],
    ]
    const verdicts = await Promise.all(
      [right, wrong].map(
        async (outputs) =>
          (await run([step('a', 1, 10, outputs as OutputRecord[])], twice, {} as never)).cases[0]?.isPassed,
      ),
    )
    expect(verdicts).toEqual([true, false])
  })

  test('of a quirk, but that is no error', async () => {
    const file = { ...fileOf(COUNT, traceOf(withOutputs(1, []))), quirk: 'odd' }
    const report = await runFile(file, { store: memory })
    expect(totals([report])).toEqual({ passed: 0, failed: 1, wrong: 0 })
  })
})

test('between topics the order means nothing', async () => {
  const twice = [...COUNT, { id: 't2', op: 'to', from: 'o', topic: 'also' }]
  for (const outputs of [
    [out('a', 1, 10), out('a', 1, 10, 'also')],
    [out('a', 1, 10, 'also'), out('a', 1, 10)],
  ])
    expect((await run([step('a', 1, 10, outputs)], twice)).cases[0]?.isPassed).toBe(true)
})

describe('outputs that come as soon as they can', () => {
  const eagerly = (steps: readonly TraceStep[]) => run(steps).then((report) => report.cases[0])
  const late = withOutputs(1, [])

  test('make a case pass if all steps are so', async () => {
    const eager = late.map((one, index) => (index === 1 ? { ...one, eagerOutputs: [out('b', 1, 20)] } : one))
    expect(await eagerly(eager)).toMatchObject({ isPassed: true, isEager: true, outputs: { equal: 3, expected: 3 } })
  })

  test('are no excuse for another step that is neither', async () => {
    const mixed = late.map((one, index) =>
      index === 1 ? { ...one, eagerOutputs: [out('b', 1, 20)] } : index === 3 ? { ...one, eagerOutputs: [] } : one,
    )
    expect(await eagerly(mixed)).toMatchObject({ isPassed: false, difference: { index: 3 } })
  })
})

test('drops and stores are compared apart: outputs alone decide', async () => {
  const steps = COUNTED.map((one, index) => (index === 1 ? { ...one, dropped: 1 } : one))
  const stores = { counts: { kind: 'keyValue' as const, entries: [{ key: 'a', value: 2, timestamp: 11 }] } }
  const report = await run(steps, COUNT, stores)
  const [one] = report.cases
  expect(one).toMatchObject({
    isPassed: true,
    dropped: { got: 1, expected: 2, firstStep: 1 },
    stores: [{ name: 'counts', isEqual: false }],
  })
  expect(describeAside('made', one as never)).toEqual([
    'made, seed 0 scripted:',
    '  dropped 1, expected 2; first at step 1',
    '  store counts',
    '    expected a = 2 @ 11',
    '    got      a = 2 @ 10',
    '             b = 1 @ 20',
  ])
})

test('a store that no node has is not equal', async () => {
  const report = await run(COUNTED, COUNT, { others: STORES.counts } as never)
  expect(report.cases[0]?.stores).toMatchObject([{ name: 'others', isEqual: false, got: undefined }])
})

test('a crash at any step changes nothing', async () => {
  const trace = traceOf(COUNTED, STORES)
  for (const restartEvery of [1, 2, 3]) {
    const report = await runFile(fileOf(COUNT, trace), { store: memory, restartEvery })
    expect(report.cases[0]).toMatchObject({
      isPassed: true,
      dropped: { got: 1, firstStep: undefined },
      stores: [{ isEqual: true }],
    })
  }
})

test('cases run side by side are as if alone', async () => {
  const file = fileOf(COUNT, ...Array.from({ length: 5 }, () => traceOf(COUNTED, STORES)))
  const report = await runFile(file, { store: memory, atOnce: 3 })
  expect(totals([report])).toMatchObject({ passed: 5, failed: 0 })
})

describe('says', () => {
  const said = async (steps: readonly TraceStep[], topology = COUNT) =>
    describeFailure('made', (await run(steps, topology)).cases[0] as never).split('\n')

  test('the step, its input, what was expected and what came', async () => {
    expect(await said(withOutputs(1, [out('b', 2, 20), out('c', null, 1)]))).toEqual([
      'made, seed 0 scripted: step 1',
      '  input     in: b = 1 @ 20',
      '  expected  out: b = 2 @ 20',
      '                 c = null @ 1',
      '  got       out: b = 1 @ 20',
    ])
  })

  test('what the app failed with', async () => {
    const topology = COUNT.map((node) =>
      node.id === 'c' ? { ...node, op: 'reduce', reducer: ['+', ['agg'], ['value']] } : node,
    )
    expect(
      await said([step('a', 'x', 1, [out('a', 'x', 1)]), step('a', 'y', 2, [out('a', 'z', 2)])], topology),
    ).toEqual([
      'made, seed 0 scripted: step 1',
      '  input     in: a = "y" @ 2',
      '  expected  1 records',
      expect.stringContaining('+ works on integers, got "x"'),
    ])
  })

  test('a topic that the topology does not read', async () => {
    const elsewhere = { ...step('a', 1, 1, []), input: { topic: 'x', key: 'a', value: 1, timestamp: 1 } }
    expect((await said([elsewhere])).at(-1)).toBe('  got       the topology reads no topic x')
  })

  test('a line per topology', async () => {
    const lines = table([await run(COUNTED), await run(withOutputs(1, []))]).split('\n')
    expect(lines).toEqual([
      'topology  cases  outputs  dropped  stores',
      'made        1/1      3/3      1/1     1/1',
      'made        0/1      2/2      1/1     1/1  FAILED',
    ])
  })
})

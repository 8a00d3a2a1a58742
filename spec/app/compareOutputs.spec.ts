import { expect, test } from '@jest/globals'
import type { Headers, RawRecord } from 'tidemark'
import { compareOutputs } from '../../lib/app/compareOutputs.js'

const bytes = (text: string) => new TextEncoder().encode(text)

/** `ann=1@5`: key, value, timestamp. `_` for null, `ann=1@5[0,10)` of a window, `ann=1@5[0,10)!` its last. */
function written(partition: number, ...texts: string[]) {
  const records = texts.map((text, offset): RawRecord => {
    const [, key, value, at, start, end, final] = /^(\w+)=(\w+)@(\d+)(?:\[(\d+),(\d+)\)(!)?)?$/.exec(
      text,
    ) as unknown as string[]
    const window: Headers = start === undefined ? [] : [['tidemark-window', bytes(`${start},${end},${final ? 1 : 0}`)]]
    return {
      key: key === '_' ? null : bytes(key as string),
      value: value === '_' ? null : bytes(value as string),
      timestamp: Number(at),
      offset,
      headers: window,
    }
  })
  return { topic: 'out', partition, records }
}

const compare = (live: string[], shadow: string[], maxExamples = 10) =>
  compareOutputs('out', [written(0, ...live)], [written(0, ...shadow)], maxExamples)

test.each<[what: string, live: string[], shadow: string[], counts: [number, number, number, number]]>([
  ['equal records, in whatever order', ['a=1@1', 'b=1@1', 'a=2@2'], ['b=1@1', 'a=2@2', 'a=1@1'], [3, 0, 0, 0]],
  ['another value at the same place', ['a=1@1', 'a=2@2'], ['a=1@1', 'a=3@2'], [1, 1, 0, 0]],
  ['another timestamp is another record', ['a=1@1'], ['a=1@2'], [0, 0, 1, 1]],
  ['another key is another record', ['a=1@1'], ['b=1@1'], [0, 0, 1, 1]],
  ['another window is another record', ['a=1@1[0,10)'], ['a=1@1[5,15)'], [0, 0, 1, 1]],
  ['a window and none are two records', ['a=1@1[0,10)'], ['a=1@1'], [0, 0, 1, 1]],
  ['the last word of a window is another one', ['a=1@1[0,10)'], ['a=1@1[0,10)!'], [0, 1, 0, 0]],
  ['a delete and a value', ['a=_@1'], ['a=1@1'], [0, 1, 0, 0]],
  ['one of several less is one missing', ['a=1@1', 'a=2@1', 'a=3@1'], ['a=1@1', 'a=3@1'], [2, 0, 1, 0]],
  ['one of several more is one extra', ['a=1@1', 'a=1@1'], ['a=1@1', 'a=1@1', 'a=1@1'], [2, 0, 0, 1]],
  ['of several, the rest by their order', ['a=1@1', 'a=2@1', 'a=3@1'], ['a=4@1', 'a=2@1'], [1, 1, 1, 0]],
  ['nothing on one side', [], ['a=1@1'], [0, 0, 0, 1]],
])('%s', (_, live, shadow, [same, changed, missing, extra]) => {
  expect(compare(live, shadow)).toMatchObject({ topic: 'out', same, changed, missing, extra })
})

test('records without a key are told by their partition', () => {
  const [live, shadow] = [
    [written(0, '_=1@1'), written(1, '_=2@1')],
    [written(0, '_=2@1'), written(1, '_=1@1')],
  ]
  expect(compareOutputs('out', live, shadow, 0)).toMatchObject({ same: 0, changed: 2 })
  const keyed = compareOutputs('out', [written(0, 'a=1@1')], [written(1, 'a=1@1')], 0)
  expect(keyed).toMatchObject({ same: 1 })
})

test('headers belong to what is compared', () => {
  const with_ = (value: string) => {
    const output = written(0, 'a=1@1')
    return [
      {
        ...output,
        records: output.records.map((record) => ({ ...record, headers: [['trace', bytes(value)]] as Headers })),
      },
    ]
  }
  expect(compareOutputs('out', with_('x'), with_('x'), 0)).toMatchObject({ same: 1 })
  expect(compareOutputs('out', with_('x'), with_('y'), 0)).toMatchObject({ changed: 1 })
})

test('examples say both values, and are no more than asked for', () => {
  const report = compare(['a=1@1[0,10)', 'b=1@1', 'c=_@3'], ['a=2@1[0,10)', 'd=1@4'], 3)
  expect(report.examples).toEqual([
    {
      change: 'changed',
      topic: 'out',
      partition: 0,
      key: 'a',
      timestamp: 1,
      window: { start: 0, end: 10 },
      live: '1',
      shadow: '2',
    },
    { change: 'missing', topic: 'out', partition: 0, key: 'b', timestamp: 1, live: '1' },
    { change: 'missing', topic: 'out', partition: 0, key: 'c', timestamp: 3, live: null },
  ])
  expect(report).toMatchObject({ same: 0, changed: 1, missing: 2, extra: 1 })
})

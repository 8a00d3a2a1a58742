import { expect, test } from '@jest/globals'
import { type Duration, durationMs } from 'tidemark'

test.each<[Duration, number]>([
  [0, 0],
  [1, 1],
  [1.0, 1],
  ['500ms', 500],
  ['0ms', 0],
  ['10s', 10_000],
  ['5m', 300_000],
  ['24h', 86_400_000],
  ['7d', 604_800_000],
  ['1.5h', 5_400_000],
  ['0.1s', 100],
  ['0.001s', 1],
  ['1.005s', 1_005],
  ['0.07m', 4_200],
])('%j is %d ms', (duration, ms) => {
  expect(durationMs(duration, 'test')).toBe(ms)
})

test.each([
  -1,
  0.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  2 ** 53,
  '',
  '5',
  'm',
  '5 m',
  ' 5m',
  '5m ',
  '-5m',
  '+5m',
  '5M',
  '5min',
  '1e3ms',
  '.5s',
  '5.s',
  '0.5ms',
  '0.0001s',
  '99999999999999d',
  null,
  undefined,
  {},
  5n,
])('%p is no duration', (duration) => {
  expect(() => durationMs(duration as never, 'window: size')).toThrow(
    expect.objectContaining({ code: 'BAD_DURATION', message: expect.stringContaining('window: size') }),
  )
})

test('a minimum is held', () => {
  expect(durationMs(1, 'size', 1)).toBe(1)
  expect(() => durationMs(0, 'size', 1)).toThrow(/at least 1 ms.*got 0/)
})

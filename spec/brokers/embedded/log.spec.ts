import { PartitionLog } from '../../../lib/brokers/embedded/log.js'
import { utf8 } from '../../../lib/record/serde.js'

const record = (key: string | null, value: string) => ({
  topic: 't',
  partition: 0,
  key: key === null ? null : utf8.encode(key),
  value: utf8.encode(value),
  timestamp: 0,
  headers: [],
})

function logOf(...chunks: (readonly [key: string | null, value: string])[][]): PartitionLog {
  const log = new PartitionLog('t', 0)
  for (const chunk of chunks) {
    const reserved = log.reserve(
      chunk.map(([key, value]) => record(key, value)),
      false,
    )
    log.add(reserved.base, reserved)
  }
  return log
}

const contents = (log: PartitionLog, from = 0, limit = 100) =>
  log.read(from, limit).records.map(({ offset, value }) => `${offset}:${utf8.decode(value as Uint8Array)}`)

test('compaction keeps the last record of each key, and those without a key, where they are', () => {
  const log = logOf(
    [
      ['a', '1'],
      ['b', '2'],
      [null, '3'],
    ],
    [['a', '4']],
    [
      ['c', '5'],
      ['a', '6'],
    ],
  )
  const changed = log.compact()
  expect(contents(log)).toEqual(['1:2', '2:3', '4:5', '5:6'])
  expect(Array.from(changed, ([base, chunk]) => [base, chunk && [chunk.records.length, chunk.nextOffset]])).toEqual([
    [0, [2, 3]],
    [3, null],
  ])
  expect(log.range).toEqual({ start: 0, end: 6 })
  expect([...log.compact()]).toEqual([])
})

test('readers step over what compaction has left out', () => {
  const log = logOf([
    ['a', '1'],
    ['a', '2'],
    ['a', '3'],
    ['b', '4'],
  ])
  log.compact()
  expect(contents(log, 1)).toEqual(['2:3', '3:4'])
  expect(log.read(0, 1)).toMatchObject({ nextOffset: 3, endOffset: 4 })
  expect(log.read(0, 100, 3)).toMatchObject({ records: [{ offset: 2 }], nextOffset: 3 })
})

test('what was reserved and never added leaves no gap', () => {
  const log = logOf([['a', '1']])
  log.reserve([record('b', '2')], true)
  log.release()
  expect(log.reserve([record('c', '3')], true)).toMatchObject({ base: 1, nextOffset: 3 })
})

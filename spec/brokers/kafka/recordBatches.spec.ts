import { decodeRecordBatches } from '../../../lib/brokers/kafka/recordBatches.js'
import { batch, GZIP } from './batch.js'

const TRANSACTIONAL = 0x10
const CONTROL = 0x20
const APPEND_TIME = 0x08

const COMMIT = Buffer.from([0, 0, 0, 1])
const ABORT = Buffer.from([0, 0, 0, 0])

test('keys, values, headers, offsets and timestamps are those that were written', async () => {
  const headers: [string, Buffer | null][] = [
    ['b', Buffer.from([1])],
    ['a', null],
    ['b', Buffer.alloc(0)],
  ]
  const { records, nextOffset } = await decodeRecordBatches(
    batch({
      offset: 2 ** 33,
      timestamp: 1_700_000_000_000,
      records: [
        { key: Buffer.from('k'), value: null, headers },
        { delta: 1, timestampDelta: -(2 ** 40), key: null, value: Buffer.alloc(300, 7) },
        { delta: 70_000, timestampDelta: 2 ** 40, key: Buffer.alloc(0), value: Buffer.from('v') },
      ],
      lastDelta: 70_000,
    }),
    0,
    [],
  )
  expect(records.map(({ offset, timestamp }) => [offset, timestamp])).toEqual([
    [2 ** 33, 1_700_000_000_000],
    [2 ** 33 + 1, 1_700_000_000_000 - 2 ** 40],
    [2 ** 33 + 70_000, 1_700_000_000_000 + 2 ** 40],
  ])
  expect(records.map(({ key, value }) => [key && String(key), value?.length])).toEqual([
    ['k', undefined],
    [null, 300],
    ['', 1],
  ])
  expect(records[0]?.headers.map(([name, value]) => [name, value && [...value]])).toEqual([
    ['b', [1]],
    ['a', null],
    ['b', []],
  ])
  expect(nextOffset).toBe(2 ** 33 + 70_001)
})

test('what lies before the asked offset is left out, and half a batch at the end too', async () => {
  const whole = Buffer.concat([batch({ offset: 5, records: values(4) }), batch({ offset: 9, records: values(2) })])
  const { records, nextOffset } = await decodeRecordBatches(whole.subarray(0, whole.length - 3), 7, [])
  expect(records.map(({ offset }) => offset)).toEqual([7, 8])
  expect(nextOffset).toBe(9)
})

test('a batch that compaction has emptied is stepped over', async () => {
  const { records, nextOffset } = await decodeRecordBatches(batch({ offset: 5, lastDelta: 9, records: [] }), 5, [])
  expect([records, nextOffset]).toEqual([[], 15])
})

test('aborted transactions are left out, from their first offset to their marker, for their producer alone', async () => {
  const bytes = Buffer.concat([
    batch({ offset: 0, attributes: TRANSACTIONAL, producer: 1, records: values(1) }),
    batch({ offset: 1, attributes: TRANSACTIONAL, producer: 2, records: values(2) }),
    batch({ offset: 3, records: values(1) }),
    batch({ offset: 4, attributes: TRANSACTIONAL | CONTROL, producer: 1, records: [{ key: COMMIT }] }),
    batch({ offset: 5, attributes: TRANSACTIONAL, producer: 2, records: values(1) }),
    batch({ offset: 6, attributes: TRANSACTIONAL | CONTROL, producer: 2, records: [{ key: ABORT }] }),
    batch({ offset: 7, attributes: TRANSACTIONAL, producer: 2, records: values(1) }),
    batch({ offset: 8, attributes: TRANSACTIONAL | CONTROL, producer: 2, records: [{ key: COMMIT }] }),
  ])
  const { records, nextOffset } = await decodeRecordBatches(bytes, 0, [{ producerId: 2n, firstOffset: 1 }])
  expect(records.map(({ offset }) => offset)).toEqual([0, 3, 7])
  expect(nextOffset).toBe(9)
})

test('gzip, and the time at which the broker appended', async () => {
  const { records } = await decodeRecordBatches(
    batch({ offset: 0, attributes: GZIP | APPEND_TIME, maxTimestamp: 99, records: values(3) }),
    0,
    [],
  )
  expect(records.map(({ value, timestamp }) => [String(value), timestamp])).toEqual([
    ['v0', 99],
    ['v1', 99],
    ['v2', 99],
  ])
})

test('codecs that nobody has registered and formats of old are refused', async () => {
  await expect(decodeRecordBatches(batch({ offset: 0, attributes: 2, records: values(1) }), 0, [])).rejects.toThrow(
    'compressed with snappy',
  )
  const old = batch({ offset: 0, records: values(1) })
  old[16] = 1
  await expect(decodeRecordBatches(old, 0, [])).rejects.toThrow('record format v1')
})

const values = (count: number) => Array.from({ length: count }, (_, i) => ({ delta: i, value: Buffer.from(`v${i}`) }))

import { randomBytes } from 'node:crypto'
import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { embedded, NO_HEADERS, type OutRecord } from '../../lib/index.js'
import { openRecording, type Recording, recordTopics } from '../../lib/replay/index.js'
import { until } from '../until.js'

const utf8 = (text: string) => new TextEncoder().encode(text)

function out(topic: string, partition: number, timestamp: number, value = ''): OutRecord {
  return { topic, partition, timestamp, key: null, value: utf8(value), headers: NO_HEADERS }
}

async function brokerWith(records: readonly OutRecord[]) {
  const broker = embedded()
  await broker.createTopics([
    { topic: 'a', partitions: 2 },
    { topic: 'b', partitions: 1 },
  ])
  const producer = await broker.producer()
  await producer.send(records)
  return { broker, producer }
}

const placesOf = (recording: Recording) =>
  Array.from({ length: recording.size }, (_, index) => {
    const { topic, partition, offset, timestamp } = recording.record(index)
    return `${topic}${partition}@${offset} ${timestamp}`
  })

test('the partition whose next record is the oldest comes first; within one the order stays', async () => {
  const { broker } = await brokerWith([
    out('a', 0, 5),
    out('a', 0, 2),
    out('a', 1, 3),
    out('a', 1, 5),
    out('b', 0, 4),
    out('b', 0, 5),
  ])
  const recording = await openRecording(await recordTopics(broker, ['b', 'a']))
  expect([...recording.topics]).toEqual([
    ['b', 1],
    ['a', 2],
  ])
  expect(placesOf(recording)).toEqual(['a1@0 3', 'b0@0 4', 'b0@1 5', 'a0@0 5', 'a0@1 2', 'a1@1 5'])
})

test('everything is there once, in that order, however much there is', async () => {
  const draft = fc.record({ lane: fc.nat(2), timestamp: fc.nat(1_000) })
  await fc.assert(
    fc.asyncProperty(fc.array(draft, { maxLength: 60 }), fc.constantFrom(1, 300), async (drafts, copies) => {
      const records = Array.from({ length: copies }, () => drafts)
        .flat()
        .map(({ lane, timestamp }) => (lane === 2 ? out('b', 0, timestamp) : out('a', lane, timestamp)))
      const { broker } = await brokerWith(records)
      const recording = await openRecording(await recordTopics(broker, ['a', 'b']))
      // From scratch: lists, and the smallest of their heads.
      const lists = [['a', 0] as const, ['a', 1] as const, ['b', 0] as const].map(([topic, partition]) =>
        records
          .filter((record) => record.topic === topic && record.partition === partition)
          .map(({ timestamp }, offset) => ({ text: `${topic}${partition}@${offset} ${timestamp}`, timestamp })),
      )
      const expected: string[] = []
      const head = (list: (typeof lists)[number]) => list[0]?.timestamp ?? Number.POSITIVE_INFINITY
      while (expected.length < records.length) {
        const [first] = [...lists].sort((x, y) => head(x) - head(y))
        expected.push(first?.shift()?.text ?? 'none')
      }
      expect(placesOf(recording)).toEqual(expected)
    }),
    { seed: 83, numRuns: 30 },
  )
})

test('only a time, if one asks for it: half-open', async () => {
  const { broker } = await brokerWith([out('a', 0, 1), out('a', 0, 9), out('a', 0, 5), out('b', 0, 4), out('b', 0, 2)])
  const recording = await openRecording(await recordTopics(broker, ['a', 'b'], { from: 2, until: 9 }))
  expect(placesOf(recording)).toEqual(['b0@0 4', 'b0@1 2', 'a0@2 5'])
})

test.each([
  ['made anew', 2, 'OFFSET_OUT_OF_RANGE'],
  ['made anew with more partitions', 3, 'BAD_STATE'],
])('following, it ends with an error where the topic is %s', async (_name, partitions, code) => {
  const { broker, producer } = await brokerWith([1, 2, 3].map((time) => out('a', 0, time)))
  let recorded = 0
  const stream = await recordTopics(broker, ['a'], {
    follow: true,
    onProgress: (count) => {
      recorded = count
    },
  })
  const opening = openRecording(stream)
  const refused = expect(opening).rejects.toMatchObject({ code, place: { topic: 'a' } })
  await until('the first records', () => recorded === 3)
  await broker.deleteTopics(['a'])
  await broker.createTopics([{ topic: 'a', partitions }])
  await producer.send([out('a', 0, 4)])
  await refused
})

test('following, it takes what comes, until it is told to end: then the file is whole', async () => {
  const { broker, producer } = await brokerWith([out('a', 0, 1)])
  const ending = new AbortController()
  let seen = 0
  const opening = openRecording(await recordTopics(broker, ['a'], { follow: true, signal: ending.signal }), {
    onProgress: (records) => {
      seen = records
    },
  })
  await producer.send([out('a', 1, 7, 'x'.repeat(100_000)), out('a', 0, 8, String(Math.random()))])
  // It comes through when there is enough to compress, which noise is soon; what is there at the end comes in any case.
  const noise = () => randomBytes(1_000).toString('base64')
  await producer.send(Array.from({ length: 400 }, (_, n) => out('a', 1, 10 + n, noise())))
  await until('records come through', () => seen > 0)
  ending.abort()
  const recording = await opening
  expect(recording.isTruncated).toBe(false)
  expect(recording.size).toBeGreaterThan(3)
  expect(placesOf(recording).slice(0, 3)).toEqual(['a0@0 1', 'a1@0 7', 'a0@1 8'])
})

test('nobody reads on: the broker is closed at once, whatever is waited for', async () => {
  for (const isReading of [true, false]) {
    const { broker } = await brokerWith([])
    let closed = 0
    const { close, ranges } = { close: broker.close.bind(broker), ranges: broker.ranges.bind(broker) }
    let looks = 0
    broker.ranges = (topic) => {
      looks++
      return ranges(topic)
    }
    broker.close = async () => {
      closed++
      await close()
    }
    const reader = (await recordTopics(broker, ['a'], { follow: true })).getReader()
    if (isReading) {
      reader.read().catch(() => {})
      await until('it to look for more', () => looks > 1)
    }
    await reader.cancel()
    await until('the broker to be closed', () => closed === 1)
  }
})

test('a topic may have any name', async () => {
  const broker = embedded()
  await broker.createTopics([{ topic: '__proto__', partitions: 1 }])
  await (await broker.producer()).send([out('__proto__', 0, 1)])
  expect(placesOf(await openRecording(await recordTopics(broker, ['__proto__'])))).toEqual(['__proto__0@0 1'])
})

test('a topic that there isn’t, none at all, and times the wrong way round are refused at once', async () => {
  const { broker } = await brokerWith([])
  await expect(recordTopics(broker, ['c'])).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC' })
  await expect(recordTopics(broker, [])).rejects.toMatchObject({ code: 'BAD_OPTION' })
  await expect(recordTopics(broker, ['a'], { from: 5, until: 5 })).rejects.toMatchObject({ code: 'BAD_OPTION' })
})

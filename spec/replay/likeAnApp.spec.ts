import { expect, jest, test } from '@jest/globals'
import fc from 'fast-check'
import { createReplay } from '../../lib/replay/index.js'
import { testApp } from '../../lib/testing/index.js'
import { anyDrafts, anyPhases, PARTITIONS, recordsOf, TOPICS } from './drafts.js'
import { PIPELINES } from './pipelines.js'
import { recordingOf } from './recordingOf.js'

jest.setTimeout(120_000)

/** Topics about which no clock decides, neither that by which an app tells its time over an exchange. */
const TIMELESS = [
  ['joins of streams and tables, and groups', ['out']],
  ['a global table', ['out']],
  ['records that go wrong where they have left traces', ['good', 'dead']],
] as const

test.each(TIMELESS)('%s: a replay writes what an app writes that gets the records one by one', async (name, topics) => {
  const pipeline = PIPELINES[name] as (typeof PIPELINES)[string]
  await fc.assert(
    fc.asyncProperty(anyDrafts(60, 100), anyPhases, async (drafts, phases) => {
      const records = [...recordsOf(drafts, phases)]
      const recording = await recordingOf(TOPICS, records)
      const replay = createReplay({ recording, pipeline })
      await replay.seek({ index: recording.size })
      const text = (bytes: Uint8Array | null) => bytes && new TextDecoder().decode(bytes)
      const outputs = replay.outputs()
      await replay.close()

      const t = await testApp(pipeline, {
        topics: Object.fromEntries(
          [...Object.keys(TOPICS), 'out', 'groups', 'dead', 'good'].map((topic) => [topic, PARTITIONS]),
        ),
      })
      const producer = await t.broker.producer()
      for (const record of records) {
        await producer.send([record])
        await t.settle()
      }
      for (const topic of topics) {
        for (let partition = 0; partition < PARTITIONS; partition++) {
          const [{ end }] = [(await t.broker.ranges(topic))[partition] as { end: number }]
          const written: unknown[] = []
          const reading = t.broker.read({ topic, partition }, 0, end, (batch) => {
            for (const { key, value, timestamp } of batch.records) written.push([text(key), text(value), timestamp])
          })
          await t.clock.settle()
          await reading
          const replayed = outputs
            .filter((output) => output.topic === topic && output.partition === partition)
            .map(({ key, value, timestamp }) => [text(key), text(value), timestamp])
          expect([topic, partition, replayed]).toEqual([topic, partition, written])
        }
      }
      expect(outputs.length).toBeGreaterThan(10)
      await t.stop()
    }),
    { seed: 84, numRuns: 3, endOnFailure: true },
  )
})

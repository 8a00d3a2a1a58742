import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { decodeRecordBatches } from '../../lib/brokers/kafka/recordBatches.js'
import { batch, GZIP } from '../brokers/kafka/batch.js'

const RUNS = Number(process.env.FUZZ_RECORDS ?? 100_000) / 10
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_130)

const blob = fc.option(
  fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
  { nil: null },
)
const written = fc.record({
  offset: fc.nat(1_000),
  attributes: fc.constantFrom(0, GZIP),
  timestamp: fc.nat(),
  records: fc.array(
    fc.record({
      key: blob,
      value: blob,
      headers: fc.array(fc.tuple(fc.string({ maxLength: 5 }), blob), { maxLength: 2 }),
    }),
    { maxLength: 6 },
  ),
})
/** Where a byte, counted from the start, becomes another. */
const damage = fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { minLength: 1, maxLength: 4 })

test('damaged batches end in records or in an error, and never in more than was there', async () => {
  let refused = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(written, { minLength: 1, maxLength: 3 }),
      damage,
      fc.nat(1_000),
      async (shapes, at, cut) => {
        const bytes = Buffer.concat(shapes.map(batch))
        for (const [place, byte] of at) bytes[place % bytes.length] = byte
        const given = bytes.subarray(0, cut < 500 ? cut % bytes.length : bytes.length)
        const read = await decodeRecordBatches(given, 0, []).catch(() => {
          refused++
          return undefined
        })
        if (read === undefined) return
        const count = shapes.reduce((sum, { records }) => sum + records.length, 0)
        // A changed length may show one record where there were others, but not more bytes than there are.
        const size = read.records.reduce((sum, { key, value }) => sum + (key?.length ?? 0) + (value?.length ?? 0), 0)
        expect(read.records.length).toBeLessThanOrEqual(Math.max(count, given.length))
        expect(size).toBeLessThanOrEqual(Math.max(given.length, 1_000))
      },
    ),
    { seed: SEED, numRuns: RUNS },
  )
  expect(refused).toBeGreaterThan(RUNS / 100)
}, 60_000)

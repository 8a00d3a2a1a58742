import { createRequire } from 'node:module'
import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { partitionOf } from '../../lib/record/partitionOf.js'

/** kafkajs's own port of the Java producer's hash. */
const kafkajsMurmur2: (key: Buffer) => number = createRequire(import.meta.url)(
  'kafkajs/src/producer/partitioners/default/murmur2.js',
)

// From `UtilsTest.testMurmur2` of Apache Kafka.
test.each([
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
])('%s hashes as in Java', (key, hash) => {
  for (const partitions of [2, 3, 7, 2 ** 31 - 1])
    expect(partitionOf(Buffer.from(key), partitions)).toBe((hash & 0x7fffffff) % partitions)
})

test('any bytes go where kafkajs puts them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), fc.integer({ min: 1, max: 1_000 }), (key, partitions) => {
      expect(partitionOf(key, partitions)).toBe((kafkajsMurmur2(Buffer.from(key)) & 0x7fffffff) % partitions)
    }),
    { seed: 1, numRuns: 2_000 },
  )
})

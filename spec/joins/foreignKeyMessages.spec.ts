import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { json } from 'tidemark'
import { answerSerde, subscriptionSerde } from '../../lib/joins/foreignKeyMessages.js'

const version = fc.integer({ min: -200, max: 200 }).filter((number) => number !== 0)
const key = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.tuple(fc.string(), fc.integer()))

test('a subscription comes back as it was', () => {
  fc.assert(
    fc.property(key, version, fc.constantFrom('ask', 'must', 'end', 'leave'), (left, version, wants) => {
      const subscription = { left, version, wants } as const
      expect(subscriptionSerde.deserialize(subscriptionSerde.serialize(subscription))).toEqual(subscription)
    }),
    { seed: 36, numRuns: 100 },
  )
})

test('an answer comes back as it was, with a row or quietly without one', () => {
  const serde = answerSerde(json<unknown>())
  const row = fc.oneof(fc.string(), fc.record({ a: fc.string() }), fc.array(fc.integer()))
  const answers = fc.oneof(
    fc.record({ version, row, isQuiet: fc.constant(false) }),
    fc.record({ version, row: fc.constant(null), isQuiet: fc.boolean() }),
  )
  fc.assert(
    fc.property(answers, (answer) => {
      expect(serde.deserialize(serde.serialize(answer))).toEqual(answer)
    }),
    { seed: 37, numRuns: 100 },
  )
})

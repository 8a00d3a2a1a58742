import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { bytes, json, type Serde, string } from 'tidemark'
import { type GroupChange, groupChangeSerde } from '../../lib/tables/groupChange.js'

/** As a broker hands it over: in the middle of a bigger buffer. */
function inMiddle(message: Uint8Array): Uint8Array {
  const all = new Uint8Array(message.length + 7)
  all.fill(255)
  all.set(message, 3)
  return all.subarray(3, 3 + message.length)
}

const changes = <V>(value: fc.Arbitrary<V>): fc.Arbitrary<GroupChange<V>> =>
  fc.oneof(fc.record({ old: value }), fc.record({ new: value }), fc.record({ old: value, new: value }))

test.each<[string, Serde<any>, fc.Arbitrary<unknown>]>([
  ['json', json(), fc.jsonValue().filter((value) => value !== null && !Object.is(value, -0))],
  ['string', string(), fc.string()],
  ['bytes', bytes(), fc.uint8Array({ maxLength: 300 })],
])('gives back what it wrote: %s', (_, value, given) => {
  const serde = groupChangeSerde(value)
  fc.assert(
    fc.property(changes(given), (change) => {
      const back = serde.deserialize(inMiddle(serde.serialize(change)))
      expect(Object.keys(back).sort()).toEqual(Object.keys(change).sort())
      for (const side of ['old', 'new'] as const)
        expect(back[side] === undefined ? undefined : value.serialize(back[side])).toEqual(
          change[side] === undefined ? undefined : value.serialize(change[side]),
        )
    }),
    { seed: 53, numRuns: 200 },
  )
})

test('its framing', () => {
  const serde = groupChangeSerde(string())
  const framed = (change: GroupChange<string>) => [...serde.serialize(change)]
  expect(framed({ old: 'A' })).toEqual([1, 65])
  expect(framed({ new: 'A' })).toEqual([2, 65])
  expect(framed({ old: 'AB', new: 'C' })).toEqual([3, 0, 0, 0, 2, 65, 66, 67])
  expect(framed({ old: '', new: '' })).toEqual([3, 0, 0, 0, 0])
})

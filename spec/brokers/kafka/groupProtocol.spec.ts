import {
  decodeLeaderWord,
  encodeLeaderWord,
  type MemberWord,
  spreadSlots,
} from '../../../lib/brokers/kafka/groupProtocol.js'

const word = (owned: number[], generation = 1, fingerprint = 'plan'): MemberWord => ({
  fingerprint,
  generation,
  owned,
  warm: [],
})
const slotsOf = (members: Record<string, MemberWord>, leader = 'a', slots = 4) =>
  Object.fromEntries(
    Array.from(spreadSlots(slots, new Map(Object.entries(members)), leader), ([id, answer]) => [id, answer.slots]),
  )

test('free slots are given at once', () => {
  expect(slotsOf({ a: word([]), b: word([]) })).toEqual({ a: [0, 1], b: [2, 3] })
})

test('a slot that moves is taken first, and given when its owner has let go', () => {
  expect(slotsOf({ a: word([0, 1, 2, 3]), b: word([]) })).toEqual({ a: [0, 1], b: [] })
  expect(slotsOf({ a: word([0, 1]), b: word([]) })).toEqual({ a: [0, 1], b: [2, 3] })
})

test('of two that claim a slot, the one that got it last has it', () => {
  expect(slotsOf({ a: word([0, 1], 3), b: word([0, 1, 2, 3], 2) })).toEqual({ a: [0, 1], b: [2, 3] })
  expect(slotsOf({ a: word([0, 1, 2, 3], 2), b: word([0, 1], 3) })).toEqual({ a: [2, 3], b: [0, 1] })
})

test('a member with another plan than the leader gets nothing, and learns why', () => {
  const members = new Map(Object.entries({ a: word([0]), b: word([1], 1, 'other plan') }))
  expect(Object.fromEntries(spreadSlots(2, members, 'a'))).toEqual({
    a: { slots: [0, 1] },
    b: { slots: [], mismatch: 'plan' },
  })
  expect(Object.fromEntries(spreadSlots(2, members, 'b'))).toEqual({
    a: { slots: [], mismatch: 'other plan' },
    b: { slots: [1, 0] },
  })
})

test('the leader says who keeps copies', () => {
  const members = new Map(Object.entries({ a: word([0, 1]), b: { ...word([]), warm: [1] } }))
  expect(Object.fromEntries(spreadSlots(2, members, 'a', 1))).toEqual({
    // The slot that b has a copy of is taken from a, and given when it has let go.
    a: { slots: [0], standby: [1] },
    b: { slots: [], standby: [0] },
  })
})

test("the leader's word survives the wire, and an empty one gives nothing", () => {
  const sent = { slots: [1, 3], mismatch: 'plan ü' }
  expect(decodeLeaderWord(encodeLeaderWord(sent, [{ topic: 't', partition: 1 }]))).toEqual(sent)
  expect(decodeLeaderWord(Buffer.alloc(0))).toEqual({ slots: [] })
})

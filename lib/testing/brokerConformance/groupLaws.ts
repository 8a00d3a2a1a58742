import type { TopicPartition } from '../../ports/broker.js'
import { untilCount } from './logLaws.js'
import {
  assert,
  assertEqual,
  assertRejects,
  gate,
  type Joined,
  type LawBody,
  out,
  texts,
  until,
  untilEqual,
} from './setting.js'

/** Less than any session takes to time out. */
const AT_ONCE_MS = 5_000

/** Laws of several members in one group, each with a connection of its own. */
export const groupLaws: Record<string, LawBody> = {
  async 'a member alone gets every partition of its topics, once'(law) {
    const broker = await law.broker()
    const topics = [await law.topic(broker, 3), await law.topic(broker, 1)]
    const { tape } = await law.join(broker, topics, { slots: 2 })
    await until(() => tape.holds.length === 4, 'the assignment')
    assertEqual(tape.holds, [`${topics[0]}/0`, `${topics[0]}/1`, `${topics[0]}/2`, `${topics[1]}/0`].sort(), 'holds')
    tape.assertClean()
  },

  async 'a slot goes to one member as a whole, over all topics'(law) {
    const broker = await law.broker()
    const slots = 4
    const topics = [await law.topic(broker, 8), await law.topic(broker, 4), await law.topic(broker, 5)]
    const members: Joined[] = []
    for (let i = 0; i < 3; i++) members.push(await law.join(await law.broker(), topics, { slots }))
    await untilSpread(members, 17)
    const owners = new Map<number, Set<number>>()
    for (const [index, { tape }] of members.entries()) {
      for (const at of tape.holds) {
        const slot = partitionOf(at) % slots
        owners.set(slot, (owners.get(slot) ?? new Set()).add(index))
      }
    }
    assert(
      [...owners.values()].every(({ size }) => size === 1),
      'a slot has two owners',
    )
    const counts = members.map((_, index) => [...owners.values()].filter((who) => who.has(index)).length)
    assertEqual(counts.sort(), [1, 1, 2], 'slots per member')
    for (const { tape } of members) tape.assertClean()
  },

  async 'a second member takes its share from the first, which keeps the rest'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 6)
    const first = await law.join(broker, [topic])
    await until(() => first.tape.holds.length === 6, 'the first alone')
    const second = await law.join(await law.broker(), [topic])
    await untilSpread([first, second], 6)
    assertEqual([first.tape.holds.length, second.tape.holds.length], [3, 3], 'shares')
    assertEqual(
      first.tape.changes.map(({ kind, partitions }) => [kind, partitions.length]),
      [
        ['assigned', 6],
        ['revoked', 3],
      ],
      'what the first heard',
    )
    await second.consumer.close()
    await until(() => first.tape.holds.length === 6, 'the first alone again')
    assertEqual(first.tape.changes.at(-1)?.partitions.length, 3, 'what it got back')
    for (const { tape } of [first, second]) tape.assertClean()
  },

  async 'members beyond the partitions get nothing, and take over when one leaves'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 1)
    const first = await law.join(broker, [topic])
    await until(() => first.tape.holds.length === 1, 'the first')
    const second = await law.join(await law.broker(), [topic])
    await law.write(broker, topic, 0, ['v'])
    await untilCount(first.tape, 1)
    assertEqual(second.tape.holds, [], 'the second')
    await first.consumer.commit([{ topic, partition: 0, offset: 1 }])
    await first.consumer.close()
    const left = Date.now()
    await until(() => second.tape.holds.length === 1, 'the second takes over')
    assert(Date.now() - left < AT_ONCE_MS, `the takeover took ${Date.now() - left} ms`)
    await law.write(broker, topic, 0, ['w'])
    await untilCount(second.tape, 1)
    assertEqual(second.tape.values(), ['w'], 'values of the second')
    for (const { tape } of [first, second]) tape.assertClean()
  },

  async 'each slot is to be copied by as many others as asked for, and by none when nobody else is there'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 4)
    const first = await law.join(broker, [topic], { standbys: 1 })
    await until(() => first.tape.holds.length === 4, 'the first alone')
    const second = await law.join(await law.broker(), [topic], { standbys: 1 })
    await untilSpread([first, second], 4)
    const slotsOf = ({ tape }: Joined) => tape.holds.map(partitionOf).sort((a, b) => a - b)
    await untilEqual(async () => [first.tape.copied, second.tape.copied], [slotsOf(second), slotsOf(first)], 'copies')
    await second.consumer.close()
    await until(() => first.tape.holds.length === 4, 'the first alone again')
    await untilEqual(async () => first.tape.copied, [], 'copies of the one that is left')
    for (const { tape } of [first, second]) tape.assertClean()
  },

  async 'what a member commits while it gives a partition up is where the next owner starts'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 4)
    for (const partition of [0, 1, 2, 3]) await law.write(broker, topic, partition, texts('v', 10))
    const log: string[] = []
    const first: Joined = await law.join(broker, [topic], {
      revoked: async (partitions) => {
        log.push('revoking')
        const positions = partitions.map((at) => ({ ...at, offset: first.tape.positionOf(at) ?? 0 }))
        await first.consumer.commit(positions)
        log.push('revoked')
      },
    })
    await untilCount(first.tape, 40)
    const second = await law.join(await law.broker(), [topic], {
      assigned: async () => {
        log.push('assigned')
        return []
      },
    })
    await untilSpread([first, second], 4)
    for (const partition of [0, 1, 2, 3]) await law.write(broker, topic, partition, ['w'])
    await until(() => first.tape.records().length + second.tape.records().length >= 44, 'all records')
    assertEqual(second.tape.values(), ['w', 'w'], 'values of the second')
    assertEqual(log, ['revoking', 'revoked', 'assigned'], 'order of calls')
    for (const { tape } of [first, second]) tape.assertClean()
  },

  async 'only the owner of a partition may commit for it'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 2)
    const first = await law.join(broker, [topic])
    await until(() => first.tape.holds.length === 2, 'the first alone')
    const second = await law.join(await law.broker(), [topic])
    await untilSpread([first, second], 2)
    const [gone] = second.tape.holds.map((at) => ({ topic, partition: partitionOf(at), offset: 0 }))
    assert(gone !== undefined, 'the second has nothing')
    await assertRejects(first.consumer.commit([gone]), 'FENCED', 'commit')
    assertEqual(await broker.committed(law.id, [topic]), [], 'offsets after it')
    await second.consumer.commit([gone])
    assertEqual(await broker.committed(law.id, [topic]), [gone], 'offsets of the owner')
    await second.consumer.close()
    await assertRejects(second.consumer.commit([gone]), 'BAD_STATE', 'commit after close')
    for (const { tape } of [first, second]) tape.assertClean()
  },

  async 'no batch comes while assigned is open'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 1)
    await law.write(broker, topic, 0, texts('v', 5))
    const hold = gate()
    const { tape } = await law.join(broker, [topic], {
      assigned: async () => {
        await hold.opened
        return [{ topic, partition: 0, offset: 2 }]
      },
    })
    await until(() => tape.changes.length === 1, 'the assignment')
    await law.write(broker, topic, 0, ['w'])
    assertEqual(tape.batches.length, 0, 'batches before')
    hold.open()
    await untilCount(tape, 4)
    assertEqual(tape.values(), ['v2', 'v3', 'v4', 'w'], 'values')
    tape.assertClean()
  },

  async 'no batch comes while revoked is open, of kept partitions neither'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 4)
    const hold = gate()
    const first = await law.join(broker, [topic], { revoked: () => hold.opened })
    await until(() => first.tape.holds.length === 4, 'the first alone')
    const witness = await law.join(await law.broker(), [topic], { group: `${law.id}-witness` })
    const second = await law.join(await law.broker(), [topic])
    await until(() => first.tape.changes.length === 2, 'the revocation')
    for (let round = 1; round <= 5; round++) {
      for (let partition = 0; partition < 4; partition++) await law.write(broker, topic, partition, ['v'])
      await untilCount(witness.tape, 4 * round)
    }
    assertEqual(first.tape.records().length, 0, 'records before')
    hold.open()
    await until(() => first.tape.records().length + second.tape.records().length >= 20, 'all records')
    for (const { tape } of [first, second, witness]) tape.assertClean()
  },

  async 'kept partitions go on without loss or repetition while members come and go'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 4)
    const first = await law.join(broker, [topic])
    await until(() => first.tape.holds.length === 4, 'the first alone')
    const producer = await broker.producer()
    let written = 0
    const writing = { stop: false }
    const writer = (async () => {
      while (!writing.stop) {
        await producer.send([0, 1, 2, 3].map((partition) => out(topic, partition, `v${written}`)))
        written++
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
    })()
    let kept = first.tape.holds
    for (let round = 0; round < 2; round++) {
      const second = await law.join(await law.broker(), [topic])
      await untilSpread([first, second], 4)
      kept = kept.filter((at) => first.tape.holds.includes(at))
      const before = first.tape.records().length
      await until(() => first.tape.records().length > before + 20, 'more records')
      await second.consumer.close()
      await until(() => first.tape.holds.length === 4, 'the first alone again')
      second.tape.assertClean()
    }
    writing.stop = true
    await writer
    await producer.close()
    assert(kept.length > 0, 'no partition was kept')
    const all = texts('v', written)
    for (const partition of kept.map(partitionOf)) {
      await until(() => first.tape.values({ topic, partition }).at(-1) === all.at(-1), 'the end')
      assertEqual(first.tape.values({ topic, partition }), all, `kept partition ${partition}`)
    }
    first.tape.assertClean()
  },

  async 'pause survives rebalances'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 4)
    const partitions = [0, 1, 2, 3].map((partition): TopicPartition => ({ topic, partition }))
    const first = await law.join(broker, [topic])
    await until(() => first.tape.holds.length === 4, 'the first alone')
    first.consumer.pause(partitions)
    const second = await law.join(await law.broker(), [topic])
    await untilSpread([first, second], 4)
    for (const { partition } of partitions) await law.write(broker, topic, partition, texts('v', 5))
    await untilCount(second.tape, 10)
    await second.consumer.close()
    await until(() => first.tape.holds.length === 4, 'the first alone again')
    const witness = await law.join(await law.broker(), [topic], { group: `${law.id}-witness` })
    await untilCount(witness.tape, 20)
    assertEqual(first.tape.records().length, 0, 'records that came while paused')
    first.consumer.resume(partitions)
    await untilCount(first.tape, 20)
    for (const at of partitions) assertEqual(first.tape.values(at), texts('v', 5), `partition ${at.partition}`)
    for (const { tape } of [first, second, witness]) tape.assertClean()
  },

  async 'a member with another plan ends with PLAN_MISMATCH and the others go on'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 2)
    const first = await law.join(broker, [topic], { plan: 'orders\ncount by user' })
    await until(() => first.tape.holds.length === 2, 'the first')
    const stranger = await law.join(await law.broker(), [topic], { plan: 'orders\ncount by country' })
    await until(() => stranger.tape.errors.length > 0, 'the mismatch')
    const heard = stranger.tape.errors[0]
    assertEqual([heard?.error.code, heard?.fatal], ['PLAN_MISMATCH', true], 'error')
    assert(
      heard?.error.message.includes('count by country') ?? false,
      `it doesn't say what differs: ${heard?.error.message}`,
    )
    await until(() => first.tape.holds.length === 2, 'the first has all')
    await law.write(broker, topic, 0, ['v'])
    await law.write(broker, topic, 1, ['v'])
    await untilCount(first.tape, 2)
    assertEqual([stranger.tape.changes.length, stranger.tape.batches.length], [0, 0], 'what the stranger got')
    stranger.tape.assertClean(1)
    first.tape.assertClean()
  },

  async 'a member may come while another is still taking its partitions in'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 4)
    const hold = gate()
    const first = await law.join(broker, [topic], {
      assigned: async () => {
        await hold.opened
        return []
      },
    })
    await until(() => first.tape.changes.length === 1, 'the assignment')
    const second = await law.join(await law.broker(), [topic])
    for (let partition = 0; partition < 4; partition++) await law.write(broker, topic, partition, ['v'])
    assertEqual([first.tape.batches.length, second.tape.holds], [0, []], 'while the first takes in')
    hold.open()
    await untilSpread([first, second], 4)
    const heard = () => [...first.tape.records(), ...second.tape.records()].length
    await until(() => heard() >= 4 && second.tape.records().length >= 2, 'all records')
    for (const { tape } of [first, second]) tape.assertClean()
  },

  async 'a member that leaves while it takes partitions in leaves at once'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 2)
    const first = await law.join(broker, [topic], { assigned: () => new Promise(() => {}) })
    await until(() => first.tape.changes.length === 1, 'the assignment')
    await first.consumer.close()
    const second = await law.join(await law.broker(), [topic])
    await until(() => second.tape.holds.length === 2, 'the second has all')
    second.tape.assertClean()
  },

  async 'members that come at once share everything'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 6)
    const brokers = await Promise.all([law.broker(), law.broker(), law.broker()])
    const members = await Promise.all(brokers.map((own) => law.join(own, [topic])))
    await untilSpread(members, 6)
    for (let partition = 0; partition < 6; partition++) await law.write(broker, topic, partition, ['v'])
    await until(() => members.reduce((sum, { tape }) => sum + tape.records().length, 0) >= 6, 'all records')
    for (const { tape } of members) tape.assertClean()
  },
}

const partitionOf = (at: string): number => Number(at.slice(at.lastIndexOf('/') + 1))

/** Waits until these members hold all partitions, each has some, and their shares differ by the slots alone. */
async function untilSpread(members: readonly Joined[], partitions: number): Promise<void> {
  await until(
    () => {
      const held = members.map(({ tape }) => tape.holds)
      return (
        held.every((own) => own.length > 0) &&
        new Set(held.flat()).size === partitions &&
        held.flat().length === partitions
      )
    },
    `${members.length} members sharing ${partitions} partitions, they hold ${JSON.stringify(members.map(({ tape }) => tape.holds.length))}`,
  )
}

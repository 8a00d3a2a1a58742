import { untilCount } from './logLaws.js'
import { assert, assertEqual, type Joined, type LawBody, texts, until } from './setting.js'

/** Laws of one consumer by itself. */
export const consumerLaws: Record<string, LawBody> = {
  async 'a partition starts where assigned() says, else at the committed offset, else at the start of the log'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 3)
    for (const partition of [0, 1, 2]) await law.write(broker, topic, partition, texts('v', 6))
    const first = await law.join(broker, [topic])
    await until(() => first.tape.holds.length === 3, 'the assignment')
    await first.consumer.commit([
      { topic, partition: 0, offset: 3 },
      { topic, partition: 1, offset: 5 },
    ])
    await first.consumer.close()

    const { tape } = await law.join(broker, [topic], { assigned: async () => [{ topic, partition: 0, offset: 4 }] })
    await untilCount(tape, 2 + 1 + 6)
    assertEqual(tape.values({ topic, partition: 0 }), ['v4', 'v5'], 'asked for')
    assertEqual(tape.values({ topic, partition: 1 }), ['v5'], 'committed')
    assertEqual(tape.values({ topic, partition: 2 }), texts('v', 6), 'from the start')
    tape.assertClean()
  },

  async 'a start outside the log is reported, and it goes on at the start of the log'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 1)
    await law.write(broker, topic, 0, texts('v', 3))
    const { tape } = await law.join(broker, [topic], { assigned: async () => [{ topic, partition: 0, offset: 1_000 }] })
    await until(() => tape.errors.length > 0, 'the error')
    tape.expectFrom({ topic, partition: 0, offset: 0 })
    await untilCount(tape, 3)
    assertEqual(tape.values(), texts('v', 3), 'values')
    assertEqual(
      tape.errors.map(({ error, fatal }) => [error.code, fatal, error.place.topic, error.place.partition]),
      [['OFFSET_OUT_OF_RANGE', false, topic, 0]],
      'errors',
    )
  },

  async 'it delivers what is written later, and knows when it has caught up'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 1)
    const { tape } = await law.join(broker, [topic])
    const values = texts('v', 30)
    for (const [index, value] of values.entries()) {
      await law.write(broker, topic, 0, [value])
      if (index % 10 === 9) await untilCount(tape, index + 1)
    }
    assertEqual(tape.values(), values, 'values')
    assertEqual([tape.batches.at(-1)?.nextOffset, tape.batches.at(-1)?.endOffset], [30, 30], 'end of the last batch')
    tape.assertClean()
  },

  async 'endOffset is the end of the partition, not that of the batch'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 1)
    await law.write(broker, topic, 0, texts('v', 5_000))
    const { tape } = await law.join(broker, [topic])
    await untilCount(tape, 5_000)
    assertEqual(
      tape.batches.filter(({ endOffset }) => endOffset !== 5_000),
      [],
      'batches with another end',
    )
    tape.assertClean()
  },

  async 'pause holds a partition back, resume goes on without loss or repetition'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 2)
    const held = { topic, partition: 0 }
    const other = { topic, partition: 1 }
    const { consumer, tape } = await law.join(broker, [topic])
    await law.write(broker, topic, 0, texts('a', 10))
    await untilCount(tape, 10)
    consumer.pause([held])
    await law.write(broker, topic, 0, texts('b', 10))
    for (let round = 1; round <= 3; round++) {
      await law.write(broker, topic, 1, ['x'])
      await until(() => tape.values(other).length === round, 'the other partition')
    }
    const atMost = tape.values(held).length
    assert(atMost <= 10, `${atMost - 10} records came while paused`)
    consumer.resume([held])
    await until(() => tape.values(held).length >= 20, 'what was held back')
    await law.write(broker, topic, 0, ['c'])
    await until(() => tape.values(held).at(-1) === 'c', 'the last')
    assertEqual(tape.values(held), [...texts('a', 10), ...texts('b', 10), 'c'], 'values')
    tape.assertClean()
  },

  async 'pause may be called while a batch is handed over, again and again'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 1)
    const at = { topic, partition: 0 }
    await law.write(broker, topic, 0, texts('v', 3_000))
    const joined = await law.join(broker, [topic], {
      batch: () => {
        joined.consumer.pause([at])
        setTimeout(() => joined.consumer.resume([at]), 1)
      },
    })
    await untilCount(joined.tape, 3_000)
    assertEqual(joined.tape.values(), texts('v', 3_000), 'values')
    joined.tape.assertClean()
  },

  async 'seek goes on from another position, back and forth'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 2)
    for (const partition of [0, 1]) await law.write(broker, topic, partition, texts('v', 10))
    const { consumer, tape } = await law.join(broker, [topic])
    const seek = (offset: number) => {
      consumer.seek([{ topic, partition: 0, offset }])
      tape.expectFrom({ topic, partition: 0, offset })
    }
    await untilCount(tape, 20)
    seek(7)
    await untilCount(tape, 23)
    consumer.pause([{ topic, partition: 0 }])
    await law.write(broker, topic, 0, texts('w', 5))
    seek(13)
    consumer.resume([{ topic, partition: 0 }])
    await untilCount(tape, 25)
    const expected = [...texts('v', 10), 'v7', 'v8', 'v9', 'w3', 'w4']
    assertEqual(tape.values({ topic, partition: 0 }), expected, 'values')
    assertEqual(tape.values({ topic, partition: 1 }), texts('v', 10), 'of the other partition')
    tape.assertClean()
  },

  async 'seek from within a batch wins over where that batch would have gone on'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 1)
    await law.write(broker, topic, 0, texts('v', 4))
    let isFirst = true
    const joined = await law.join(broker, [topic], {
      batch: () => {
        if (!isFirst) return
        isFirst = false
        joined.consumer.seek([{ topic, partition: 0, offset: 1 }])
        joined.tape.expectFrom({ topic, partition: 0, offset: 1 })
      },
    })
    await until(() => joined.tape.values().length >= 4 && joined.tape.values().at(-1) === 'v3' && !isFirst, 'the end')
    await until(() => joined.tape.batches.length >= 2, 'the second batch')
    const values = joined.tape.values()
    assertEqual(values.slice(values.lastIndexOf('v1')), ['v1', 'v2', 'v3'], 'values after the seek')
    joined.tape.assertClean()
  },

  async 'seek while assigned is open says where a partition starts, and paused then it waits'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 2)
    for (const partition of [0, 1]) await law.write(broker, topic, partition, texts('v', 10))
    let tell: (joined: Joined) => void = () => {}
    const told = new Promise<Joined>((resolve) => {
      tell = resolve
    })
    const joined = await law.join(broker, [topic], {
      assigned: async (partitions) => {
        const { consumer, tape } = await told
        consumer.pause(partitions)
        consumer.seek([{ topic, partition: 1, offset: 6 }])
        tape.expectFrom({ topic, partition: 1, offset: 6 })
        return []
      },
    })
    tell(joined)
    const { consumer, tape } = joined
    await until(() => tape.changes.length > 0, 'the assignment')
    await law.write(broker, topic, 0, ['w'])
    assertEqual(tape.values(), [], 'while paused')
    consumer.resume([
      { topic, partition: 0 },
      { topic, partition: 1 },
    ])
    await untilCount(tape, 15)
    assertEqual(tape.values({ topic, partition: 0 }), [...texts('v', 10), 'w'], 'values')
    assertEqual(tape.values({ topic, partition: 1 }), ['v6', 'v7', 'v8', 'v9'], 'of the one that was sought')
    tape.assertClean()
  },

  async 'after close no call comes, and the positions of others stay'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 1)
    await law.write(broker, topic, 0, texts('v', 5))
    const first = await law.join(broker, [topic])
    await untilCount(first.tape, 5)
    await first.consumer.commit([{ topic, partition: 0, offset: 5 }])
    await first.consumer.close()
    const heard = first.tape.batches.length + first.tape.changes.length
    const second = await law.join(broker, [topic])
    await law.write(broker, topic, 0, ['w'])
    await untilCount(second.tape, 1)
    assertEqual(second.tape.values(), ['w'], 'of the second')
    assertEqual(first.tape.batches.length + first.tape.changes.length, heard, 'calls to the first')
    first.tape.assertClean()
    second.tape.assertClean()
  },
}

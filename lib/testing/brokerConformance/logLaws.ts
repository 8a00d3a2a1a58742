import type { Broker, OutRecord, RawBatch, TopicPartition } from '../../ports/broker.js'
import { TidemarkError } from '../../record/errors.js'
import type { Headers } from '../../record/record.js'
import { NO_HEADERS } from '../../record/record.js'
import { utf8 } from '../../record/serde.js'
import {
  assert,
  assertEqual,
  assertRejects,
  type LawBody,
  out,
  type Tape,
  texts,
  until,
  untilEqual,
} from './setting.js'

/** Laws of topics, plain producers and reads outside a group. */
export const logLaws: Record<string, LawBody> = {
  async 'createTopics creates what is missing and leaves the rest alone'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 3)
    await law.write(broker, topic, 2, ['a'])
    const second = `${topic}-more`
    await broker.createTopics([
      { topic, partitions: 7 },
      { topic: second, partitions: 2, compacted: true },
    ])
    await broker.createTopics([{ topic: second, partitions: 2 }])
    // What is there and keeps less than it is to is no good.
    await assertRejects(broker.createTopics([{ topic, partitions: 3, compacted: true }]), 'TOPIC_CONFIG', 'compacted')
    await broker.createTopics([{ topic: second, partitions: 2, compacted: true }])
    const found = await broker.topics([topic, second, `${topic}-none`])
    assertEqual(
      [...found].sort(),
      [
        [topic, 3],
        [second, 2],
      ].sort(),
      'topics',
    )
    assertEqual((await broker.ranges(topic))[2], { start: 0, end: 1 }, 'range of the topic that was there')
    const all = await broker.topics()
    assertEqual([all.get(topic), all.get(second)], [3, 2], 'all topics')
    await broker.deleteTopics([second])
  },

  async 'deleteTopics removes topics, and those that are gone are no error'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 1)
    await broker.deleteTopics([topic])
    await broker.deleteTopics([topic])
    assertEqual((await broker.topics([topic])).size, 0, 'topics left')
  },

  async 'an unknown topic is UNKNOWN_TOPIC everywhere, and is not created'(law) {
    const broker = await law.broker()
    const topic = `${law.id}-none`
    const producer = await broker.producer()
    await assertRejects(producer.send([out(topic, 0, 'a')]), 'UNKNOWN_TOPIC', 'send')
    await assertRejects(broker.ranges(topic), 'UNKNOWN_TOPIC', 'ranges')
    await assertRejects(
      broker.read({ topic, partition: 0 }, 0, 1, () => {}),
      'UNKNOWN_TOPIC',
      'read',
    )
    await assertRejects(law.join(broker, [topic]), 'UNKNOWN_TOPIC', 'consumer')
    const transaction = await (await broker.transactionalProducer(law.id)).begin()
    await assertRejects(transaction.send([out(topic, 0, 'a')]), 'UNKNOWN_TOPIC', 'send in a transaction')
    await transaction.abort()
    assertEqual((await broker.topics([topic])).size, 0, 'topics made by the way')
    const known = await law.topic(broker, 1)
    await assertRejects(producer.send([out(known, 1, 'a')]), 'UNKNOWN_TOPIC', 'send to an unknown partition')
    await producer.close()
  },

  async 'a record that is not whole is BAD_OPTION, and nothing of its send is written'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 1)
    const producer = await broker.producer()
    const transaction = await (await broker.transactionalProducer(law.id)).begin()
    for (const [field, wrong] of [
      ...(['topic', 'partition', 'key', 'value', 'timestamp', 'headers'] as const).map((name) => [name, undefined]),
      ['partition', 0.5],
      ['key', 'text'],
      ['value', { amount: 1 }],
      ['timestamp', '1'],
      ['headers', {}],
      ['headers', [['name', 'text']]],
      ['headers', [[1, null]]],
    ] as const) {
      const sent = [out(topic, 0, 'a'), { ...out(topic, 0, 'b'), [field as string]: wrong } as OutRecord]
      await assertRejects(producer.send(sent), 'BAD_OPTION', `send with a wrong ${field}`)
      await assertRejects(transaction.send(sent), 'BAD_OPTION', `send in a transaction with a wrong ${field}`)
    }
    await transaction.send([out(topic, 0, 'in a transaction')])
    await transaction.commit()
    await producer.send([out(topic, 0, 'whole', { key: null, value: null, headers: [['name', null]] })])
    await producer.close()
    const values = async () =>
      (await readAll(broker, { topic, partition: 0 })).map(({ value }) => value && utf8.decode(value))
    await untilEqual(values, ['in a transaction', null], 'records written')
  },

  async 'a record comes back as it was written'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 1)
    const bytes = (...values: number[]) => Uint8Array.from(values)
    const headers: Headers = [
      ['twice', bytes(1)],
      ['twice', bytes(2)],
      ['twice', bytes(1)],
      ['null', null],
      ['empty', bytes()],
      ['binary ü', bytes(0, 255, 128)],
    ]
    const written = [
      { key: bytes(0, 255, 195, 40), value: bytes(254, 0), timestamp: 1_600_000_000_123, headers },
      { key: null, value: null, timestamp: 0, headers: NO_HEADERS },
      { key: bytes(), value: bytes(), timestamp: 1, headers: [['null', null]] as Headers },
      { key: null, value: utf8.encode('grüße'), timestamp: 1_600_000_000_000, headers: [['one', bytes(7)]] as Headers },
    ]
    const producer = await broker.producer()
    await producer.send(written.map((record) => ({ topic, partition: 0, ...record })))
    await producer.close()

    const plain = (records: readonly (typeof written)[number][]) =>
      records.map(({ key, value, timestamp, headers }) => [
        key && [...key],
        value && [...value],
        timestamp,
        headers.map(([header, content]) => [header, content && [...content]]),
      ])
    const read = await readAll(broker, { topic, partition: 0 })
    assertEqual(plain(read as never), plain(written), 'read')
    assertEqual(
      read.map(({ offset }) => offset),
      [0, 1, 2, 3],
      'offsets',
    )
    const { tape } = await law.join(broker, [topic])
    await untilCount(tape, 4)
    assertEqual(plain(tape.records() as never), plain(written), 'consumed')
    tape.assertClean()
  },

  async 'sends keep their order per partition, also those that nobody waits for'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 2)
    const producer = await broker.producer()
    const values = texts('v', 40)
    await Promise.all(
      values.map((value) =>
        producer.send([out(topic, 0, `${value}a`), out(topic, 1, value), out(topic, 0, `${value}b`)]),
      ),
    )
    await producer.send([])
    await producer.close()
    assertEqual(await readValues(broker, { topic, partition: 1 }), values, 'partition 1')
    assertEqual(
      await readValues(broker, { topic, partition: 0 }),
      values.flatMap((value) => [`${value}a`, `${value}b`]),
      'partition 0',
    )
  },

  async '5,000 records in one send come back in order, none twice'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 2)
    const values = texts('v', 5_000)
    const producer = await broker.producer()
    await producer.send(values.map((value, index) => out(topic, index % 5 === 0 ? 1 : 0, value)))
    await producer.close()
    const expected = [0, 1].map((partition) => values.filter((_, index) => (index % 5 === 0 ? 1 : 0) === partition))
    for (const partition of [0, 1]) {
      assertEqual(await readValues(broker, { topic, partition }), expected[partition], `read of partition ${partition}`)
    }
    const { tape } = await law.join(broker, [topic])
    await untilCount(tape, 5_000)
    for (const partition of [0, 1]) {
      assertEqual(tape.values({ topic, partition }), expected[partition], `partition ${partition}`)
    }
    tape.assertClean()
  },

  async 'ranges give the first offset kept and the next to be written'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 3)
    await law.write(broker, topic, 1, ['a', 'b'])
    assertEqual(
      await broker.ranges(topic),
      [
        { start: 0, end: 0 },
        { start: 0, end: 2 },
        { start: 0, end: 0 },
      ],
      'ranges',
    )
  },

  async 'read gives a stretch of a partition, exactly'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 2)
    const values = texts('v', 2_500)
    await law.write(broker, topic, 1, values)
    const at = { topic, partition: 1 }
    const batches: RawBatch[] = []
    let isTaking = false
    await broker.read(at, 700, 2_000, async (batch) => {
      assert(!isTaking, 'a batch came before the last one was taken')
      isTaking = true
      // Any request takes its time.
      await broker.ranges(topic)
      batches.push(batch)
      isTaking = false
    })
    assert(!isTaking, 'read resolved before the last batch was taken')
    const records = batches.flatMap((batch) => batch.records)
    assertEqual(
      records.map(({ value }) => utf8.decode(value as Uint8Array)),
      values.slice(700, 2_000),
      'values',
    )
    assertEqual([batches.at(-1)?.nextOffset, batches.at(-1)?.endOffset], [2_000, 2_500], 'where it ended')
    assert(
      batches.every((batch) => batch.topic === topic && batch.partition === 1),
      'batches of another partition',
    )
    let taken = 0
    const refuses = async () => {
      taken++
      await broker.ranges(topic)
      throw new TidemarkError('BAD_STATE', 'no more')
    }
    await assertRejects(broker.read(at, 0, 2_500, refuses), 'BAD_STATE', 'read whose batch is refused')
    assertEqual(taken, 1, 'batches after one was refused')
    await broker.read(at, 5, 5, () => assert(false, 'an empty stretch gave a batch'))
    await assertRejects(
      broker.read(at, 0, 2_501, () => {}),
      'OFFSET_OUT_OF_RANGE',
      'read past the end',
    )
  },

  async 'a group has the positions that it has committed, and no others'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 3)
    const other = await law.topic(broker, 1)
    await law.write(broker, topic, 0, texts('v', 5))
    const { consumer, tape } = await law.join(broker, [topic, other])
    await untilCount(tape, 5)
    assertEqual(await broker.committed(law.id, [topic]), [], 'before')
    await consumer.commit([
      { topic, partition: 0, offset: 5 },
      { topic, partition: 2, offset: 0 },
      { topic: other, partition: 0, offset: 0 },
    ])
    await consumer.commit([{ topic, partition: 0, offset: 3 }])
    const found = [...(await broker.committed(law.id, [topic]))].sort((a, b) => a.partition - b.partition)
    assertEqual(
      found,
      [
        { topic, partition: 0, offset: 3 },
        { topic, partition: 2, offset: 0 },
      ],
      'committed',
    )
    assertEqual(await broker.committed(`${law.id}-other`, [topic]), [], 'of another group')
    tape.assertClean()
  },
}

export async function readAll(broker: Broker, partition: TopicPartition) {
  const records: RawBatch['records'][number][] = []
  const range = (await broker.ranges(partition.topic))[partition.partition]
  assert(range !== undefined, `no range for partition ${partition.partition}`)
  await broker.read(partition, range.start, range.end, (batch) => {
    records.push(...batch.records)
  })
  return records
}

export async function readValues(broker: Broker, partition: TopicPartition): Promise<string[]> {
  return (await readAll(broker, partition)).map(({ value }) => (value ? utf8.decode(value) : 'null'))
}

export async function untilCount(tape: Tape, count: number): Promise<void> {
  await until(() => tape.records().length >= count, `${count} records`)
}

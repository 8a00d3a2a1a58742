import type { Broker, TransactionalProducer } from '../../ports/broker.js'
import { loadAll } from '../../ports/loadAll.js'
import { utf8 } from '../../record/serde.js'
import { readValues, untilCount } from './logLaws.js'
import { assert, assertEqual, assertRejects, type LawBody, out, texts, until, untilEqual } from './setting.js'

/** Laws of transactional producers. */
export const transactionLaws: Record<string, LawBody> = {
  async 'a transaction becomes visible as a whole when it commits'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 2)
    const { tape } = await law.join(broker, [topic])
    const producer = await broker.transactionalProducer(law.id)
    const transaction = await producer.begin()
    await transaction.send(texts('a', 1_500).map((value) => out(topic, 0, value)))
    await transaction.send([out(topic, 1, 'b')])
    await law.write(broker, topic, 1, ['after'])
    const [range] = await broker.ranges(topic)
    assertEqual([range?.start, range?.end], [0, 0], 'range while it is open')
    // A broker that keeps open transactions out of its logs has nothing to tell.
    assert((range?.written ?? 1_500) >= 1_500, 'what is written while it is open')
    assertEqual(tape.values({ topic, partition: 0 }).length, 0, 'records while it is open')
    await transaction.commit()
    await untilCount(tape, 1_502)
    assertEqual(tape.values({ topic, partition: 0 }), texts('a', 1_500), 'partition 0')
    assertEqual(tape.values({ topic, partition: 1 }).sort(), ['after', 'b'], 'partition 1')
    await untilEqual(() => readValues(broker, { topic, partition: 0 }), texts('a', 1_500), 'read')
    await producer.close()
    tape.assertClean()
  },

  async 'commit tells where each partition goes on behind what it wrote'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 3)
    await law.write(broker, topic, 1, ['before'])
    const producer = await broker.transactionalProducer(law.id)
    const ends: { [partition: number]: number } = {}
    for (const round of [1, 2]) {
      const transaction = await producer.begin()
      await transaction.send(texts(`a${round}-`, 2_500).map((value) => out(topic, 0, value)))
      await transaction.send([out(topic, 1, `b${round}`)])
      for (const { partition, offset, topic: of } of await transaction.commit()) {
        assertEqual(of, topic, 'topic')
        ends[partition] = offset
      }
    }
    assertEqual(Object.keys(ends), ['0', '1'], 'partitions')
    const after = await begin(broker, `${law.id}-after`)
    await after.transaction.send([out(topic, 0, 'after'), out(topic, 1, 'after')])
    await after.transaction.commit()
    for (const partition of [0, 1]) {
      const at = { topic, partition }
      const read = async () => {
        const found: string[] = []
        const end = (await broker.ranges(topic))[partition]?.end ?? 0
        await broker.read(at, ends[partition] ?? 0, end, ({ records }) => {
          for (const { value } of records) found.push(new TextDecoder().decode(value ?? undefined))
        })
        return found
      }
      await untilEqual(read, ['after'], `what follows in partition ${partition}`)
    }
    await producer.close()
    await after.producer.close()
  },

  async 'of an aborted transaction nothing is ever seen'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 1)
    const { tape } = await law.join(broker, [topic])
    const producer = await broker.transactionalProducer(law.id)
    for (const round of [0, 1, 2]) {
      const aborted = await producer.begin()
      await aborted.send([out(topic, 0, `aborted${round}`)])
      await aborted.sendOffsets(law.id, [{ topic, partition: 0, offset: 9 }])
      await aborted.abort()
      const committed = await producer.begin()
      await committed.send([out(topic, 0, `committed${round}`)])
      await committed.commit()
    }
    await untilCount(tape, 3)
    assertEqual(tape.values(), texts('committed', 3), 'consumed')
    await untilEqual(() => readValues(broker, { topic, partition: 0 }), texts('committed', 3), 'read')
    assertEqual(await broker.committed(law.id, [topic]), [], 'offsets')
    await producer.close()
    tape.assertClean()
  },

  async 'nextOffset steps over the ends of transactions, also aborted ones, up to the end of the log'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 1)
    const at = { topic, partition: 0 }
    const { tape } = await law.join(broker, [topic])
    const producer = await broker.transactionalProducer(law.id)
    const endOfLog = async () => (await broker.ranges(topic))[0]?.end ?? 0
    let commits = 0
    for (const end of ['commit', 'abort', 'abort', 'commit'] as const) {
      const transaction = await producer.begin()
      await transaction.send([out(topic, 0, end)])
      await transaction[end]()
      if (end === 'commit') commits++
      await untilCount(tape, commits)
      await until(async () => tape.positionOf(at) === (await endOfLog()), `the position after ${end}`)
    }
    assertEqual(tape.values(), ['commit', 'commit'], 'values')
    assertEqual(tape.batches.at(-1)?.nextOffset, tape.batches.at(-1)?.endOffset, 'end of the last batch')
    const range = (await broker.ranges(topic))[0]
    let end = 0
    await broker.read(at, 0, range?.end ?? 0, (batch) => {
      end = batch.nextOffset
    })
    assertEqual(end, range?.end, 'where a read of all ends')
    await producer.close()
    tape.assertClean()
  },

  async 'offsets are committed with the records, or alone, as often as one likes'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 2)
    const producer = await broker.transactionalProducer(law.id)
    for (let offset = 1; offset <= 5; offset++) {
      const transaction = await producer.begin()
      await transaction.sendOffsets(law.id, [{ topic, partition: 0, offset }])
      await transaction.commit()
    }
    const transaction = await producer.begin()
    await transaction.send([out(topic, 1, 'v')])
    await transaction.sendOffsets(law.id, [
      { topic, partition: 0, offset: 6 },
      { topic, partition: 1, offset: 1 },
    ])
    await transaction.commit()
    const committed = async () => {
      const found = [...(await broker.committed(law.id, [topic]))].sort((a, b) => a.partition - b.partition)
      return found.map(({ partition, offset }) => [partition, offset])
    }
    await untilEqual(
      committed,
      [
        [0, 6],
        [1, 1],
      ],
      'committed',
    )
    await producer.close()
  },

  async 'what goes along with a send or a commit is in the broker’s own store, if it has one'(law) {
    const broker = await law.broker()
    const { store } = broker
    if (!store) return
    const topic = await law.topic(broker, 1)
    const along = (entry: string) => [{ scope: law.id, entries: [[entry, utf8.encode(entry)] as const] }]
    const plain = await broker.producer()
    await plain.send([out(topic, 0, 'sent')], along('sent'))
    const { producer, transaction } = await begin(broker, law.id)
    await transaction.send([out(topic, 0, 'committed')])
    await transaction.commit(along('committed'))
    const found = (await loadAll(store, law.id)).map(([key, value]) => [key, utf8.decode(value)])
    const wanted = ['committed', 'sent']
    assertEqual(
      found.sort(),
      wanted.map((entry) => [entry, entry]),
      'entries',
    )
    await plain.send([], [{ scope: law.id, entries: [], reset: true }])
    await plain.close()
    await producer.close()
  },

  async 'a newer producer with the same id fences the older one and ends its transaction'(law) {
    const [broker, newer] = [await law.broker(), await law.broker()]
    const topic = await law.topic(broker, 1)
    const older = await broker.transactionalProducer(law.id)
    const stuck = await older.begin()
    await stuck.send([out(topic, 0, 'old')])
    await stuck.sendOffsets(law.id, [{ topic, partition: 0, offset: 7 }])

    const successor = await newer.transactionalProducer(law.id)
    const transaction = await successor.begin()
    assertEqual(await broker.committed(law.id, [topic]), [], 'offsets after the fencing')
    await transaction.send([out(topic, 0, 'new')])
    await assertRejects(stuck.send([out(topic, 0, 'late')]), 'FENCED', 'send')
    await assertRejects(stuck.commit(), 'FENCED', 'commit')
    await assertRejects(older.begin(), 'FENCED', 'begin')
    await transaction.commit()
    await untilEqual(() => readValues(newer, { topic, partition: 0 }), ['new'], 'values')

    const { tape } = await law.join(newer, [topic])
    await untilCount(tape, 1)
    assertEqual(tape.values(), ['new'], 'consumed')
    await older.close()
    await successor.close()
  },

  async 'a fenced commit or offset is refused whichever call meets it first'(law) {
    const [broker, newer] = [await law.broker(), await law.broker()]
    const topic = await law.topic(broker, 1)
    const steps = {
      commit: (open: Opened) => open.transaction.commit(),
      offsets: (open: Opened) => open.transaction.sendOffsets(law.id, [{ topic, partition: 0, offset: 5 }]),
      abort: (open: Opened) => open.transaction.abort(),
    }
    for (const [what, step] of Object.entries(steps)) {
      const id = `${law.id}-${what}`
      const open = await begin(broker, id)
      await open.transaction.send([out(topic, 0, what)])
      const successor = await begin(newer, id)
      await successor.transaction.abort()
      await assertRejects(step(open), 'FENCED', what)
      await assertRejects(open.producer.begin(), 'FENCED', `begin after ${what}`)
      await open.producer.close()
      await successor.producer.close()
    }
    await untilEqual(() => readValues(broker, { topic, partition: 0 }), [], 'values')
    assertEqual(await broker.committed(law.id, [topic]), [], 'offsets')
  },

  async 'an app that restarts takes its id over and goes on'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 1)
    for (let run = 0; run < 3; run++) {
      const { producer, transaction } = await begin(await law.broker(), law.id)
      await transaction.send([out(topic, 0, `run${run}`)])
      await transaction.commit()
      const left = await producer.begin()
      await left.send([out(topic, 0, 'left open')])
      if (run < 2) await producer.close()
    }
    const last = await begin(broker, law.id)
    await last.transaction.abort()
    await untilEqual(() => readValues(broker, { topic, partition: 0 }), texts('run', 3), 'values')
    await last.producer.close()
  },

  async 'a transaction has one end, and only one is open'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 1)
    const { producer, transaction } = await begin(broker, law.id)
    await assertRejects(producer.begin(), 'BAD_STATE', 'a second begin')
    await transaction.commit()
    await assertRejects(transaction.commit(), 'BAD_STATE', 'a second commit')
    await assertRejects(transaction.send([out(topic, 0, 'v')]), 'BAD_STATE', 'send after commit')
    await (await producer.begin()).abort()
    await producer.close()
    await untilEqual(() => readValues(broker, { topic, partition: 0 }), [], 'values')
  },

  async 'transactions of several producers keep each its order'(law) {
    const broker = await law.broker()
    const topic = await law.topic(broker, 1)
    await Promise.all(
      ['a', 'b', 'c'].map(async (prefix) => {
        const producer = await broker.transactionalProducer(`${law.id}-${prefix}`)
        for (const value of texts(prefix, 5)) {
          const transaction = await producer.begin()
          await transaction.send([out(topic, 0, value)])
          await transaction.commit()
        }
        await producer.close()
      }),
    )
    let values: string[] = []
    await until(async () => {
      values = await readValues(broker, { topic, partition: 0 })
      return values.length >= 15
    }, 'all records')
    assertEqual(values.length, 15, 'records')
    for (const prefix of ['a', 'b', 'c']) {
      assertEqual(
        values.filter((value) => value.startsWith(prefix)),
        texts(prefix, 5),
        `of ${prefix}`,
      )
    }
  },
}

interface Opened {
  readonly producer: TransactionalProducer
  readonly transaction: Awaited<ReturnType<TransactionalProducer['begin']>>
}

async function begin(broker: Broker, id: string): Promise<Opened> {
  const producer = await broker.transactionalProducer(id)
  return { producer, transaction: await producer.begin() }
}

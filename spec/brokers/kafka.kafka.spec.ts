import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { jest } from '@jest/globals'
import kafkajs from 'kafkajs'
import { kafka } from '../../lib/brokers/kafka.js'
import { type LawBody, out, Setting, texts, until } from '../../lib/testing/brokerConformance/setting.js'
import { brokerConformance } from '../../lib/testing/brokerConformance.js'
import { describeKafka } from '../kafka/testKafka.js'

jest.setTimeout(60_000)

await describeKafka('the contract of a broker', (brokers) => {
  for (const { name, run } of brokerConformance(() => kafka({ brokers }))) test(name, run)
})

await describeKafka('kafka', (brokers) => {
  const processes: ChildProcess[] = []
  afterEach(() => {
    for (const child of processes.splice(0)) child.kill('SIGKILL')
  })

  const check = (body: LawBody) => async () => {
    const setting = new Setting(() => kafka({ brokers, sessionTimeout: '2s' }))
    try {
      await body(setting)
    } finally {
      await setting.end()
    }
  }

  /** A member in a process of its own, and what it has said. */
  function member(group: string, topic: string) {
    const file = fileURLToPath(new URL('./kafkaMember.ts', import.meta.url))
    const child = spawn(process.execPath, ['--import', 'tsx', file, brokers.join(','), group, topic], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    processes.push(child)
    const said: [kind: string, what: unknown][] = []
    let rest = ''
    child.stdout.on('data', (chunk) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      said.push(...lines.map((line) => JSON.parse(line)))
    })
    const count = (kind: string) => said.filter(([own]) => own === kind).length
    return { child, said, count }
  }

  test('a broker that is not there is BROKER_UNAVAILABLE, with the addresses, soon', async () => {
    const absent = kafka({ brokers: ['127.0.0.1:1', 'localhost:2'], connectionTimeout: '600ms' })
    const started = Date.now()
    await expect(absent.connect()).rejects.toThrow(
      /^BROKER_UNAVAILABLE: kafka 127\.0\.0\.1:1,localhost:2: connecting failed with .*check the addresses/,
    )
    expect(Date.now() - started).toBeLessThan(5_000)
  })

  test('before connect and after close it is BAD_STATE', async () => {
    const broker = kafka({ brokers })
    await expect(broker.topics()).rejects.toMatchObject({ code: 'BAD_STATE' })
    await broker.connect()
    await broker.close()
    await expect(broker.producer()).rejects.toMatchObject({ code: 'BAD_STATE' })
  })

  test('a password is in no message', async () => {
    const sasl = { mechanism: 'plain', username: 'user', password: 'hunter2' } as const
    const error = await kafka({ brokers, sasl, connectionTimeout: 500 })
      .connect()
      .catch((reason: Error) => reason)
    expect(error).toMatchObject({ code: 'AUTH_FAILED' })
    expect(`${(error as Error).message}${JSON.stringify(error)}`).not.toContain('hunter2')
  })

  test(
    'a compacted topic is one of Kafka’s',
    check(async (law) => {
      const broker = await law.broker()
      const topic = await law.topic(broker, 1, { compacted: true })
      const admin = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING }).admin()
      await admin.connect()
      const { resources } = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: ['cleanup.policy'] }],
      })
      await admin.disconnect()
      expect(resources[0]?.configEntries[0]).toMatchObject({ configName: 'cleanup.policy', configValue: 'compact' })
    }),
  )

  test(
    'topics that are asked about at once are found, though another one has gone that was asked about before',
    check(async (law) => {
      const [broker, other] = [await law.broker(), await law.broker()]
      const topics: string[] = []
      for (let n = 0; n < 6; n++) topics.push(await law.topic(other, 1))
      for (let round = 0; round < 10; round++) {
        const gone = `${law.id}-gone-${round}`
        await other.createTopics([{ topic: gone, partitions: 1 }])
        await broker.ranges(gone)
        await other.deleteTopics([gone])
        const found = await Promise.all(topics.map((topic) => broker.ranges(topic)))
        expect(found.flat()).toEqual(topics.map(() => ({ start: 0, end: 0 })))
      }
    }),
  )

  test(
    'a record larger than a fetch is read, and holds nobody up',
    check(async (law) => {
      const broker = await law.broker()
      const topic = await law.topic(broker, 2)
      const admin = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING }).admin()
      await admin.connect()
      await admin.alterConfigs({
        validateOnly: false,
        resources: [
          {
            type: kafkajs.ConfigResourceTypes.TOPIC,
            name: topic,
            configEntries: [{ name: 'max.message.bytes', value: String(20 << 20) }],
          },
        ],
      })
      await admin.disconnect()
      const producer = await broker.producer()
      const large = 'x'.repeat(9 << 20)
      const values = ['a', large, 'b', large, 'c']
      for (const value of values) await producer.send([0, 1].map((partition) => out(topic, partition, value)))
      const { tape } = await law.join(broker, [topic])
      await until(() => tape.records().length === 2 * values.length, 'all records')
      const read: string[] = []
      await broker.read({ topic, partition: 1 }, 0, values.length, ({ records }) => {
        for (const { value } of records) read.push(String(value))
      })
      const lengths = (list: (string | null)[]) => list.map((value) => value?.length)
      for (const partition of [0, 1]) expect(lengths(tape.values({ topic, partition }))).toEqual(lengths(values))
      expect(lengths(read)).toEqual(lengths(values))
    }),
  )

  test(
    'a record larger than its topic takes is RECORD_TOO_LARGE with the topic, and the producer goes on',
    check(async (law) => {
      const broker = await law.broker()
      const topic = await law.topic(broker, 2)
      const refused = { code: 'RECORD_TOO_LARGE', place: { topic, partition: 1 } }
      const large = [out(topic, 0, 'small'), out(topic, 1, 'x'.repeat(2 << 20))]
      const producer = await broker.producer()
      await expect(producer.send(large)).rejects.toMatchObject(refused)
      await producer.send([out(topic, 1, 'after')])
      const transaction = await (await broker.transactionalProducer(law.id)).begin()
      await expect(transaction.send(large)).rejects.toMatchObject(refused)
      await transaction.abort()
      const { tape } = await law.join(broker, [topic])
      await until(() => tape.values({ topic, partition: 1 }).length > 0, 'the one after')
      expect(tape.values({ topic, partition: 1 })).toEqual(['after'])
    }),
  )

  test('a topic under the name of a member of all objects is refused, before kafkajs writes into it', async () => {
    const broker = kafka({ brokers })
    await broker.connect()
    for (const topic of ['__proto__', 'constructor', 'toString']) {
      const refused = { code: 'BAD_OPTION', place: { topic } }
      const listener = { assigned: async () => [], revoked: async () => {}, batch() {}, error() {} }
      await expect(broker.createTopics([{ topic, partitions: 1 }])).rejects.toMatchObject(refused)
      await expect((await broker.producer()).send([out(topic, 0, 'a')])).rejects.toMatchObject(refused)
      await expect(
        broker.consumer({ group: 'g', topics: [topic], slots: 1, plan: '', listener }),
      ).rejects.toMatchObject(refused)
    }
    await broker.close()
    expect(Object.keys(Object.prototype)).toEqual([])
  })

  test(
    'records of more bytes than one request may have go out in several',
    check(async (law) => {
      const broker = await law.broker()
      const topic = await law.topic(broker, 1)
      const producer = await broker.producer()
      const letters = texts('', 10).map((digit) => digit.repeat(300_000))
      await producer.send(letters.map((value) => out(topic, 0, value)))
      const { tape } = await law.join(broker, [topic])
      await until(() => tape.records().length === 10, 'all')
      expect(tape.values().map((value) => value.slice(0, 2))).toEqual(texts('', 10).map((digit) => digit + digit))
      await producer.close()
    }),
  )

  test(
    'what others have written compressed is read',
    check(async (law) => {
      const broker = await law.broker()
      const topic = await law.topic(broker, 1)
      const producer = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING }).producer({
        createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
      })
      await producer.connect()
      const messages = texts('v', 100).map((value) => ({ value }))
      await producer.send({ topic, compression: kafkajs.CompressionTypes.GZIP, messages })
      await producer.disconnect()
      const { tape } = await law.join(broker, [topic], { assigned: async () => [{ topic, partition: 0, offset: 7 }] })
      await until(() => tape.records().length === 93, 'all')
      expect(tape.values()).toEqual(texts('v', 100).slice(7))
    }),
  )

  test(
    'a member stays one while its owner takes longer than the session',
    check(async (law) => {
      const broker = await law.broker()
      const topic = await law.topic(broker, 2)
      await law.write(broker, topic, 0, ['v'])
      const started = Date.now()
      const { tape } = await law.join(broker, [topic], {
        assigned: async () => {
          await until(() => Date.now() - started > 4_500, 'more than two sessions')
          return []
        },
      })
      await until(() => tape.records().length === 1, 'the record')
      expect(tape.changes.length).toBe(1)
      tape.assertClean()
    }),
  )

  test(
    'what a killed member had goes to another, from where it had committed',
    check(async (law) => {
      const broker = await law.broker()
      const topic = await law.topic(broker, 4)
      const victim = member(law.id, topic)
      await until(() => victim.count('assigned') === 1, 'the member')
      for (const partition of [0, 1, 2, 3]) await law.write(broker, topic, partition, texts(`a${partition}-`, 5))
      const total = async () => (await broker.committed(law.id, [topic])).reduce((sum, { offset }) => sum + offset, 0)
      await until(async () => (await total()) === 20, 'its commits')
      victim.child.kill('SIGKILL')
      await once(victim.child, 'exit')
      for (const partition of [0, 1, 2, 3]) await law.write(broker, topic, partition, [`b${partition}`])
      const { tape } = await law.join(broker, [topic])
      await until(() => tape.records().length >= 4, 'what came after')
      expect(tape.values().sort()).toEqual(['b0', 'b1', 'b2', 'b3'])
      tape.assertClean()
    }),
  )

  test(
    'a member that was frozen learns that its partitions are gone, and may not commit them',
    check(async (law) => {
      const broker = await law.broker()
      const topic = await law.topic(broker, 2)
      const frozen = member(law.id, topic)
      await until(() => frozen.count('assigned') === 1, 'the member')
      await law.write(broker, topic, 0, ['a'])
      await until(() => frozen.count('committed') === 1, 'its commit')
      frozen.child.kill('SIGSTOP')
      const { consumer, tape } = await law.join(broker, [topic])
      await until(() => tape.holds.length === 2, 'the takeover')
      await law.write(broker, topic, 0, ['b'])
      await until(() => tape.values().includes('b'), 'the record')
      await consumer.commit([{ topic, partition: 0, offset: 2 }])
      frozen.child.kill('SIGCONT')
      await until(() => frozen.count('revoked') >= 1 && frozen.count('assigned') >= 2, 'its return')
      await until(() => tape.holds.length === 1, 'its share')
      await law.write(broker, topic, 0, ['c'])
      await law.write(broker, topic, 1, ['d'])
      await until(
        () =>
          [...tape.values(), ...frozen.said.map(([, what]) => what)].filter((v) => v === 'c' || v === 'd').length === 2,
        'the rest',
      )
      expect(frozen.said.findIndex(([kind]) => kind === 'revoked')).toBeLessThan(
        frozen.said.findLastIndex(([kind]) => kind === 'assigned'),
      )
      expect(
        (await broker.committed(law.id, [topic])).find(({ partition }) => partition === 0)?.offset,
      ).toBeGreaterThan(1)
      tape.assertClean()
    }),
  )

  test(
    'of topics that are to be compacted, the one that isn’t is named',
    check(async (law) => {
      const broker = await law.broker()
      const topic = await law.topic(broker, 1)
      const compacted = (name: string) => ({ topic: name, partitions: 1, compacted: true })
      const [first, last] = [compacted(`${topic}-first`), compacted(`${topic}-last`)]
      await broker.createTopics([first, last])
      await broker.createTopics([first, last])
      const all = broker.createTopics([first, compacted(topic), last])
      await expect(all).rejects.toMatchObject({ code: 'TOPIC_CONFIG', place: { topic } })
      await broker.deleteTopics([first.topic, last.topic])
    }),
  )

  test('reads that begin at the same time share a connection, and none is left open', async () => {
    const sockets = () => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length
    const setting = new Setting(() => kafka({ brokers }))
    const broker = await setting.broker()
    const topic = await setting.topic(broker, 8)
    for (let partition = 0; partition < 8; partition++) await setting.write(broker, topic, partition, ['v'])
    const reader = kafka({ brokers })
    const before = sockets()
    await reader.connect()
    await Promise.all(Array.from({ length: 8 }, (_, partition) => reader.read({ topic, partition }, 0, 1, () => {})))
    await reader.close()
    await until(() => sockets() <= before, 'all connections to be closed')
    await setting.end()
  })

  test(
    'a member that was frozen while another came and went starts anew, at what the other has committed',
    check(async (law) => {
      const broker = await law.broker()
      const topic = await law.topic(broker, 1)
      const frozen = member(law.id, topic)
      await until(() => frozen.count('assigned') === 1, 'the member')
      await law.write(broker, topic, 0, ['a'])
      await until(() => frozen.count('committed') === 1, 'its commit')
      frozen.child.kill('SIGSTOP')
      const { consumer, tape } = await law.join(broker, [topic])
      await until(() => tape.holds.length === 1, 'the takeover')
      await law.write(broker, topic, 0, ['b', 'c'])
      await until(() => tape.values().includes('c'), 'the records')
      await consumer.commit([{ topic, partition: 0, offset: 3 }])
      await consumer.close()
      frozen.child.kill('SIGCONT')
      await until(() => frozen.count('assigned') === 2, 'its return')
      await law.write(broker, topic, 0, ['d'])
      await until(() => frozen.said.some(([, what]) => what === 'd'), 'the last record')
      const heard = frozen.said
        .map(([kind, what]) => (kind === 'value' ? what : kind))
        .filter((what) => what !== 'committed' && what !== 'refused')
      const since = heard.slice(heard.indexOf('revoked'))
      expect(since).toEqual(['revoked', 'assigned', 'd'])
      tape.assertClean()
    }),
  )
})

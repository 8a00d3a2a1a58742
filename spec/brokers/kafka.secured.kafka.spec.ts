import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals'
import kafkajs from 'kafkajs'
import {
  type App,
  aggregate,
  type Broker,
  count,
  createApp,
  json,
  keyBy,
  memory,
  type TidemarkError,
  toTopic,
  tumblingWindow,
} from 'tidemark'
import { type KafkaOptions, kafka } from 'tidemark/kafka'
import { brokerConformance } from '../../lib/testing/brokerConformance.js'
import { rawTopics } from '../app/raw.js'
import { PASSWORDS, SESSION_MS, type SecuredKafka, startSecuredKafka, token } from '../kafka/secured.js'
import { describeKafka } from '../kafka/testKafka.js'
import { until } from '../until.js'

jest.setTimeout(90_000)

await describeKafka('a broker that demands TLS and to know who asks', () => {
  let secured: SecuredKafka
  const apps: App[] = []
  const brokers: Broker[] = []
  let made = 0

  beforeAll(async () => {
    secured = await startSecuredKafka()
  })
  afterEach(async () => {
    for (const app of apps.splice(0)) await app.stop()
    for (const broker of brokers.splice(0)) await broker.close()
  })
  afterAll(() => secured?.stop())

  const plain = (username: 'app' | 'guest', password = PASSWORDS[username]): KafkaOptions => ({
    brokers: [secured.sasl],
    ssl: { ca: [secured.ca] },
    sasl: { mechanism: 'plain', username, password },
  })
  const scram = (mechanism: 'scram-sha-256' | 'scram-sha-512', password = PASSWORDS.app): KafkaOptions => ({
    ...plain('app'),
    sasl: { mechanism, username: 'app', password } as NonNullable<KafkaOptions['sasl']>,
  })
  const bearer = (oauthBearerProvider: () => Promise<{ value: string }>): KafkaOptions => ({
    ...plain('app'),
    sasl: { mechanism: 'oauthbearer', oauthBearerProvider },
  })
  const mutual = (): KafkaOptions => ({ brokers: [secured.mutual], ssl: { ca: [secured.ca], ...secured.client } })

  /** A whole app: two sub-topologies, a window, state, outputs. Its topics are there already. */
  async function wholeApp(options: KafkaOptions, id = `secured-${++made}`) {
    const [input, output] = [`${id}-in`, `${id}-out`]
    const topics = await rawTopics({ [input]: 2, [output]: 1 }, kafka({ brokers: [secured.open] }))
    brokers.push(topics.broker)
    const app = createApp({ id, broker: kafka(options), store: memory(), commitInterval: 50 })
    apps.push(app)
    const errors: TidemarkError[] = []
    app.errors$.subscribe((error) => errors.push(error))
    app.run(
      'test',
      app.stream<{ user: string }>(input, { value: json(), watermark: { maxOutOfOrderness: 0 } }).pipe(
        keyBy((click) => click.value.user, { name: 'by-user' }),
        tumblingWindow('1m'),
        aggregate(count(), { name: 'clicks', emit: 'close' }),
        toTopic(output),
      ),
    )
    const click = (partition: number, user: string, timestamp: number) =>
      topics.send({ topic: input, partition }, null, JSON.stringify({ user }), timestamp)
    const results = async () => (await topics.read(output)).map(({ key, value }) => `${key} ${value}`).sort()
    return { app, errors, click, results, input, output }
  }

  describe.each([
    ['SASL PLAIN', () => plain('app')],
    ['SASL SCRAM-SHA-256', () => scram('scram-sha-256')],
    ['SASL SCRAM-SHA-512', () => scram('scram-sha-512')],
    ['SASL OAUTHBEARER', () => bearer(async () => ({ value: token('app') }))],
    ['a certificate of the client’s', mutual],
  ])('by %s', (_, options) => {
    test('a whole app reads, repartitions, keeps windows and writes', async () => {
      const { app, errors, click, results } = await wholeApp(options())
      await app.start()
      for (const [partition, user] of ['ann', 'bob', 'ann', 'ann'].entries())
        await click(partition % 2, user, 1_000 + partition)
      for (const partition of [0, 1]) await click(partition, 'end', 120_000)
      await until('the windows to close', async () => (await results()).length === 2, 30_000)
      expect(await results()).toEqual(['ann 3', 'bob 1'])
      expect(errors).toEqual([])
    })
  })

  describe('the contract of a broker, over SASL_SSL', () => {
    for (const { name, run } of brokerConformance(() => kafka(scram('scram-sha-512')))) test(name, run)
  })

  test('what it is given stays as it is, frozen or not', async () => {
    const sasl = Object.freeze({ mechanism: 'plain', username: 'app', password: PASSWORDS.app } as const)
    const ssl = Object.freeze({ ca: [secured.ca] })
    const broker = kafka({ brokers: [secured.sasl], ssl, sasl })
    await broker.connect()
    await broker.close()
  })

  test('a session that ends is renewed, with a new token, and nobody notices; nor if the issuer is away a while', async () => {
    let asked = 0
    let end = Number.POSITIVE_INFINITY
    const { app, errors, click, results } = await wholeApp(
      bearer(async () => {
        asked++
        if (Math.abs(end - SESSION_MS / 2 - Date.now()) < 1_000) throw new Error('the issuer is away')
        return { value: token('app') }
      }),
    )
    await app.start()
    const first = asked
    end = Date.now() + SESSION_MS + 2_000
    let minute = 0
    // The broker cuts off whoever goes on past the end of a session.
    while (Date.now() < end) {
      for (const partition of [0, 1]) await click(partition, 'ann', minute * 60_000)
      minute++
      await until('the window before to close', async () => (await results()).length === minute - 1, 20_000)
    }
    expect(new Set(await results())).toEqual(new Set(['ann 2']))
    expect(asked).toBeGreaterThan(first)
    expect(errors).toEqual([])
  })

  describe('is refused, at once and with the reason', () => {
    const WRONG = 'a-wrong-password'
    test.each<[string, () => KafkaOptions, RegExp]>([
      ['a wrong PLAIN password', () => plain('app', WRONG), /Invalid username or password/],
      ['a wrong SCRAM password', () => scram('scram-sha-512', WRONG), /invalid credentials/],
      [
        'a token that is none',
        () => bearer(async () => ({ value: WRONG })),
        /the broker refused the token.*invalid_token/,
      ],
      [
        'a token that has expired',
        () => bearer(async () => ({ value: token('app', -60) })),
        /the broker refused the token.*invalid_token/,
      ],
      [
        'a mechanism that the broker lacks',
        () => ({
          ...plain('app'),
          sasl: { mechanism: 'aws', authorizationIdentity: 'a', accessKeyId: 'b', secretAccessKey: WRONG },
        }),
        /UNSUPPORTED_SASL_MECHANISM/,
      ],
      [
        'a broker whose certificate nobody here knows',
        () => ({ ...plain('app'), ssl: { ca: [secured.otherCa] } }),
        /unable to verify the first certificate/,
      ],
      [
        'the same by the system’s authorities',
        () => ({ ...plain('app'), ssl: true }),
        /unable to verify the first cert/,
      ],
      [
        'a broker with the name of another',
        () => ({ ...plain('app'), brokers: [secured.sasl], ssl: { ca: [secured.ca], servername: 'elsewhere' } }),
        /ERR_TLS_CERT_ALTNAME_INVALID/,
      ],
      [
        'a client without a certificate',
        () => ({ ...mutual(), ssl: { ca: [secured.ca] } }),
        /bad certificate|certificate required/,
      ],
      [
        'a password where none is taken',
        () => ({ brokers: [secured.open], sasl: { mechanism: 'plain', username: 'app', password: WRONG } }),
        /ILLEGAL_SASL_STATE/,
      ],
    ])('%s', async (_, options, reason) => {
      const { app } = await wholeApp({ ...options(), connectionTimeout: '30s' })
      const from = Date.now()
      const error: TidemarkError = await app.start().catch((thrown) => thrown)
      expect(error).toMatchObject({ code: 'AUTH_FAILED', message: expect.stringMatching(reason) })
      expect(error.message).not.toContain(WRONG)
      expect(Date.now() - from).toBeLessThan(15_000)
    })

    test.each<[string, () => KafkaOptions]>([
      ['no SASL', () => ({ brokers: [secured.sasl], ssl: { ca: [secured.ca] } })],
      ['no TLS', () => ({ brokers: [secured.sasl], sasl: { mechanism: 'plain', username: 'app', password: WRONG } })],
      ['TLS where none is spoken', () => ({ brokers: [secured.open], ssl: { ca: [secured.ca] } })],
    ])('%s: that can’t be told from a broker that is away, and the advice names it', async (_, options) => {
      const broker = kafka({ ...options(), connectionTimeout: '500ms' })
      await expect(broker.connect()).rejects.toThrow(/^BROKER_UNAVAILABLE: .*that `ssl` and `sasl` are set/)
    })

    test('a provider of tokens that fails is asked again until the time is over; its reason is told', async () => {
      let asked = 0
      const broker = kafka({
        ...bearer(async () => {
          asked++
          throw new Error('the issuer is away')
        }),
        connectionTimeout: '1s',
      })
      await expect(broker.connect()).rejects.toThrow(/^AUTH_FAILED: .*the issuer is away/)
      expect(asked).toBeGreaterThan(1)
    })

    test('a key that can’t be read, when the broker is made', () => {
      expect(() => kafka({ ...mutual(), ssl: { ...secured.client, key: 'not-a-key' } })).toThrow(
        /^BAD_OPTION: kafka: ssl/,
      )
    })
  })

  test('a connection that breaks in the middle of a handshake is no refusal', async () => {
    let connections = 0
    // Each connection gets one piece further than the last, through TLS, handshake and password.
    const proxy = createServer((client) => {
      const limit = ++connections
      let pieces = 0
      const [host, port] = secured.sasl.split(':')
      const broker = connect(Number(port), host)
      for (const socket of [client, broker]) socket.on('error', () => {})
      client.on('data', (bytes) => {
        if (++pieces > limit && limit < 9) {
          client.destroy()
          broker.destroy()
        } else broker.write(bytes)
      })
      broker.on('data', (bytes) => client.write(bytes))
      client.on('close', () => broker.destroy())
    }).listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    const { port } = proxy.address() as { port: number }
    try {
      for (const options of [plain('app'), scram('scram-sha-512')]) {
        connections = 0
        const broker = kafka({ ...options, brokers: [`127.0.0.1:${port}`], connectionTimeout: '30s' })
        await broker.connect()
        expect(connections).toBeGreaterThan(4)
        await broker.close()
      }
    } finally {
      proxy.close()
    }
  })

  describe('what the user hasn’t been granted', () => {
    const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs
    const admin = () => new kafkajs.Kafka({ brokers: [secured.open], logLevel: kafkajs.logLevel.NOTHING }).admin()
    const grant = (resourceType: number, resourceName: string, ...operations: number[]) =>
      operations.map((operation) => ({
        resourceType,
        resourceName,
        resourcePatternType: ResourcePatternTypes.PREFIXED,
        principal: 'User:guest',
        host: '*',
        operation,
        permissionType: AclPermissionTypes.ALLOW,
      }))
    const [TOPIC, GROUP] = [AclResourceTypes.TOPIC, AclResourceTypes.GROUP]
    const { READ, WRITE, CREATE, DESCRIBE_CONFIGS } = AclOperationTypes

    async function granted(acl: ReturnType<typeof grant>, body: () => Promise<void>): Promise<void> {
      const client = admin()
      await client.connect()
      try {
        if (acl.length > 0) await client.createAcls({ acl })
        await body()
      } finally {
        if (acl.length > 0) await client.deleteAcls({ filters: acl })
        await client.disconnect()
      }
    }

    const outcome = async ({ app, errors }: { app: App; errors: TidemarkError[] }) => {
      const thrown = await app.start().catch((error: TidemarkError) => error)
      const refusal = () => errors.find(({ code }) => code === 'NOT_AUTHORISED')
      return (
        thrown ??
        (await until('the app to fail', refusal).catch((error: Error) => {
          throw new Error(`${error.message}; it says ${inspect([errors, app.stats()], { depth: 6 })}`)
        }))
      )
    }

    test('a topic to read', async () => {
      await granted([], async () => {
        const whole = await wholeApp(plain('guest'))
        expect(await outcome(whole)).toMatchObject({
          code: 'NOT_AUTHORISED',
          message: expect.stringContaining(whole.input),
        })
      })
    })

    test('internal topics to create, a group, transactions, a topic to write: each is named', async () => {
      const id = `granted-${Date.now()}`
      const topics = [...grant(TOPIC, `${id}-in`, READ), ...grant(TOPIC, `${id}-out`, AclOperationTypes.DESCRIBE)]
      const repartition = grant(TOPIC, `${id}-by-user`, CREATE, READ, WRITE)
      const time = grant(TOPIC, `${id}-${id}-in.time`, CREATE, READ, WRITE, DESCRIBE_CONFIGS)
      const changelog = [...time, ...grant(TOPIC, `${id}-clicks`, CREATE, READ, WRITE, DESCRIBE_CONFIGS)]
      const group = grant(GROUP, id, READ)
      const transactions = grant(AclResourceTypes.TRANSACTIONAL_ID, id, WRITE)
      const said = async (...acl: ReturnType<typeof grant>) => {
        let error: TidemarkError | undefined
        await granted(acl, async () => {
          const whole = await wholeApp(plain('guest'), id)
          for (const minute of [0, 5, 10])
            for (const partition of [0, 1]) await whole.click(partition, 'ann', minute * 60_000)
          error = await outcome(whole)
          await until('the app to end by it', () => whole.app.stats().state === 'failed')
        })
        expect(error?.code).toBe('NOT_AUTHORISED')
        return error?.message
      }
      expect(await said(...topics)).toContain(`${id}-by-user-repartition`)
      expect(await said(...topics, ...repartition)).toContain(`${id}-${id}-in.time-changelog`)
      expect(await said(...topics, ...repartition, ...time)).toContain(`${id}-clicks-changelog`)
      expect(await said(...topics, ...repartition, ...changelog)).toContain(`group ${id}`)
      expect(await said(...topics, ...repartition, ...changelog, ...group)).toContain(`of ${id}-`)
      // They are there by now, and asked about together.
      const silent = grant(TOPIC, `${id}-clicks`, READ, WRITE)
      expect(await said(...topics, ...repartition, ...time, ...silent, ...group)).toContain(
        `reading the configuration of ${id}-clicks-changelog`,
      )
      // What it needs to write to, it asks for when a window closes.
      expect(await said(...topics, ...repartition, ...changelog, ...group, ...transactions)).toContain(
        `TOPIC_AUTHORIZATION_FAILED: Not authorized to access topics: [Topic authorization failed]; grant it to the user that the app connects as (app ${id}, topic ${id}-out)`,
      )
    })

    test('what is taken away while an app runs ends it', async () => {
      const id = `taken-${Date.now()}`
      const whole = await wholeApp(plain('guest'), id)
      const acl = [
        ...grant(TOPIC, id, READ, WRITE, CREATE),
        ...grant(GROUP, id, READ),
        ...grant(AclResourceTypes.TRANSACTIONAL_ID, id, WRITE),
      ]
      await granted(acl, async () => {
        await whole.app.start()
        for (const partition of [0, 1]) await whole.click(partition, 'ann', 1)
        for (const partition of [0, 1]) await whole.click(partition, 'ann', 60_000)
        await until('a result', async () => (await whole.results()).length === 1)
      })
      const error = await until('the refusal', () => whole.errors.find(({ code }) => code === 'NOT_AUTHORISED'))
      expect(error.place.app).toBe(id)
      await until('the app to end by it', () => whole.app.stats().state === 'failed')
    })

    test('a transactional id', async () => {
      const id = `transactions-${Date.now()}`
      await granted(grant(TOPIC, id, WRITE), async () => {
        const broker = kafka(plain('guest'))
        await broker.connect()
        brokers.push(broker)
        const producer = await broker.transactionalProducer(id)
        const from = Date.now()
        await expect(producer.begin()).rejects.toMatchObject({
          code: 'NOT_AUTHORISED',
          message: expect.stringMatching(`TRANSACTIONAL_ID_AUTHORIZATION_FAILED|of ${id}`),
        })
        expect(Date.now() - from).toBeLessThan(10_000)
      })
    })
  })

  test('secrets are in nothing that is printed, logged, thrown, or can be seen by looking', async () => {
    const file = fileURLToPath(new URL('./printsAll.ts', import.meta.url))
    const { sasl, mutual: mutualAddress, ca, otherCa, client } = secured
    const child = spawn(process.execPath, ['--import', 'tsx', file], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, KAFKAJS_LOG_LEVEL: 'DEBUG', KAFKAJS_DEBUG_PROTOCOL_BUFFERS: '1' },
    })
    const wrong = 'a-wrong-and-recognisable-password'
    const tokens = { right: token('app'), wrong: 'a-wrong-and-recognisable-token' }
    child.stdin.end(JSON.stringify({ sasl, mutual: mutualAddress, ca, otherCa, client, wrong, tokens, PASSWORDS }))
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk))
    const [exitCode] = await once(child, 'close')
    expect({ exitCode, said: text.match(/^done: .*$/m)?.[0] }).toEqual({ exitCode: 0, said: 'done: 8 of 8' })
    // There was something to look through: errors, the client's own logs, objects.
    for (const seen of ['AUTH_FAILED', 'NOT_AUTHORISED', 'Authenticate with SASL', 'ClusterClient'])
      expect(text).toContain(seen)
    const key = client.key.split('\n')[1] as string
    for (const secret of [...Object.values(PASSWORDS), wrong, ...Object.values(tokens), key]) {
      const bytes = Buffer.from(secret)
      for (const form of [secret, JSON.stringify(secret).slice(1, -1), bytes.toString('hex'), bytes.join(',')])
        expect({ secret, found: text.includes(form) }).toEqual({ secret, found: false })
      // In base64 it looks different by what stands before it; its middle does so in three ways only.
      for (const skip of [0, 1, 2]) {
        const middle = Buffer.from(`${'x'.repeat(skip)}${secret}`)
          .toString('base64')
          .slice(4, -4)
        expect({ secret, found: text.includes(middle) }).toEqual({ secret, found: false })
      }
    }
  })
})

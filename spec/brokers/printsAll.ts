// Uses secrets in every way, and prints all that there is to see. What it may do comes by stdin; spec/brokers/kafka.secured.kafka.spec.ts reads what it prints.
import { inspect } from 'node:util'
import { createApp } from '../../lib/app/app.js'
import { kafka } from '../../lib/brokers/kafka.js'
import { toTopic } from '../../lib/operators/toTopic.js'
import { json } from '../../lib/record/serde.js'
import { memory } from '../../lib/stores/memory.js'

let input = ''
for await (const chunk of process.stdin) input += chunk
const { sasl, mutual, ca, otherCa, client, wrong, tokens, PASSWORDS } = JSON.parse(input)

const show = (what: string, value: unknown) => {
  console.log(what, inspect(value, { depth: Number.POSITIVE_INFINITY, showHidden: true, maxArrayLength: 1e5 }))
  const seen = new Set<unknown>()
  const once = (_: string, member: unknown) => {
    if (typeof member === 'object' && member !== null) {
      if (seen.has(member)) return '(seen)'
      seen.add(member)
    }
    return member
  }
  console.log(what, JSON.stringify(value, once), String(value), (value as Error)?.stack)
}

const ssl = { ca: [ca] }
const address = { brokers: [sasl], ssl, connectionTimeout: '2s' } as const
const plain = (username: string, password: string) => ({ mechanism: 'plain', username, password }) as const
const scram = (password: string) => ({ mechanism: 'scram-sha-512', username: 'app', password }) as const
const bearer = (value: string) => ({ mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value }) }) as const
const cases = {
  right: { ...address, sasl: plain('app', PASSWORDS.app) },
  rightScram: { ...address, sasl: scram(PASSWORDS.app) },
  rightToken: { ...address, sasl: bearer(tokens.right) },
  rightKey: { brokers: [mutual], ssl: { ...ssl, ...client } },
  guest: { ...address, sasl: plain('guest', PASSWORDS.guest) },
  wrongPassword: { ...address, sasl: scram(wrong) },
  wrongToken: { ...address, sasl: bearer(tokens.wrong) },
  wrongAuthority: { ...address, ssl: { ca: [otherCa], ...client }, sasl: plain('app', PASSWORDS.app) },
}

let done = 0
for (const [name, options] of Object.entries(cases)) {
  const broker = kafka(options)
  const app = createApp({ id: `prints-${name}`, broker, store: memory() })
  app.errors$.subscribe((error) => show(`${name} error`, error))
  app.run('copy', app.stream(`prints-${name}`, { value: json() }).pipe(toTopic(`prints-${name}-out`)))
  show(`${name} before`, [broker, broker.name, app, app.describe(), app.stats()])
  const tried = async (what: string, run: () => Promise<unknown>) => {
    try {
      show(`${name} ${what}`, await run())
    } catch (error) {
      show(`${name} ${what}`, error)
    }
  }
  await tried('connect', () => broker.connect())
  await tried('create', () =>
    broker.createTopics([`prints-${name}`, `prints-${name}-out`].map((topic) => ({ topic, partitions: 1 }))),
  )
  await tried('start', () => app.start())
  const listener = {
    assigned: async () => [],
    revoked: async () => {},
    batch: () => {},
    error: (error: Error) => show(`${name} consumer error`, error),
  }
  await tried('consumer', () =>
    broker.consumer({ group: `prints-${name}-2`, topics: [`prints-${name}`], slots: 1, plan: '', listener }),
  )
  await tried('producer', () => broker.producer())
  await tried('transaction', async () => (await broker.transactionalProducer(name)).begin())
  await tried('ranges', () => broker.ranges(`prints-${name}`))
  await tried('committed', () => broker.committed('some', [`prints-${name}`]))
  show(`${name} after`, [broker, app, app.stats()])
  await tried('stop', () => app.stop())
  await tried('close', () => broker.close())
  done++
}
console.log(`\ndone: ${done} of ${Object.keys(cases).length}`)
process.exit()

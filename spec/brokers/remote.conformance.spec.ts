import type { Bridge } from '../../lib/brokers/bridge.js'
import { embedded } from '../../lib/brokers/embedded.js'
import type { Broker } from '../../lib/ports/broker.js'
import { memory } from '../../lib/stores/memory.js'
import { brokerConformance } from '../../lib/testing/brokerConformance.js'
import { connectTo, openBridge, TRANSPORTS, WritableRemote } from './bridged.js'

describe.each(TRANSPORTS)('the contract of a broker, read over %s', (transport) => {
  const behind = embedded()
  const topics: string[] = []
  let opened: { server: Bridge; url: string }

  beforeAll(async () => {
    opened = await openBridge({ broker: behind, topics })
  })
  afterAll(() => opened.server.close())

  const make = () => new WritableRemote(behind, topics, opened.url, transport)
  for (const { name, run } of brokerConformance(make)) test(name, run)
})

describe('the contract of a broker, for what is local to one with a bridge', () => {
  const behind = embedded()
  let server: Bridge
  let broker: Broker

  beforeAll(async () => {
    await behind.createTopics([{ topic: 'orders', partitions: 1 }])
    const opened = await openBridge({ broker: behind, topics: ['orders'] })
    server = opened.server
    broker = connectTo(opened.url, 'sse', { local: embedded({ store: memory() }) })
  })
  afterAll(() => server.close())

  for (const { name, run } of brokerConformance(() => broker)) test(name, run)
})

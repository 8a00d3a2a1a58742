import type { Bridge } from '../../lib/brokers/bridge.js'
import { embedded } from '../../lib/brokers/embedded.js'
import { brokerConformance } from '../../lib/testing/brokerConformance.js'
import { openBridge, TRANSPORTS, WritableRemote } from './bridged.js'

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

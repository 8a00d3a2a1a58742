import { jest } from '@jest/globals'
import type { Bridge } from '../../lib/brokers/bridge.js'
import { kafka } from '../../lib/brokers/kafka.js'
import { brokerConformance } from '../../lib/testing/brokerConformance.js'
import { describeInChromium } from '../chromium.js'
import { describeKafka } from '../kafka/testKafka.js'
import { openBridge, TRANSPORTS, WritableRemote } from './bridged.js'
import { CUTS, expectTabLikeNode } from './chromiumTab.js'

jest.setTimeout(180_000)

await describeKafka('the contract of a broker, read from Kafka over a bridge', (brokers) => {
  const behind = kafka({ brokers })
  const topics: string[] = []
  let opened: { server: Bridge; url: string }

  beforeAll(async () => {
    opened = await openBridge({ broker: behind, topics, pollInterval: 50 })
  })
  afterAll(() => opened.server.close())

  const make = () => new WritableRemote(kafka({ brokers }), topics, opened.url, 'websocket')
  for (const { name, run } of brokerConformance(make)) test(name, run)
})

await describeKafka('Kafka', (brokers) => {
  describeInChromium('in a tab of Chromium over a bridge', () => {
    test.each(TRANSPORTS)(
      `has over %s the windows of a Node app, record by record, after ${CUTS} cuts and a reload`,
      async (transport) => expectTabLikeNode(kafka({ brokers }), transport, 2_000),
    )
  })
})

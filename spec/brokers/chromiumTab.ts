import { join } from 'node:path'
import type { Bridge } from '../../lib/brokers/bridge.js'
import { createApp, memory } from '../../lib/index.js'
import type { Broker } from '../../lib/ports/broker.js'
import { bundlePage, openChromium } from '../browser.js'
import { tcpProxy } from '../tcpProxy.js'
import { until } from '../until.js'
import { openBridge, type Transport } from './bridged.js'
import { isComplete, OUTPUTS, orders, outcome, PARTITIONS, settled, windows, writePieces } from './bridgedOrders.js'
import type { RemotePage } from './remotePage.js'

type PageGlobals = typeof globalThis & { tab: RemotePage }

export const CUTS = 10

/**
 * Runs an app in a real tab over a bridge to a broker, and the same app in Node right at the broker, while orders are written, the tab's connection is cut ten
 * times and its page is reloaded once; expects that both come to the same, record by record.
 */
export async function expectTabLikeNode(
  broker: Broker,
  transport: Transport,
  amount: number,
  isShared = false,
): Promise<void> {
  const id = `${transport}-${Date.now().toString(36)}`
  const topic = `orders-${id}`
  const prefix = `node-${id}-`
  const outputs = OUTPUTS.map((output) => prefix + output)
  await broker.connect()
  await broker.createTopics([topic, ...outputs].map((name) => ({ topic: name, partitions: PARTITIONS })))
  const node = createApp({ id: prefix, broker, store: memory(), commitInterval: '20ms' })
  windows(node, topic, prefix)
  await node.start()

  const served = await bundlePage(join(import.meta.dirname, 'remotePage.ts'))
  const browser = await openChromium()
  let server: Bridge | undefined
  let connections = 0
  try {
    const opened = await openBridge({
      broker,
      topics: [topic],
      origins: [new URL(served.url).origin],
      authorise({ token }) {
        connections++
        return token === 'of the tab'
      },
    })
    server = opened.server
    const proxy = await tcpProxy(Number(new URL(opened.url).port))
    const open = async () => {
      await browser.page.goto(served.url)
      const opening = { url: `http://127.0.0.1:${proxy.port}/`, transport, topic, database: id, isShared }
      await browser.page.evaluate((all) => (globalThis as PageGlobals).tab.open(all), opening)
    }
    const updates = () => browser.page.evaluate(() => (globalThis as PageGlobals).tab.updates())
    const tabs = () => browser.page.evaluate(() => (globalThis as PageGlobals).tab.outcome())

    await open()
    let written = 0
    let cuts = 0
    await writePieces(broker, orders(topic, amount, 21), CUTS, async (now) => {
      await until('the tab to be under way', async () => (await updates()) >= written / 2, 30_000)
      written = now
      const before = connections
      proxy.cut()
      await until('another connection', () => connections > before, 30_000)
      if (++cuts !== CUTS / 2) return
      const done = await updates()
      expect(done).toBeGreaterThan(0)
      expect(done).toBeLessThan(amount)
      await browser.page.reload()
      await open()
    })
    expect(cuts).toBe(CUTS)
    await until('all orders in Node', async () => isComplete(await outcome(broker, prefix), amount), 30_000)
    await until('all orders in the tab', async () => isComplete(await tabs(), amount), 30_000)
    const expected = await outcome(broker, prefix)
    expect([expected.updates, settled(expected)]).toEqual([amount + PARTITIONS, amount])
    expect(await tabs()).toEqual(expected)
    await browser.page.evaluate(() => (globalThis as PageGlobals).tab.close())
    await proxy.close()
  } finally {
    await browser.close()
    await served.close()
    await server?.close()
    await node.stop()
    await broker.deleteTopics([topic, ...outputs])
    await broker.close()
  }
}

import type { Bridge } from '../../lib/brokers/bridge.js'
import { embedded } from '../../lib/brokers/embedded.js'
import { type App, createApp, memory } from '../../lib/index.js'
import type { Broker } from '../../lib/ports/broker.js'
import { type TcpProxy, tcpProxy } from '../tcpProxy.js'
import { until } from '../until.js'
import { connectTo, openBridge, TRANSPORTS } from './bridged.js'
import { isComplete, OUTPUTS, orders, outcome, PARTITIONS, settled, windows, writePieces } from './bridgedOrders.js'

const RECORDS = 3_000
const CUTS = 10

describe.each(TRANSPORTS)('an app over %s', (transport) => {
  let behind: Broker
  let server: Bridge
  let proxy: TcpProxy
  let apps: App[]
  /** How many the bridge has had: it asks once for each and the one topic. */
  let connections: number

  beforeEach(async () => {
    apps = []
    behind = embedded()
    await behind.createTopics([{ topic: 'orders', partitions: PARTITIONS }])
    connections = 0
    const authorise = () => {
      connections++
      return true
    }
    const opened = await openBridge({ broker: behind, topics: ['orders'], heartbeat: '500ms', authorise })
    server = opened.server
    proxy = await tcpProxy(Number(new URL(opened.url).port))
  })
  afterEach(async () => {
    for (const app of apps) await app.stop()
    await proxy.close()
    await server.close()
  })

  /** An app over a broker that has the orders, with topics of its own to write to. */
  async function start(id: string, broker: Broker, store = memory()): Promise<App> {
    await broker.connect()
    await broker.createTopics(OUTPUTS.map((topic) => ({ topic, partitions: PARTITIONS })))
    const app = createApp({ id, broker, store, commitInterval: '20ms' })
    windows(app, 'orders')
    apps.push(app)
    await app.start()
    return app
  }

  async function startBoth(): Promise<{ tab: Broker; app: App }> {
    await start('node', behind)
    const store = memory()
    const tab = connectTo(`http://127.0.0.1:${proxy.port}/`, transport, { local: embedded({ store }) })
    return { tab, app: await start('tab', tab, store) }
  }

  /** Writes orders, and breaks the connection now and then while the tab is under way. */
  async function write(seed: number, app: App, times: number, breaks: () => void): Promise<void> {
    const handled = () => app.stats().tasks.reduce((sum, { records }) => sum + records, 0)
    let written = 0
    await writePieces(behind, orders('orders', RECORDS, seed), times, async (now) => {
      await until('the tab to be under way', () => handled() >= written / 2)
      written = now
      const before = connections
      breaks()
      await until('another connection', () => connections > before)
    })
  }

  /** That tab and Node come to the same, record by record, once both have all. */
  async function expectSame(tab: Broker): Promise<void> {
    for (const broker of [behind, tab])
      await until('all orders to be in', async () => isComplete(await outcome(broker), RECORDS), 20_000)
    const expected = await outcome(behind)
    expect([expected.updates, settled(expected)]).toEqual([RECORDS + PARTITIONS, RECORDS])
    expect(expected.late.flat().length).toBeGreaterThan(10)
    expect(await outcome(tab)).toEqual(expected)
  }

  test(`has the windows of a Node app, record by record, though the connection is cut ${CUTS} times`, async () => {
    const { tab, app } = await startBoth()
    await write(11, app, CUTS, () => proxy.cut())
    expect(connections).toBeGreaterThan(CUTS)
    await expectSame(tab)
  })

  test('the same, though the network goes dead without a word, twice', async () => {
    const { tab, app } = await startBoth()
    await write(12, app, 2, () => proxy.freeze())
    await expectSame(tab)
  })
})

import { createApp } from '../../lib/app/app.js'
import { embedded } from '../../lib/brokers/embedded.js'
import { remote } from '../../lib/brokers/remote.js'
import { tabs } from '../../lib/brokers/tabs.js'
import { idb } from '../../lib/stores/idb.js'
import { OUTPUTS, type Outcome, outcome, PARTITIONS, windows } from './bridgedOrders.js'

/* The page of remote.chromium.spec.ts: a tab that reads orders over a bridge, and keeps what it makes of them in IndexedDB. */

interface Opening {
  readonly url: string
  readonly transport: 'websocket' | 'sse'
  readonly topic: string
  readonly database: string
  /** Whether all tabs share it. */
  readonly isShared: boolean
}

async function open({ url, transport, topic, database, isShared }: Opening) {
  const store = idb(database)
  const own = remote({ url, transport, token: () => 'of the tab', local: embedded({ store }) })
  const broker = isShared ? tabs(database, own) : own
  await broker.connect()
  await broker.createTopics(OUTPUTS.map((output) => ({ topic: output, partitions: PARTITIONS })))
  const app = createApp({ id: 'tab', broker, store, commitInterval: '20ms' })
  windows(app, topic)
  app.errors$.subscribe((error) => console.error(error.message))
  await app.start()
  return { app, broker }
}

let running: Awaited<ReturnType<typeof open>>

const page = {
  async open(opening: Opening) {
    running = await open(opening)
  },
  outcome: (): Promise<Outcome> => outcome(running.broker),
  /** Orders that are in the sums by shop, before and after reloads. */
  async updates(): Promise<number> {
    return (await outcome(running.broker)).updates
  },
  async close() {
    await running.app.stop()
    await running.broker.close()
  },
}

export type RemotePage = typeof page
Object.assign(globalThis, { tab: page })

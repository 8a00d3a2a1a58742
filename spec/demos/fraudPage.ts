import { fraud, WATERMARK } from '../../demos/fraud/pipeline.js'
import { feed, prepare } from '../../demos/shared/feed.js'
import { createApp } from '../../lib/app/app.js'
import { embedded } from '../../lib/brokers/embedded.js'
import { idb } from '../../lib/stores/idb.js'
import { outcome, type PlainOutcome } from './demoCase.js'
import { fraudCase } from './fraudCase.js'

const {
  demo,
  part: { seed },
} = fraudCase

/* The page of fraud.chromium.spec.ts. */
async function open(database: string) {
  const store = idb(database)
  const broker = embedded({ store })
  await broker.connect()
  await prepare(broker, demo, seed)
  const app = createApp({ id: 'fraud', broker, store })
  const { spend } = fraud(app, { watermark: WATERMARK })
  app.errors$.subscribe((error) => console.error(error.message))
  await app.start()
  return { app, broker, spend }
}

let running: Awaited<ReturnType<typeof open>>

const page = {
  async open(database: string) {
    running = await open(database)
  },
  /** Writes transactions until there are so many. */
  feed: (count: number, rate?: number) => feed(running.broker, demo, { seed, count, rate }),
  outcome: (): Promise<PlainOutcome> => outcome(fraudCase, running.broker),
  /** The rows of the app's own table. */
  spend: () => [...running.spend.entries()].sort(([a], [b]) => (a < b ? -1 : 1)),
  async close() {
    await running.app.stop()
    await running.broker.close()
  },
}

export type FraudPage = typeof page
Object.assign(globalThis, { fraud: page })

// The fraud detector in a worker of a browser tab: broker, pipeline, state and onlooker, all here.
import { createApp, embedded, type TraceEvent, tracer } from 'tidemark'
import { idb } from 'tidemark/idb'
import { tabs } from 'tidemark/tabs'
import { demo } from '../fraud/demo.js'
import { fraud, WATERMARK } from '../fraud/pipeline.js'
import { feed, prepare } from '../shared/feed.js'
import { onlooker } from '../shared/onlooker.js'
import type { LiveCommand, LiveMessage } from './messages.js'

const SEED = 1
const RATE = 15
const LOOK_MS = 150
const DATABASE = 'tidemark-demo'

const tell = (message: LiveMessage) => postMessage(message)
const fail = (error: unknown) =>
  tell({ type: 'failed', message: error instanceof Error ? error.message : String(error) })
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

async function main(): Promise<void> {
  // One store for topics, offsets and state: each commit takes all three along. And one broker for all tabs.
  const store = idb(DATABASE)
  const broker = tabs(DATABASE, embedded({ store }))
  await broker.connect()
  await prepare(broker, demo, SEED)
  let told: TraceEvent[] = []
  const app = createApp({ id: demo.name, broker, store, trace: tracer((event) => told.push(event)) })
  fraud(app, { watermark: WATERMARK })
  app.errors$.subscribe(fail)

  let stopping = new AbortController()
  let feeding = Promise.resolve()
  const go = () => {
    stopping = new AbortController()
    feeding = feed(broker, demo, { seed: SEED, rate: RATE, signal: stopping.signal }).catch(fail)
  }
  const reset = async () => {
    stopping.abort()
    await feeding
    await app.stop()
    await broker.close()
    for (const { name } of await indexedDB.databases())
      if (name?.startsWith(`${DATABASE}/`)) indexedDB.deleteDatabase(name)
    tell({ type: 'gone' })
  }
  addEventListener('message', ({ data }: MessageEvent<LiveCommand>) => {
    if (data === 'go') go()
    else if (data === 'pause') stopping.abort()
    else reset().catch(fail)
  })
  // When it is this tab's turn.
  app.start().then(go).catch(fail)

  const look = onlooker(app, broker, demo)
  while (!['stopped', 'failed'].includes(app.stats().state)) {
    const sight = await look()
    tell({ type: 'sight', sight, told, isStandingBy: app.stats().state === 'standing by' })
    told = []
    await pause(LOOK_MS)
  }
}

main().catch(fail)

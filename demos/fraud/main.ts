// npm start: the fraud detector on live transactions, embedded in this process or on Kafka.
import { parseArgs } from 'node:util'
import { type App, type Broker, createApp, embedded, memory, type StoreAdapter } from 'tidemark'
import { kafka } from 'tidemark/kafka'
import { level } from 'tidemark/level'
import { feed, prepare } from './feed.js'
import { onlooker, type Sight } from './onlooker.js'
import { fraud } from './pipeline.js'
import { alertLine, Screen, statusLine } from './screen.js'

const USAGE = `Usage: npm start -- [options]
  --kafka HOST:PORT   run on Kafka (default: embedded in this process)
  --state DIR         keep state there (default: in memory; with --kafka ./state/fraud)
  --seed N            of the generator (default 1)
  --rate N            transactions per second (default 200)
  --count N           end when there are so many transactions (default: go on)
  --no-generate       only read what others write`

const LOOK_MS = 250
const DRAIN_MS = 15_000
/** npm, the shell and the terminal may all pass on one Ctrl-C. */
const ONE_CTRL_C_MS = 300

interface Place {
  /** The app's. */
  readonly broker: Broker
  /** For feeding and looking on, beyond the app's end. */
  readonly outside: Broker
  readonly store: StoreAdapter
}

function place(address: string | undefined, state: string | undefined): Place {
  if (address !== undefined) {
    const brokers = address.split(',')
    return { broker: kafka({ brokers }), outside: kafka({ brokers }), store: level(state ?? './state/fraud') }
  }
  // One store for topics and state, and so one commit for both.
  const store = state === undefined ? memory() : level(state, { exclusive: true })
  const broker = embedded({ store })
  return { broker, outside: broker, store }
}

async function main(): Promise<void> {
  const options = readOptions()
  if (options === undefined) return
  const { seed } = options
  const stopping = new AbortController()
  onCtrlC(stopping)
  const screen = new Screen(process.stdout)

  const { broker, outside, store } = place(options.kafka, options.state)
  await outside.connect()
  await prepare(outside, seed)
  const app = createApp({ id: 'fraud', broker, store })
  fraud(app)
  app.errors$.subscribe((error) => screen.line(`! ${error.message}`))
  app.state$.subscribe((state) => {
    if (state === 'failed') stopping.abort()
  })
  await app.start()
  screen.line(`${app.id} runs on ${broker.name} with ${store.name}; Ctrl-C ends it`)

  const look = onlooker(app, outside)
  const show = async () => {
    const sight = await look()
    for (const alert of sight.newAlerts) screen.line(alertLine(alert))
    screen.show(statusLine(sight))
    return sight
  }
  const before = await look()
  if (before.transactions > 0) screen.line(`goes on from ${statusLine(before)}`)

  const isOver = options.generates ? feed(outside, { ...options, signal: stopping.signal }) : aborted(stopping.signal)
  await showUntil(isOver, show)
  await drain(app, show)
  await app.stop()
  const { transactions, handled, late, alerts } = await show()
  screen.end()
  const raised = Object.values(alerts).reduce((sum, n) => sum + n, 0)
  console.log(`${transactions} transactions in, ${handled} handled; alerts: ${raised}, late transactions: ${late}`)
  await outside.close()
  if (app.stats().state === 'failed') process.exitCode = 1
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      kafka: { type: 'string' },
      state: { type: 'string' },
      seed: { type: 'string', default: '1' },
      rate: { type: 'string', default: '200' },
      count: { type: 'string', default: 'Infinity' },
      'no-generate': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const [seed, rate, count] = [Number(values.seed), Number(values.rate), Number(values.count)]
  if (!Number.isInteger(seed) || !(rate > 0) || !(count >= 0)) throw new Error(USAGE)
  if (values.help) {
    console.log(USAGE)
    return undefined
  }
  return { kafka: values.kafka, state: values.state, seed, rate, count, generates: !values['no-generate'] }
}

async function showUntil(isOver: Promise<void>, show: () => Promise<Sight>): Promise<void> {
  let isRunning = true
  const end = () => {
    isRunning = false
  }
  isOver.then(end, end)
  while (isRunning) {
    await show()
    await Promise.race([isOver, pause(LOOK_MS)])
  }
  await isOver
}

/** What is in gets handled, with all that follows from it, before the last checkpoint. */
async function drain(app: App, show: () => Promise<Sight>): Promise<void> {
  const deadline = Date.now() + DRAIN_MS
  while (app.stats().state === 'running' && Date.now() < deadline) {
    const { transactions, handled } = await show()
    if (handled === transactions && app.stats().tasks.every(({ lag }) => lag === 0)) return
    await pause(LOOK_MS)
  }
}

function onCtrlC(stopping: AbortController): void {
  let first: number | undefined
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      first ??= Date.now()
      stopping.abort()
      if (Date.now() - first > ONE_CTRL_C_MS) process.exit(130)
    })
  }
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve())
  })

main().catch((error) => {
  console.error(error instanceof Error ? error.message : error)
  process.exit(1)
})

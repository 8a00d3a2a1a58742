// npm start: a demo on a live topic, embedded in this process or on Kafka.
import { parseArgs } from 'node:util'
import { type App, type Broker, createApp, embedded, memory, type StoreAdapter } from 'tidemark'
import { kafka } from 'tidemark/kafka'
import { level } from 'tidemark/level'
import { demo as clickstream } from './clickstream/demo.js'
import { demo as fraud } from './fraud/demo.js'
import { demo as orders } from './orders/demo.js'
import type { Board, Demo } from './shared/demo.js'
import { feed, prepare } from './shared/feed.js'
import { instant } from './shared/instant.js'
import { onlooker, type Sight } from './shared/onlooker.js'
import { Screen } from './shared/screen.js'

const USAGE = `Usage: npm start -- [fraud | clickstream | orders] [options]
  --kafka HOST:PORT   run on Kafka (default: embedded in this process)
  --state DIR         keep state there (default: in memory; with --kafka ./state/NAME)
  --seed N            of the generator (default 1)
  --rate N            records per second (default 200, clickstream and orders 50)
  --count N           end when there are so many records (default: go on)
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

function place(demo: Demo, address: string | undefined, state: string | undefined): Place {
  if (address !== undefined) {
    const brokers = address.split(',')
    return { broker: kafka({ brokers }), outside: kafka({ brokers }), store: level(state ?? `./state/${demo.name}`) }
  }
  // One store for topics and state, and so one commit for both.
  const store = state === undefined ? memory() : level(state, { exclusive: true })
  const broker = embedded({ store })
  return { broker, outside: broker, store }
}

async function main(): Promise<void> {
  const options = readOptions()
  if (options === undefined) return
  const { demo, seed } = options
  const stopping = new AbortController()
  onCtrlC(stopping)
  const screen = new Screen(process.stdout)

  const { broker, outside, store } = place(demo, options.kafka, options.state)
  await outside.connect()
  await prepare(outside, demo, seed)
  const app = createApp({ id: demo.name, broker, store })
  demo.build(app)
  app.errors$.subscribe((error) => screen.line(`! ${error.message}`))
  app.state$.subscribe((state) => {
    if (state === 'failed') stopping.abort()
  })
  await app.start()
  screen.line(`${app.id} runs on ${broker.name} with ${store.name}; Ctrl-C ends it`)

  const look = onlooker(app, outside, demo)
  const board = demo.board()
  const before = await look()
  take(before, board)
  if (before.written > 0) screen.line(`goes on from ${status(before, board)[0]}`)
  const show = async () => {
    const sight = await look()
    screen.lines(take(sight, board))
    screen.show(status(sight, board))
    return sight
  }

  const isOver = options.generates
    ? feed(outside, demo, { ...options, signal: stopping.signal })
    : aborted(stopping.signal)
  await showUntil(isOver, show)
  await drain(app, show)
  await app.stop()
  const { written, handled } = await show()
  screen.end()
  console.log(`${written} ${demo.noun} in, ${handled} handled; ${board.figures()}`)
  await outside.close()
  if (app.stats().state === 'failed') process.exitCode = 1
}

function readOptions() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      kafka: { type: 'string' },
      state: { type: 'string' },
      seed: { type: 'string', default: '1' },
      rate: { type: 'string' },
      count: { type: 'string', default: 'Infinity' },
      'no-generate': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(USAGE)
    return undefined
  }
  const [name = 'fraud', ...rest] = positionals
  const demo = [fraud, clickstream, orders].find((demo) => demo.name === name)
  if (demo === undefined || rest.length > 0) throw new Error(USAGE)
  const [seed, rate, count] = [Number(values.seed), Number(values.rate ?? demo.rate), Number(values.count)]
  if (!Number.isInteger(seed) || !(rate > 0) || !(count >= 0)) throw new Error(USAGE)
  return { demo, kafka: values.kafka, state: values.state, seed, rate, count, generates: !values['no-generate'] }
}

/** Lets the board take in what is new, in the order of event time. Returns the lines that tell of it. */
function take({ news }: Sight, board: Board): string[] {
  return [...news]
    .flatMap(([topic, records]) => records.map((record) => ({ topic, record })))
    .sort((a, b) => a.record.timestamp - b.record.timestamp)
    .flatMap(({ topic, record }) => board.take(topic, record) ?? [])
}

function status({ written, handled, perSecond, watermark }: Sight, board: Board): string[] {
  const time = watermark === undefined ? '-' : instant(watermark)
  return [
    `${written} in, ${handled} handled, ${perSecond}/s | watermark ${time} | ${board.figures()}`,
    ...board.table().map((line) => `  ${line}`),
  ]
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
    const { written, handled } = await show()
    if (handled === written && app.stats().tasks.every(({ lag }) => lag === 0)) return
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

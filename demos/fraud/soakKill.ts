/*
 * npm run soak:kill: the fraud app on a real Kafka is killed again and again while transactions flow; in the end its
 * table and its alerts must be those of a plain loop. Runs a broker of its own, or takes the one in KAFKA_BROKERS, where it makes
 * the topics of the demo anew.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Broker, partitionOf, string } from 'tidemark'
import { kafka } from 'tidemark/kafka'
import { plainLoop } from '../../spec/demos/plainLoop.js'
import { startKafka } from '../../spec/kafka/launcher.js'
import { feed, prepare } from './feed.js'
import { customers, mulberry32, transactions } from './generator.js'
import { type Alert, topics } from './pipeline.js'
import type { Progress, Result, Total } from './soakWorker.js'
import { sizes, tail } from './tail.js'

const PARTITIONS = 4
const RATE = 6_000
const GIVE_UP_MS = 600_000

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '10' },
    count: { type: 'string', default: '200000' },
    seed: { type: 'string', default: '1' },
  },
})
const [kills, count, seed] = [Number(values.kills), Number(values.count), Number(values.seed)]

/** One life of the app. */
class Worker {
  progress: Progress = { state: 'created', handled: 0, lag: 0, checkpoints: 0 }
  /** How long it took until the first record was handled. */
  restoreMs = 0
  private readonly child: ChildProcess
  private readonly startedAt = Date.now()
  private readonly result: Promise<Result>
  private heard: (() => void) | undefined

  constructor(brokers: string, state: string) {
    this.child = fork(new URL('./soakWorker.ts', import.meta.url), [brokers, state], { execArgv: ['--import', 'tsx'] })
    this.child.on('exit', () => this.heard?.())
    this.result = new Promise((resolve) => {
      this.child.on('message', (message: Progress | Result) => {
        if ('spend' in message) return resolve(message)
        if (this.restoreMs === 0 && message.handled > 0) this.restoreMs = Date.now() - this.startedAt
        this.progress = message
        this.heard?.()
      })
    })
  }

  async until(holds: (progress: Progress) => boolean): Promise<void> {
    while (!holds(this.progress)) {
      if (this.child.exitCode !== null) throw new Error(`the worker ended by itself with code ${this.child.exitCode}`)
      await new Promise<void>((resolve) => {
        this.heard = resolve
      })
    }
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const exited = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await exited
  }

  /** Asks for its table, and lets it end. */
  async finish(): Promise<Result> {
    const exited = once(this.child, 'exit')
    this.child.send('finish')
    const result = await this.result
    await exited
    return result
  }
}

async function soak(brokers: string, broker: Broker, state: string, workers: Worker[]): Promise<number> {
  const random = mulberry32(seed + 2)
  await broker.deleteTopics(Object.values(topics))
  await prepare(broker, seed, PARTITIONS)

  // Each life has its share of the transactions flowing in, and is killed in the midst of it.
  const share = count / (kills + 1)
  const startedAt = Date.now()
  for (let life = 1; life <= kills; life++) {
    const worker = new Worker(brokers, state)
    workers.push(worker)
    await worker.until((progress) => progress.state === 'running')
    const feeding = feed(broker, { seed, count: Math.round(share * life), rate: RATE })
    const target = Math.round(share * (0.1 + 0.8 * random()))
    await Promise.all([worker.until(({ handled }) => handled >= target).then(() => worker.kill()), feeding])
    const { handled, checkpoints } = worker.progress
    console.log(
      `kill ${life}: after ${handled} records and ${checkpoints} checkpoints; first record ${worker.restoreMs} ms after its start`,
    )
  }
  const last = new Worker(brokers, state)
  workers.push(last)
  await last.until((progress) => progress.state === 'running')
  await feed(broker, { seed, count, rate: RATE })
  const ends = await sizes(broker, topics.transactions)
  await last.until(({ lag }) => lag === 0)
  for (;;) {
    const committed = await broker.committed('fraud-soak', [topics.transactions])
    if (committed.length === PARTITIONS && committed.every(({ partition, offset }) => offset === ends[partition])) break
    const { progress } = last
    await last.until((next) => next !== progress)
  }
  const seconds = (Date.now() - startedAt) / 1_000
  const result = await last.finish()
  const checkpoints = workers.reduce((sum, { progress }) => sum + progress.checkpoints, 0)
  const restores = workers.map(({ restoreMs }) => restoreMs).sort((a, b) => a - b)
  console.log(
    `${count} transactions in ${seconds.toFixed(0)} s (${Math.round(count / seconds)}/s with all restarts); ${checkpoints} checkpoints, ${kills} restarts, first record after ${restores[restores.length >> 1]} ms (median), ${restores.at(-1)} ms (longest)`,
  )
  return compare(broker, result)
}

/** Counts what differs from the plain loop. */
async function compare(broker: Broker, result: Result): Promise<number> {
  const expected = plainLoop(transactions(seed, count), customers(seed), (user) =>
    partitionOf(string().serialize(user), PARTITIONS),
  )
  const spend = new Map(result.spend)
  const totals = new Map(result.totals)
  const late = new Set([...expected.late.values()].flat())
  const wantedTotals = new Map<string, Total>()
  for (const { id, user, amount } of transactions(seed, count)) {
    if (late.has(id)) continue
    const before = wantedTotals.get(user) ?? { transactions: 0, amount: 0 }
    wantedTotals.set(user, { transactions: before.transactions + 1, amount: before.amount + amount })
  }
  const inTopic = new Map<string, number | null>()
  for (const { key, value } of await tail<number>(broker, topics.spend)()) inTopic.set(key, value)
  const raised = new Map<string, Set<string>>()
  let written = 0
  for (const { key, value } of await tail<Alert>(broker, topics.alerts)()) {
    written++
    raised.set(key, (raised.get(key) ?? new Set()).add(JSON.stringify(value)))
  }

  let wrong = 0
  const check = (what: string, got: unknown, wanted: unknown) => {
    if (JSON.stringify(got) === JSON.stringify(wanted)) return
    if (++wrong <= 10) console.log(`wrong: ${what}: ${JSON.stringify(got)} instead of ${JSON.stringify(wanted)}`)
  }
  for (const user of new Set([...expected.spend.keys(), ...spend.keys(), ...inTopic.keys()])) {
    check(`spend of ${user}`, spend.get(user), expected.spend.get(user))
    check(`spend of ${user} in the topic`, inTopic.get(user) ?? undefined, expected.spend.get(user))
  }
  for (const user of new Set([...wantedTotals.keys(), ...totals.keys()]))
    check(`total of ${user}`, totals.get(user), wantedTotals.get(user))
  // At least once: what was raised before a kill may be raised again, but nothing else.
  for (const user of new Set([...expected.alerts.keys(), ...raised.keys()]))
    check(
      `alerts of ${user}`,
      [...(raised.get(user) ?? [])],
      (expected.alerts.get(user) ?? []).map((one) => JSON.stringify(one)),
    )
  const distinct = [...expected.alerts.values()].flat().length
  console.log(`${distinct} alerts expected, ${written} written (repeats are those of a restart)`)
  console.log(`soak:kill: ${kills} kills, ${count} transactions, ${expected.spend.size} users, ${wrong} wrong`)
  return wrong
}

// An exit takes the broker along, a signal alone would not.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
const own = process.env.KAFKA_BROKERS === undefined ? await startKafka() : undefined
const brokers = own?.brokers ?? (process.env.KAFKA_BROKERS as string)
const broker = kafka({ brokers: brokers.split(',') })
const state = await mkdtemp(join(tmpdir(), 'soak-'))
const workers: Worker[] = []
const timer = new AbortController()
try {
  const givingUp = new Promise<never>((_, reject) => {
    const timeout = setTimeout(() => reject(new Error(`gave up after ${GIVE_UP_MS / 60_000} minutes`)), GIVE_UP_MS)
    timer.signal.addEventListener('abort', () => clearTimeout(timeout))
  })
  await broker.connect()
  const wrong = await Promise.race([soak(brokers, broker, state, workers), givingUp])
  process.exitCode = wrong === 0 ? 0 : 1
} catch (error) {
  console.error(`soak:kill: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
} finally {
  timer.abort()
  for (const worker of workers) await worker.kill()
  await broker.close().catch(() => {})
  await own?.stop()
  await rm(state, { recursive: true, force: true })
}
process.exit()

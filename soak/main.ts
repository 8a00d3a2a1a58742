/*
 * npm run soak: an app of three processes on a real Kafka, to which the worst happens for some minutes; then its output must be what a plain
 * loop says. `-- --seconds 300 --seed 1`. The exit code is 1 unless nothing was lost, duplicated or out of order, and all came after
 * the last fault without a standstill of a minute. `--guarantee at-least-once` shows that it can tell.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import kafkajs from 'kafkajs'
import type { Guarantee } from 'tidemark'
import { mulberry32 } from '../demos/shared/random.js'
import { chaos, PROCESSES } from './chaos.js'
import { Collector } from './collector.js'
import { Comparison, type Found } from './comparison.js'
import { Feed } from './feed.js'
import { Fleet } from './fleet.js'
import { END, lastPayment, type Payment, payments, shopVersions } from './input.js'
import { oracle } from './oracle.js'
import { count, printDifferences, printFigures } from './report.js'
import { Server } from './server.js'
import { inputs, outputs } from './topology.js'

const PARTITIONS = 12
/** Payments per second. */
const RATE = 200
/** Once nothing happens any more, results have to come, and something new at least that often: a busy machine takes longer, a stall for ever. */
const STANDSTILL_MS = 60_000
const START_MS = 60_000

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '300' },
    seed: { type: 'string', default: '1' },
    guarantee: { type: 'string', default: 'exactly-once' },
  },
})
const [seconds, seed] = [Number(values.seconds), Number(values.seed)]
if (!(seconds > 0) || !Number.isInteger(seed))
  throw new Error('soak: --seconds wants a number above 0, --seed a whole one')
const guarantee = values.guarantee as Guarantee
if (!['exactly-once', 'at-least-once'].includes(guarantee)) throw new Error(`soak: there is no guarantee ${guarantee}`)

/** Whether all is well; leaves nothing running but the broker. */
async function soak(server: Server, fleet: Fleet): Promise<boolean> {
  const kafka = new kafkajs.Kafka({ brokers: server.brokers.split(','), logLevel: kafkajs.logLevel.NOTHING })
  const written = payments(seed, seconds * RATE)
  const versions = shopVersions(seed, written.length)
  const comparison = new Comparison(oracle(written, versions))

  await createTopics(kafka)
  const feed = new Feed(server.brokers, { partitions: PARTITIONS, rate: RATE })
  await feed.shops(versions)
  for (let n = 0; n < PROCESSES; n++) await fleet.add()
  await until('the first tasks', () => fleet.awake.some(({ progress }) => (progress?.tasks ?? 0) > 0))

  const [faults] = await Promise.all([
    chaos({ fleet, server, random: mulberry32(seed + 2), seconds }),
    feed.payments(written),
  ])
  await feed.end(lastPayment(written.length))
  await feed.close()
  console.log(`nothing happens any more; ${comparison.missing} results are to come`)

  const read = new Map<string, number>()
  const input: Found[] = []
  const collector = new Collector(kafka, [inputs.payments, ...Object.values(outputs)], PARTITIONS, (found) => {
    read.set(found.topic, (read.get(found.topic) ?? 0) + 1)
    if (found.topic === inputs.payments) input.push(found)
    else comparison.add(found)
  })
  const startedAt = Date.now()
  await collector.start()
  const isDrained = await collector.reachesZero(() => comparison.missing, STANDSTILL_MS)
  console.log(
    isDrained
      ? `they came within ${((Date.now() - startedAt) / 1_000).toFixed(1)} s`
      : await stalled(fleet, comparison.missing),
  )
  await fleet.close('SIGTERM')
  const isDecided = await collector.finish(STANDSTILL_MS)
  if (!isDecided) console.log(`not decided for ${STANDSTILL_MS / 1_000} s: ${collector.undecided.join(', ')}`)
  await collector.close()

  const { differences } = comparison
  printFigures(faults, fleet, server, read)
  printDifferences(differences, faults, checkInput(written, input))
  const [lost, duplicated, disordered] = (['lost', 'duplicated', 'disordered'] as const).map((kind) =>
    count(differences, kind),
  )
  const isWell = isDrained && isDecided && fleet.stuck.length === 0 && differences.length === 0
  if (!isWell) console.log(`logs and folders: ${fleet.dir}`)
  console.log(
    `soak: ${faults.length} faults, ${written.length} records, ${lost} lost, ${duplicated} duplicated, ${disordered} disordered`,
  )
  return isWell
}

async function createTopics(kafka: kafkajs.Kafka): Promise<void> {
  const admin = kafka.admin()
  await admin.connect()
  // So that each record tells when it was written: what its event time was stands in its value.
  const configEntries = [{ name: 'message.timestamp.type', value: 'LogAppendTime' }]
  const appended = [inputs.payments, ...Object.values(outputs)]
  await admin.createTopics({
    topics: [
      { topic: inputs.shops, numPartitions: PARTITIONS },
      ...appended.map((topic) => ({ topic, numPartitions: PARTITIONS, configEntries })),
    ],
    waitForLeaders: true,
  })
  await admin.disconnect()
}

/** When each payment was written. @throws Error if the topic doesn't hold what was to be written: then nothing that follows means anything */
function checkInput(written: readonly Payment[], found: readonly { value: string; at: number }[]): Map<number, number> {
  const at = new Map<number, number>()
  for (const one of found) {
    const payment = JSON.parse(one.value) as Payment
    if (payment.user === END) continue
    if (at.has(payment.n) || JSON.stringify(written[payment.n]) !== one.value)
      throw new Error(`soak: the input is wrong: ${one.value}`)
    at.set(payment.n, one.at)
  }
  if (at.size !== written.length) throw new Error(`soak: the input has ${at.size} records instead of ${written.length}`)
  return at
}

/** Puts down why nothing comes, as each process says. */
async function stalled(fleet: Fleet, missing: number): Promise<string> {
  for (const machine of fleet.machines)
    await writeFile(join(fleet.dir, 'logs', `process-${machine.number}-reasons.log`), await machine.reasons())
  return `${missing} did not come, and none for ${STANDSTILL_MS / 1_000} s; why, as the processes say, is beside their logs`
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + START_MS
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`soak: waited ${START_MS / 1_000} s for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

// An exit takes the processes and the broker along, a signal alone would not.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
const dir = await mkdtemp(join(tmpdir(), 'soak-'))
const server = await Server.start(join(dir, 'kafka'))
const fleet = new Fleet(server.brokers, dir, guarantee)
let isWell = false
try {
  isWell = await soak(server, fleet)
} catch (error) {
  console.error(error instanceof Error ? error.stack : error)
  console.error(`soak: logs and folders: ${dir}`)
} finally {
  await fleet.close('SIGKILL')
  await server.stop()
  if (isWell) await rm(dir, { recursive: true, force: true })
}
process.exit(isWell ? 0 : 1)

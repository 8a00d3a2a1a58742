import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import kafkajs from 'kafkajs'
import { filter, firstValueFrom } from 'rxjs'
import { ClusterClient, type KafkaNode } from '../lib/brokers/kafka/cluster.js'
import { type FetchLimits, fetchRecords } from '../lib/brokers/kafka/fetch.js'
import { kafka } from '../lib/brokers/kafka.js'
import { aggregate, count, createApp, json, type Table, toTable } from '../lib/index.js'
import { level } from '../lib/stores/level.js'
import { hasJava, startKafka } from '../spec/kafka/launcher.js'
import { type Contestant, handledBy, type Outcome, printFigures, takeTurns } from './rounds.js'

const APP = 'bench-restore'
const TOPIC = `${APP}-keys`
const CHANGELOG = `${APP}-seen-changelog`
const KEYS = 1_000_000
const ROUNDS = { warmUp: 1, rounds: 3 }
const PER_SEND = 1_000
/** Those of `kafka()`. */
const LIMITS: FetchLimits = { maxWaitMs: 100, maxPartitionBytes: 256 << 10, maxBytes: 8 << 20 }
const BUILD_MS = 900_000

const keyOf = (i: number) => `key-${String(i).padStart(7, '0')}`

/** A life of the app, which counts how often it has seen each key. */
function life(brokers: readonly string[], folder: string) {
  const app = createApp({ id: APP, broker: kafka({ brokers }), store: level(folder) })
  const keys = app.stream<number>(TOPIC, { value: json() })
  const seen = toTable('seen', keys.pipe(aggregate(count(), { name: 'seen' })))
  app.run('seen', seen.changes())
  let fail: (error: unknown) => void = () => {}
  const failed = new Promise<never>((_, reject) => {
    fail = reject
  })
  failed.catch(() => {})
  app.errors$.subscribe((error) => fail(error))
  return { app, seen, failed }
}

/** Writes every key once, and lets the app see them all. */
async function build(brokers: readonly string[], folder: string): Promise<void> {
  const client = new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING })
  const admin = client.admin()
  await admin.connect()
  await admin.deleteTopics({ topics: [TOPIC, CHANGELOG] }).catch(() => {})
  await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: 1 }], waitForLeaders: true })
  await admin.disconnect()
  const producer = client.producer()
  await producer.connect()
  for (let from = 0; from < KEYS; from += PER_SEND) {
    const messages = Array.from({ length: PER_SEND }, (_, i) => ({
      key: keyOf(from + i),
      value: String(from + i),
      partition: 0,
    }))
    await producer.send({ topic: TOPIC, messages })
  }
  await producer.disconnect()

  const { app, failed } = life(brokers, folder)
  await app.start()
  const deadline = Date.now() + BUILD_MS
  while (handledBy(app) < KEYS) {
    if (Date.now() > deadline) throw new Error(`the state was not there after ${BUILD_MS} ms`)
    await Promise.race([failed, new Promise((resolve) => setTimeout(resolve, 100))])
  }
  await app.stop()
}

/** From the start of an app until its task runs, which has then all of its state; joining the group is part of it. */
async function restart(brokers: readonly string[], folder: string): Promise<Outcome> {
  const { app, seen, failed } = life(brokers, folder)
  const startedAt = performance.now()
  const isRunning = firstValueFrom(app.state$.pipe(filter((state) => state === 'running')))
  await app.start()
  await Promise.race([isRunning, failed])
  const seconds = (performance.now() - startedAt) / 1_000
  const result = resultOf(seen)
  await app.stop()
  return { result, seconds }
}

function resultOf(seen: Table<string, number>): string {
  let keys = 0
  for (const [key, times] of seen.entries()) {
    if (times !== 1) throw new Error(`${key} was counted ${times} times`)
    keys++
  }
  return `${keys} keys`
}

/** Every entry beneath the folder, as LevelDB gives them. */
async function rawLevel(folder: string): Promise<Outcome> {
  const startedAt = performance.now()
  const db = new ClassicLevel<string, Uint8Array>(join(folder, APP, 'instance-0'), { valueEncoding: 'buffer' })
  const iterator = db.iterator({ highWaterMarkBytes: 1024 * 1024 })
  let entries = 0
  for (let chunk = await iterator.nextv(2_000); chunk.length > 0; chunk = await iterator.nextv(2_000))
    entries += chunk.filter(([key]) => key.includes('key-')).length
  await iterator.close()
  const seconds = (performance.now() - startedAt) / 1_000
  await db.close()
  return { result: `${entries} keys`, seconds }
}

/** The bytes of the changelog as they come, one fetch after the other. */
async function rawKafka(brokers: readonly string[]): Promise<Outcome> {
  const client = new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING })
  const cluster = new ClusterClient(client, 'bench')
  await cluster.connect()
  const startedAt = performance.now()
  const [range] = await cluster.ranges(CHANGELOG)
  const node = await cluster.node(cluster.leader({ topic: CHANGELOG, partition: 0 }) as number)
  let records = 0
  let next = range?.start ?? 0
  // Answers are not decoded; only the heads of batches are looked at.
  const undecoded: KafkaNode = {
    send: async <T>({ request }: Parameters<KafkaNode['send']>[0]) => {
      const skimmed = await node.send<Skimmed>({
        request,
        response: { decode: async (payload) => payload, parse: async (payload: Buffer) => skim(payload) },
      })
      records += skimmed.records
      next = Math.max(next, skimmed.nextOffset)
      return [] as T
    },
  }
  while (next < (range?.end ?? 0))
    await fetchRecords(undecoded, [{ topic: CHANGELOG, partition: 0, offset: next }], LIMITS)
  const seconds = (performance.now() - startedAt) / 1_000
  await cluster.close()
  // Each checkpoint has written a manifest besides, and the compaction that goes on leaves one of them at least.
  if (records <= KEYS || records > 1.1 * KEYS) throw new Error(`the changelog holds ${records} records`)
  return { result: `${KEYS} keys`, seconds }
}

interface Skimmed {
  readonly records: number
  readonly nextOffset: number
}

const IS_CONTROL = 0x20

/** How many records an answer about one partition holds, and where it ends. */
function skim(payload: Buffer): Skimmed {
  let at = 14
  at += 2 + payload.readInt16BE(at)
  at += 4 + 4 + 2 + 8 + 8 + 8
  at += 4 + 16 * Math.max(0, payload.readInt32BE(at))
  at += 4 + 4
  let records = 0
  let nextOffset = 0
  while (at + 61 <= payload.length) {
    const end = at + 12 + payload.readInt32BE(at + 8)
    if (end > payload.length) break
    if (!(payload.readInt16BE(at + 21) & IS_CONTROL)) records += payload.readInt32BE(at + 57)
    nextOffset = Number(payload.readBigInt64BE(at)) + payload.readInt32BE(at + 23) + 1
    at = end
  }
  return { records, nextOffset }
}

/** Keys per second of a task's restart, beside the raw read of what it is restored from. */
export async function benchRestore(): Promise<void> {
  if (!process.env.KAFKA_BROKERS && !(await hasJava())) {
    console.log('\nNot measured: restore, as there is neither Java nor KAFKA_BROKERS.')
    return
  }
  const own = process.env.KAFKA_BROKERS ? undefined : await startKafka()
  const brokers = (process.env.KAFKA_BROKERS ?? (own as { brokers: string }).brokers).split(',')
  const dir = await mkdtemp(join(tmpdir(), 'bench-restore-'))
  try {
    const folder = join(dir, 'state')
    await build(brokers, folder)
    const local: Contestant[] = [
      { name: 'every entry of LevelDB, undecoded', run: () => rawLevel(folder) },
      { name: 'restart from the local checkpoint', run: () => restart(brokers, folder) },
    ]
    const keys = KEYS.toLocaleString('en')
    printFigures(`A task with ${keys} keys, from level()`, await takeTurns(local, KEYS, ROUNDS))
    let lives = 0
    const remote: Contestant[] = [
      { name: 'the changelog from Kafka, undecoded', run: () => rawKafka(brokers) },
      { name: 'restart from the changelog alone', run: () => restart(brokers, join(dir, `new-${++lives}`)) },
    ]
    printFigures(`A task with ${keys} keys, from its changelog`, await takeTurns(remote, KEYS, ROUNDS))
  } finally {
    await own?.stop()
    await rm(dir, { recursive: true, force: true })
  }
}

import kafkajs from 'kafkajs'
import { filter, tap } from 'rxjs'
import { kafka } from '../lib/brokers/kafka.js'
import { aggregate, count, createApp, json, memory, tumblingWindow } from '../lib/index.js'
import { hasJava, startKafka } from '../spec/kafka/launcher.js'
import { Checksum } from './checksum.js'
import { type Contestant, type Outcome, printFigures, takeTurns } from './rounds.js'

const TOPIC = 'payments'
const PARTITIONS = 4
const RECORDS = 1_000_000
const USERS = 1_000
const SIZE_MS = 60_000
const BOUND_MS = 100
const ROUNDS = { warmUp: 1, rounds: 5 }
const DEADLINE_MS = 120_000

interface Payment {
  readonly user: string
  readonly amount: number
  readonly merchant: string
  readonly time: number
}

const payment = (i: number): Payment => ({
  user: `user-${(i * 7_919) % USERS}`,
  amount: (i % 100) - 5,
  merchant: `merchant-${i % 347}, high street`,
  time: i * 2 + ((i * 31) % 50),
})

/** So late that it closes all windows before it. */
const LAST: Payment = { user: 'none', amount: 0, merchant: 'none', time: RECORDS * 10 }

/** Writes the topic, and says how many payments the filter lets through. */
async function fill(brokers: readonly string[]): Promise<number> {
  const client = new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING })
  const admin = client.admin()
  await admin.connect()
  await admin.deleteTopics({ topics: [TOPIC] }).catch(() => {})
  await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: PARTITIONS }], waitForLeaders: true })
  await admin.disconnect()
  const producer = client.producer({ createPartitioner: () => () => 0, maxInFlightRequests: 4 })
  await producer.connect()
  let passed = 0
  const perSend = 1_000
  // kafkajs needs quadratic time for a send: small ones, several on their way.
  let sending: Promise<unknown>[] = []
  for (let from = 0; from < RECORDS; from += perSend) {
    const messages = []
    for (let i = from; i < from + perSend; i++) {
      const value = payment(i)
      if (value.amount > 0) passed++
      messages.push({ key: value.user, value: JSON.stringify(value), partition: ((i * 7_919) % USERS) % PARTITIONS })
    }
    sending.push(producer.send({ topic: TOPIC, messages }))
    if (sending.length === 4) {
      await Promise.all(sending)
      sending = []
    }
  }
  await Promise.all(sending)
  const last = Array.from({ length: PARTITIONS }, (_, partition) => ({ value: JSON.stringify(LAST), partition }))
  await producer.send({ topic: TOPIC, messages: last })
  await producer.disconnect()
  return passed
}

let runs = 0

/** kafkajs alone, and a Map of windows for each partition, in each a Map of users. */
async function bare(brokers: readonly string[], passed: number): Promise<Outcome> {
  const client = new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING })
  const consumer = client.consumer({ groupId: `bench-bare-${process.pid}-${++runs}` })
  await consumer.connect()
  await consumer.subscribe({ topic: TOPIC, fromBeginning: true })
  const counters = Array.from({ length: PARTITIONS }, () => new Counter())
  const checksum = new Checksum(SIZE_MS)
  const clock = new Stopwatch(passed)
  await consumer.run({
    partitionsConsumedConcurrently: PARTITIONS,
    eachBatch: async ({ batch }) => {
      clock.start()
      const counter = counters[batch.partition] as Counter
      for (const message of batch.messages) {
        const value = JSON.parse((message.value as Buffer).toString()) as Payment
        counter.add(value, message.key, (start, result) => {
          checksum.add(start, result)
          clock.counted(result)
        })
      }
    },
  })
  const seconds = await clock.stopped
  await consumer.disconnect()
  return { result: checksum.toString(), seconds }
}

/** The loop's own windows: what it counts is keyed as the record is, by the key's text. */
class Counter {
  private readonly windows = new Map<number, Map<string, number>>()
  private newest = Number.NEGATIVE_INFINITY
  private earliestEnd = Number.POSITIVE_INFINITY

  add({ amount, time }: Payment, key: Buffer | null, emit: (start: number, result: number) => void): void {
    if (time > this.newest) this.newest = time
    const watermark = this.newest - BOUND_MS
    if (amount > 0) {
      const start = time - (time % SIZE_MS)
      if (start + SIZE_MS > watermark) {
        let counts = this.windows.get(start)
        if (counts === undefined) {
          counts = new Map()
          this.windows.set(start, counts)
          this.earliestEnd = Math.min(this.earliestEnd, start + SIZE_MS)
        }
        const user = String(key)
        counts.set(user, (counts.get(user) ?? 0) + 1)
      }
    }
    if (watermark < this.earliestEnd) return
    this.earliestEnd = Number.POSITIVE_INFINITY
    for (const [start, counts] of this.windows) {
      if (start + SIZE_MS > watermark) this.earliestEnd = Math.min(this.earliestEnd, start + SIZE_MS)
      else {
        for (const result of counts.values()) emit(start, result)
        this.windows.delete(start)
      }
    }
  }
}

async function tidemark(brokers: readonly string[], passed: number): Promise<Outcome> {
  const app = createApp({ id: `bench-app-${process.pid}-${++runs}`, broker: kafka({ brokers }), store: memory() })
  const checksum = new Checksum(SIZE_MS)
  const clock = new Stopwatch(passed)
  const payments = app.stream(TOPIC, {
    value: json<Payment>(),
    timestamp: ({ value }) => value.time,
    watermark: { maxOutOfOrderness: BOUND_MS },
  })
  const counts = payments.pipe(
    tap(() => clock.start()),
    filter(({ value }) => value.amount > 0),
    tumblingWindow(SIZE_MS),
    aggregate(count(), { name: 'counts', emit: 'close' }),
    tap(({ window, value }) => {
      checksum.add(window.start, value)
      clock.counted(value)
    }),
  )
  app.run('counts', counts)
  app.errors$.subscribe((error) => clock.fail(error))
  await app.start()
  const seconds = await clock.stopped
  await app.stop()
  return { result: checksum.toString(), seconds }
}

/** From the first record to the last result: joining the group costs everybody the same and is left out. */
class Stopwatch {
  private startedAt: number | undefined
  private left: number
  private stop!: (seconds: number) => void
  fail!: (error: unknown) => void
  readonly stopped: Promise<number>

  constructor(expected: number) {
    this.left = expected
    this.stopped = new Promise((resolve, reject) => {
      this.stop = resolve
      this.fail = reject
    })
    const deadline = setTimeout(
      () => this.fail(new Error(`${this.left} records are missing after ${DEADLINE_MS} ms`)),
      DEADLINE_MS,
    )
    const clear = () => clearTimeout(deadline)
    this.stopped.then(clear, clear)
  }

  start(): void {
    this.startedAt ??= performance.now()
  }

  /** Some of the records that are waited for are in a result. */
  counted(records: number): void {
    this.left -= records
    if (this.left === 0) this.stop((performance.now() - (this.startedAt as number)) / 1_000)
  }
}

/** Records per second from a topic of a real broker. */
export async function benchKafka(): Promise<void> {
  if (!process.env.KAFKA_BROKERS && !(await hasJava())) {
    console.log('\nNot measured: Kafka, as there is neither Java nor KAFKA_BROKERS.')
    return
  }
  const own = process.env.KAFKA_BROKERS ? undefined : await startKafka()
  const brokers = (process.env.KAFKA_BROKERS ?? (own as { brokers: string }).brokers).split(',')
  try {
    const passed = await fill(brokers)
    const contestants: Contestant[] = [
      { name: 'kafkajs eachBatch, JSON.parse, nested Maps', run: () => bare(brokers, passed) },
      { name: 'an app of Tidemark on kafka()', run: () => tidemark(brokers, passed) },
    ]
    const figures = await takeTurns(contestants, RECORDS, ROUNDS)
    const size = JSON.stringify(payment(123_456)).length
    printFigures(
      `filter, count per minute and user; ${RECORDS.toLocaleString('en')} JSON records of ${size} B in ${PARTITIONS} partitions of Kafka`,
      figures,
    )
  } finally {
    await own?.stop()
  }
}

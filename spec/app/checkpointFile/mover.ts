import {
  type App,
  aggregate,
  type Broker,
  count,
  createApp,
  json,
  keyBy,
  NO_HEADERS,
  type OpenCheckpointOptions,
  openCheckpoint,
  type StoreAdapter,
  sum,
  toTopic,
  tumblingWindow,
  writeCheckpoint,
} from 'tidemark'
import { bytesOf } from '../../bytesOf.js'

const PARTITIONS = 2
const WINDOW_MS = 500
const OUTPUTS = ['sums', 'counts'] as const
/** Of each partition; those behind them only move time on. */
export const PER_PARTITION = 3_000

interface Order {
  readonly user: string
  readonly amount: number
}

/** The n-th order of a partition: up to 90 ms out of order. */
function order(partition: number, n: number): { value: Order; timestamp: number } {
  if (n >= PER_PARTITION) return { value: { user: 'end', amount: 0 }, timestamp: PER_PARTITION * 10 + 10_000 }
  const mixed = (n * 7_919 + partition * 104_729) % 1_009
  return { value: { user: `user ${mixed % 13}`, amount: mixed % 50 }, timestamp: n * 10 + (mixed % 10) * 9 }
}

/** What plain loops make of all orders: one line for each record of the outputs, sorted. */
export function expectedLines(): string[] {
  const sums = new Map<string, number>()
  const counts = new Map<string, number>()
  for (let partition = 0; partition < PARTITIONS; partition++) {
    for (let n = 0; n < PER_PARTITION; n++) {
      const { value, timestamp } = order(partition, n)
      const window = `${value.user} from ${Math.floor(timestamp / WINDOW_MS) * WINDOW_MS}`
      sums.set(window, (sums.get(window) ?? 0) + value.amount)
      counts.set(value.user, (counts.get(value.user) ?? 0) + 1)
    }
  }
  const each = [...counts].flatMap(([user, total]) =>
    Array.from({ length: total }, (_, n) => `counts ${user} ${n + 1}`),
  )
  return [...Array.from(sums, ([window, total]) => `sums ${window} ${total}`), ...each].sort()
}

function pipelines(app: App, topic: (name: string) => string): void {
  const orders = app
    .stream<Order>(topic('orders'), { value: json(), watermark: { maxOutOfOrderness: 100 } })
    .pipe(keyBy(({ value }) => value.user, { name: 'user' }))
  const windows = orders.pipe(
    tumblingWindow(WINDOW_MS),
    aggregate(
      sum(({ value }) => value.amount),
      { name: 'sums', emit: 'close' },
    ),
  )
  app.run('sums', windows.pipe(toTopic(topic('sums'))))
  app.run('counts', orders.pipe(aggregate(count(), { name: 'counts' }), toTopic(topic('counts'))))
}

/** One stay of the app: in Node or in a tab, on Kafka or without. */
export class Mover {
  private readonly app: App
  readonly errors: string[] = []
  /** Where its outputs ended before. */
  private readonly starts = new Map<string, number>()

  constructor(
    private readonly broker: Broker,
    store: StoreAdapter,
    private readonly id = 'mover',
  ) {
    this.app = createApp({ id, broker, store, commitInterval: 20 })
    this.app.errors$.subscribe((error) => this.errors.push(error.message))
    pipelines(this.app, this.topic)
  }

  private readonly topic = (name: string) => `${this.id}-${name}`

  async createTopics(): Promise<void> {
    await this.broker.connect()
    await this.broker.createTopics([
      { topic: this.topic('orders'), partitions: PARTITIONS },
      ...OUTPUTS.map((name) => ({ topic: this.topic(name), partitions: 1 })),
    ])
  }

  /** Begins anew, or where a file says. */
  async moveIn(file?: Uint8Array, options?: OpenCheckpointOptions): Promise<void> {
    await this.broker.connect()
    if (file !== undefined) await openCheckpoint(this.app, file, options)
    for (const name of OUTPUTS) this.starts.set(name, (await this.broker.ranges(this.topic(name)))[0]?.end as number)
    await this.app.start()
  }

  /** Sends the next orders of each partition. */
  async feed(orders: number): Promise<void> {
    const producer = await this.broker.producer()
    for (const [partition, { end }] of (await this.broker.ranges(this.topic('orders'))).entries()) {
      const next = Array.from({ length: orders }, (_, n) => order(partition, end + n))
      await producer.send(
        next.map(({ value, timestamp }) => ({
          topic: this.topic('orders'),
          partition,
          key: null,
          value: json().serialize(value),
          timestamp,
          headers: NO_HEADERS,
        })),
      )
    }
  }

  /** How many records it has written here. */
  async written(): Promise<number> {
    return (await this.lines()).length
  }

  /** The file, and what had been written at that moment. */
  async moveOut(): Promise<{ file: Uint8Array; lines: string[] }> {
    const file = await writeCheckpoint(this.app)
    const lines = await this.lines()
    return { file: await bytesOf(file), lines }
  }

  async close(): Promise<void> {
    await this.app.stop()
    await this.broker.close()
  }

  /** What it has written here, a line for each record. */
  async lines(): Promise<string[]> {
    const found: string[] = []
    const text = (bytes: Uint8Array | null) => new TextDecoder().decode(bytes ?? undefined)
    // In one go: the app may write meanwhile.
    const ends = await Promise.all(
      OUTPUTS.map(async (name) => [name, (await this.broker.ranges(this.topic(name)))[0]?.end as number] as const),
    )
    for (const [name, end] of ends) {
      const at = { topic: this.topic(name), partition: 0 }
      await this.broker.read(at, this.starts.get(name) as number, end, ({ records }) => {
        for (const { key, value, headers } of records) {
          const user = text(key)
          if (user === 'end') continue
          const window = headers.find(([name]) => name === 'tidemark-window')?.[1]
          const start = window === undefined ? '' : ` from ${/-?\d+/.exec(text(window))?.[0]}`
          found.push(`${name} ${user}${start} ${text(value)}`)
        }
      })
    }
    return found
  }
}

import type {
  Broker,
  Consumer,
  ConsumerOptions,
  NewTopic,
  OutRecord,
  PartitionRange,
  Position,
  Producer,
  RawBatch,
  TopicPartition,
  Transaction,
  TransactionalProducer,
} from '../ports/broker.js'
import type { StoreAdapter } from '../ports/store.js'
import { type Duration, durationMs } from '../record/duration.js'
import { show, TidemarkError } from '../record/errors.js'
import { Connection } from './remote/connection.js'
import { RemoteConsumer } from './remote/consumer.js'
import { eventStreamLink } from './remote/eventStreamLink.js'
import type { OpenLink } from './remote/link.js'
import { readRemote } from './remote/readRemote.js'
import { request } from './remote/request.js'
import { type WebSocketConstructor, webSocketLink } from './remote/webSocketLink.js'
import { unknownTopic } from './rules/unknownTopic.js'

export interface RemoteOptions {
  /** Where the bridge is; in a page it may be relative to it. */
  readonly url: string
  /**
   * Holds all that isn't the bridge's: topics that the app writes, its internal ones, and what its group has committed. `embedded({ store: idb() })` keeps
   * them over a reload.
   */
  readonly local: Broker
  /** Default: `websocket` where there is one, else `sse`. */
  readonly transport?: 'websocket' | 'sse'
  /** Says who this is: goes to the bridge's `authorise`, and is asked for again at each reconnection, and when it takes longer than `connectionTimeout`. */
  token?(): string | Promise<string>
  /** Where there is no global one: that of the package ws. */
  readonly WebSocket?: WebSocketConstructor
  /** How long `connect`, and each reconnection, waits for the bridge. Default 5 s. */
  readonly connectionTimeout?: Duration
}

/** Stands, in the local broker, for all topics of the bridge of so many partitions at most. It stays empty. */
const STAND_IN = 'tidemark-bridge-'

/**
 * Topics of a broker behind a `bridge()`, in a tab or in Node: read-only, and live. All else is in a local broker, so that exactly-once and what
 * survives a reload are as with that broker alone.
 *
 * It reconnects by itself, and goes on behind the last record that came: none is lost, doubled or reordered. While it is away, nothing counts as
 * idle; after 3 s its consumers hear of it (`BROKER_UNAVAILABLE`, not fatal). What is read ahead of the app is at most 512 KiB and one batch per partition. Which
 * topics are the bridge's is learnt by `connect` and `topics`; one that is local, too, is the bridge's.
 *
 * ```ts
 * const local = embedded({ store: idb('dashboard') })
 * const broker = remote({ url: '/bridge', local })
 * const app = createApp({ id: 'dashboard', broker, store: idb('dashboard') })
 * ```
 *
 * @throws TidemarkError `BAD_OPTION`, `BAD_DURATION`
 */
export function remote(options: RemoteOptions): Broker {
  return new RemoteBroker(options)
}

class RemoteBroker implements Broker {
  readonly name: string
  readonly durable: boolean
  declare readonly store?: StoreAdapter
  private readonly local: Broker
  private readonly openLink: OpenLink
  private readonly timeoutMs: number
  /** Partition counts of the bridge's topics, as last heard. */
  private counts = new Map<string, number>()
  private readonly consumers = new Set<Consumer>()
  private connection: Connection | undefined
  private connecting: Promise<void> | undefined
  private users = 0

  constructor(private readonly options: RemoteOptions) {
    const url = urlOf(options.url)
    this.name = `bridge ${url.origin}${url.pathname}`
    this.local = options.local
    this.durable = options.local.durable
    if (options.local.store) this.store = options.local.store
    this.timeoutMs = durationMs(options.connectionTimeout ?? '5s', 'remote: connectionTimeout', 1)
    this.openLink = transportOf(options, url)
  }

  async connect(): Promise<void> {
    this.users++
    this.connecting ??= this.open()
    try {
      await this.connecting
    } catch (error) {
      this.users--
      this.connecting = undefined
      throw error
    }
  }

  async close(): Promise<void> {
    if (this.users === 0 || --this.users > 0) return
    const { connection } = this
    this.connection = undefined
    this.connecting = undefined
    await Promise.allSettled([...this.consumers].map((consumer) => consumer.close()))
    connection?.close()
    await this.local.close()
  }

  async topics(names?: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const { topics } = await request(this.bridge, { type: 'topics', names })
    for (const name of names ?? [...this.counts.keys()]) this.counts.delete(name)
    for (const [topic, count] of topics) this.counts.set(topic, count)
    const found = new Map([...(await this.local.topics(names)), ...topics])
    for (const topic of found.keys()) if (topic.startsWith(STAND_IN)) found.delete(topic)
    return found
  }

  async createTopics(topics: readonly NewTopic[]): Promise<void> {
    await this.local.createTopics(topics.filter(({ topic }) => !this.counts.has(topic)))
  }

  async deleteTopics(topics: readonly string[]): Promise<void> {
    for (const topic of topics) this.checkLocal(topic)
    await this.local.deleteTopics(topics)
  }

  async ranges(topic: string): Promise<readonly PartitionRange[]> {
    if (!this.counts.has(topic)) return this.local.ranges(topic)
    return (await request(this.bridge, { type: 'ranges', topic })).ranges
  }

  committed(group: string, topics: readonly string[]): Promise<readonly Position[]> {
    return this.local.committed(group, topics)
  }

  async producer(): Promise<Producer> {
    const producer = await this.local.producer()
    return {
      send: async (records, along) => {
        this.check(records)
        await producer.send(records, along)
      },
      close: () => producer.close(),
    }
  }

  async transactionalProducer(id: string): Promise<TransactionalProducer> {
    const producer = await this.local.transactionalProducer(id)
    return {
      begin: async () => this.guarded(await producer.begin()),
      close: () => producer.close(),
    }
  }

  async consumer(options: ConsumerOptions): Promise<Consumer> {
    const { bridge: connection, local } = this
    const counts = new Map([...this.counts].filter(([topic]) => options.topics.includes(topic)))
    if (counts.size === 0) return local.consumer(options)
    const partitions = Math.max(...counts.values())
    const standIn = `${STAND_IN}${partitions}`
    await local.createTopics([{ topic: standIn, partitions }])
    const committed = (topics: readonly string[]) => local.committed(options.group, topics)
    const closed = (one: Consumer) => void this.consumers.delete(one)
    const consumer = new RemoteConsumer({ ...options, connection, counts, standIn, committed, closed })
    this.consumers.add(consumer)
    const topics = [standIn, ...options.topics.filter((topic) => !counts.has(topic))]
    try {
      consumer.joined(await local.consumer({ ...options, topics, listener: consumer }))
    } catch (error) {
      await consumer.close()
      throw error
    }
    return consumer
  }

  async read(
    at: TopicPartition,
    from: number,
    to: number,
    each: (batch: RawBatch) => void | Promise<void>,
  ): Promise<void> {
    const count = this.counts.get(at.topic)
    if (count === undefined) return this.local.read(at, from, to, each)
    if (at.partition >= count) throw unknownTopic(this.name, at.topic, at.partition)
    if (from < to) await readRemote(this.bridge, at, { from, to }, each)
  }

  private get bridge(): Connection {
    if (!this.connection) throw new TidemarkError('BAD_STATE', `${this.name}: not connected; connect() first`)
    return this.connection
  }

  private async open(): Promise<void> {
    const { name, timeoutMs, openLink: open } = this
    const { token } = this.options
    const before = this.connection
    const connection: Connection = new Connection({
      name,
      timeoutMs,
      open,
      ...(token && { token: () => token() }),
      // Then the next `connect` opens another.
      failed: () => {
        if (this.connection === connection) this.connecting = undefined
      },
    })
    if (!before) await this.local.connect()
    try {
      await connection.open()
      this.connection = connection
      await this.topics()
    } catch (error) {
      this.connection = before
      connection.close()
      if (!before) await this.local.close()
      throw error
    }
  }

  private guarded(transaction: Transaction): Transaction {
    return {
      send: async (records) => {
        this.check(records)
        await transaction.send(records)
      },
      sendOffsets: (group, positions) => transaction.sendOffsets(group, positions),
      commit: (along) => transaction.commit(along),
      abort: () => transaction.abort(),
    }
  }

  private check(records: readonly OutRecord[]): void {
    for (const { topic } of records) this.checkLocal(topic)
  }

  private checkLocal(topic: string): void {
    if (!this.counts.has(topic)) return
    const text = `${this.name} serves this topic, which can't be written or deleted from here; write to a topic of another name`
    throw new TidemarkError('READ_ONLY', text, { topic })
  }
}

function urlOf(text: string): URL {
  const { location } = globalThis as { location?: { href: string } }
  const url = URL.canParse(text, location?.href) ? new URL(text, location?.href) : undefined
  if (url && /^(https?|wss?):$/.test(url.protocol)) return url
  throw new TidemarkError('BAD_OPTION', `remote: url must be of http, https, ws or wss; got ${show(text)}`)
}

function transportOf({ transport, WebSocket: own }: RemoteOptions, url: URL): OpenLink {
  const Socket = own ?? (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket
  const isSecure = /^(https|wss):$/.test(url.protocol)
  if (transport === 'sse' || (transport === undefined && !Socket)) {
    url.protocol = isSecure ? 'https:' : 'http:'
    return (listener) => eventStreamLink(url.href, listener)
  }
  if (!Socket) {
    const text = 'remote: there is no WebSocket here; pass that of the package ws as WebSocket, or take transport sse'
    throw new TidemarkError('BAD_OPTION', text)
  }
  url.protocol = isSecure ? 'wss:' : 'ws:'
  return (listener) => webSocketLink(url.href, Socket, listener)
}

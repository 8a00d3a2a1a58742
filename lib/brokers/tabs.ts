import type {
  Broker,
  Consumer,
  ConsumerOptions,
  NewTopic,
  PartitionRange,
  Position,
  Producer,
  RawBatch,
  TopicPartition,
  TransactionalProducer,
} from '../ports/broker.js'
import type { StoreAdapter } from '../ports/store.js'
import { show, TidemarkError } from '../record/errors.js'
import { Host } from './tabs/host.js'
import { Line } from './tabs/line.js'
import { RemoteConsumer } from './tabs/remoteConsumer.js'
import { remoteProducer, remoteTransactionalProducer } from './tabs/remoteProducers.js'
import { aborted, Turn } from './tabs/turn.js'
import { hostName, unpacked } from './tabs/wire.js'

/** How long `connect` waits for a tab that hosts. */
const CONNECT_MS = 10_000

/**
 * One broker for all tabs and workers of an origin that use the same name.
 *
 * One of them hosts: it opens `broker`, runs the apps whose state is in the broker's store, and serves the others, whose calls come over a
 * `BroadcastChannel`. All that pass a `broker` stand by for it, in a queue of a Web Lock. When the host closes its broker, reloads, crashes or is killed, the next
 * one opens the same store as it was at the last commit, and the app of that tab starts: `start` waits until then, and `state$` says `standing by`.
 *
 * ```ts
 * const store = idb('shop')
 * const broker = tabs('shop', embedded({ store }))
 * const app = createApp({ id: 'spend', broker, store })
 * ```
 *
 * Without a `broker` a tab only looks on and writes: the page, say, of a worker that has the pipeline.
 *
 * A call that the host has not answered is made again of the next one. What `send` and `commit` were to write is written once even then: the host keeps, in the same
 * commit, which requests it has carried out. Consumers and open transactions end with their host (`BROKER_UNAVAILABLE`, `FENCED`), and apps begin them again.
 *
 * `close` ends the hosting, if this one has it; the next one follows.
 *
 * @throws TidemarkError `BAD_OPTION`
 */
export function tabs(name: string, broker?: Broker): Broker {
  if (typeof name !== 'string' || name === '')
    throw new TidemarkError('BAD_OPTION', `tabs: the name must be a non-empty string; got ${show(name)}`)
  if (broker === undefined) return new TabsBroker(name)
  const { store } = broker
  if (store?.durable) return new TabsBroker(name, { broker, store })
  throw new TidemarkError(
    'BAD_OPTION',
    `tabs: what is to be hosted must be in a store that outlives the tab, as embedded({ store: idb(…) }) is; ${broker.name} is not`,
  )
}

interface Own {
  readonly broker: Broker
  readonly store: StoreAdapter
}

class TabsBroker implements Broker {
  readonly name: string
  readonly durable = true
  declare readonly store?: StoreAdapter
  private users = 0
  private opening: Promise<void> | undefined
  private line!: Line
  private host: Host | undefined
  /** Of the tabs that can host. */
  private turn: Turn | undefined

  constructor(
    private readonly shared: string,
    private readonly own?: Own,
  ) {
    this.name = `tabs ${shared}`
    if (own) this.store = own.store
  }

  async connect(): Promise<void> {
    this.users++
    this.opening ??= this.open()
    const { opening } = this
    try {
      await opening
    } catch (error) {
      // If it has been closed meanwhile, that has been counted.
      if (this.opening === opening) await this.close()
      throw error
    }
  }

  async close(): Promise<void> {
    if (this.users === 0 || --this.users > 0) return
    await this.end()
  }

  async standBy(signal: AbortSignal): Promise<AbortSignal> {
    const { turn } = this
    if (turn === undefined) throw new TidemarkError('BAD_STATE', `${this.name}: connect() first`)
    await Promise.race([turn.begun, aborted(signal)])
    turn.lost.throwIfAborted()
    return turn.lost
  }

  async topics(names?: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return this.hosted?.topics(names) ?? this.line.call('topics', names)
  }

  async createTopics(topics: readonly NewTopic[]): Promise<void> {
    await (this.hosted?.createTopics(topics) ?? this.line.call('createTopics', topics))
  }

  async deleteTopics(topics: readonly string[]): Promise<void> {
    await (this.hosted?.deleteTopics(topics) ?? this.line.call('deleteTopics', topics))
  }

  async ranges(topic: string): Promise<readonly PartitionRange[]> {
    return this.hosted?.ranges(topic) ?? this.line.call('ranges', topic)
  }

  async committed(group: string, topics: readonly string[]): Promise<readonly Position[]> {
    return this.hosted?.committed(group, topics) ?? this.line.call('committed', group, topics)
  }

  async producer(): Promise<Producer> {
    return this.hosted?.producer() ?? remoteProducer(this.line)
  }

  async transactionalProducer(id: string): Promise<TransactionalProducer> {
    return this.hosted?.transactionalProducer(id) ?? remoteTransactionalProducer(this.line, id)
  }

  async consumer(options: ConsumerOptions): Promise<Consumer> {
    const { hosted } = this
    if (hosted) return hosted.consumer(options)
    const consumer = new RemoteConsumer(this.line, options)
    await consumer.join()
    return consumer
  }

  async read(
    partition: TopicPartition,
    from: number,
    to: number,
    each: (batch: RawBatch) => void | Promise<void>,
  ): Promise<void> {
    const { hosted } = this
    if (hosted) return hosted.read(partition, from, to, each)
    const { topic, partition: number } = partition
    for (let at = from; at < to || at === from; ) {
      const batches = (await this.line.call('read', { topic, partition: number }, at, to)).map(unpacked)
      for (const batch of batches) await each(batch)
      at = batches.at(-1)?.nextOffset ?? Number.POSITIVE_INFINITY
    }
  }

  /** The broker itself, where this tab hosts it. */
  private get hosted(): Broker | undefined {
    if (this.opening === undefined) throw new TidemarkError('BAD_STATE', `${this.name}: connect() first`)
    return this.host && this.own?.broker
  }

  private async open(): Promise<void> {
    if (globalThis.navigator?.locks === undefined || globalThis.BroadcastChannel === undefined)
      throw this.unavailable('it needs Web Locks and BroadcastChannel, which browsers have in secure contexts only')
    const line = new Line(this.shared)
    this.line = line
    if (this.own) this.lineUp(line, this.own)
    const why = this.own ? 'the tab that hosts it doesn’t answer: it may be frozen' : 'no tab hosts it'
    let timer: ReturnType<typeof setTimeout> | undefined
    const late = new Promise<void>((_, reject) => {
      timer = setTimeout(() => reject(this.unavailable(`${why}; waited ${CONNECT_MS} ms`)), CONNECT_MS)
    })
    try {
      await Promise.race([line.begin(), late, ...(this.turn ? [this.turn.begun] : [])])
    } finally {
      clearTimeout(timer)
    }
  }

  private async end(): Promise<void> {
    const { turn } = this
    this.opening = undefined
    this.turn = undefined
    const why = new TidemarkError('BAD_STATE', `${this.name} has been closed`)
    this.line?.end(why)
    await turn?.close(why)
  }

  private lineUp(line: Line, own: Own): void {
    const before = this.turn
    const turn = new Turn(
      hostName(this.shared),
      async () => {
        await before?.close(before.lost.reason)
        return this.serve(turn, own)
      },
      () => this.putAside(),
      () => this.lineUp(line, own),
    )
    this.turn = turn
    // A host that is no use to this tab is none to its calls. When a page is put aside it may be that another has its turn.
    turn.begun.catch((error) => {
      if (!turn.lost.aborted) line.end(error)
    })
  }

  /** @returns what ends it */
  private async serve({ lost }: Turn, { broker, store }: Own): Promise<() => Promise<void>> {
    await broker.connect()
    const host = new Host(this.shared, broker, store)
    const end = async () => {
      this.host = undefined
      await host.close()
      await broker.close()
    }
    try {
      await host.begin(lost)
    } catch (error) {
      await end()
      throw error
    }
    this.host = host
    return end
  }

  private putAside(): TidemarkError {
    const message = `${this.name}: the browser has put this page aside, and another may host since; reload it, or start a new app`
    return new TidemarkError('FENCED', message)
  }

  private unavailable(why: string): TidemarkError {
    return new TidemarkError('BROKER_UNAVAILABLE', `${this.name}: ${why}`)
  }
}

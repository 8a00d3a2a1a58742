import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Broker } from '../../ports/broker.js'
import { TidemarkError } from '../../record/errors.js'
import { type ClientMessage, type OpenMessage, PROTOCOL, SILENT_BEATS } from '../rules/bridgeMessages.js'
import { clientMessage } from './clientMessage.js'
import { Subscription } from './subscription.js'
import type { TopicFeed } from './topicFeed.js'
import type { Wire, WireListener } from './wire.js'
import { notServed, wireError } from './wireError.js'

/** Requests of one client that may be under way, besides one for each subscription. */
const MAX_PENDING = 64
/** ms for a client to say who it is. */
const HELLO_MS = 10_000

/** Who asks, and for what. */
export interface BridgeRequest {
  /** The request that opened the connection, with its headers and cookies. */
  readonly request: IncomingMessage
  /** What the client's `token` gave, if it has one. */
  readonly token: string | undefined
  readonly topic: string
}

/** What all sessions of a bridge share. */
export interface SessionHost {
  readonly broker: Broker
  readonly topics: readonly string[]
  readonly heartbeatMs: number
  readonly maxSubscriptions: number
  authorise(request: BridgeRequest): boolean | Promise<boolean>
  feed(topic: string): TopicFeed
  /** Somebody who reads has been granted more, or their network takes more. */
  wake(subscription: Subscription): void
  /** Somebody reads no more. */
  drop(subscription: Subscription): void
  /** The feed may have nobody who reads it. */
  left(topic: string): void
  report(error: unknown): void
  ended(session: Session): void
}

/** One client's connection, from its hello to its end. */
export class Session implements WireListener {
  readonly id = randomUUID()
  private readonly subscriptions = new Map<number, Subscription>()
  /** Decided once per topic. */
  private readonly decisions = new Map<string, Promise<boolean>>()
  private pending = 0
  private hello: { readonly token: string | undefined } | undefined
  /** Counted, and not timed: a server that has stood still itself has heard from nobody meanwhile. */
  private unansweredPings = 0
  private isOver = false
  private readonly beat: ReturnType<typeof setInterval>
  private readonly helloTimer: ReturnType<typeof setTimeout>

  constructor(
    private readonly host: SessionHost,
    private readonly wire: Wire,
    private readonly request: IncomingMessage,
  ) {
    this.beat = setInterval(() => this.onBeat(), host.heartbeatMs)
    this.helloTimer = setTimeout(() => {
      if (!this.hello) this.refuse(new TidemarkError('BAD_MESSAGE', `no hello came within ${HELLO_MS} ms`))
    }, HELLO_MS)
  }

  get size(): number {
    return this.subscriptions.size
  }

  message(value: unknown): void {
    this.unansweredPings = 0
    if (this.isOver) return
    try {
      this.take(clientMessage(value))
    } catch (error) {
      this.refuse(error)
    }
  }

  drained(): void {
    for (const one of this.subscriptions.values()) this.host.wake(one)
  }

  closed(): void {
    if (this.isOver) return
    this.isOver = true
    clearInterval(this.beat)
    clearTimeout(this.helloTimer)
    for (const one of [...this.subscriptions.values()]) this.drop(one)
    this.host.ended(this)
  }

  /** Tells why, and ends the connection. */
  refuse(error: unknown): void {
    if (this.isOver) return
    this.wire.send({ type: 'refused', error: wireError(error) })
    this.wire.close()
    this.closed()
  }

  cut(): void {
    this.wire.cut()
    this.closed()
  }

  private onBeat(): void {
    if (this.unansweredPings++ < SILENT_BEATS) this.wire.send({ type: 'ping' })
    else this.cut()
  }

  private take(message: ClientMessage): void {
    if (!this.hello && message.type !== 'hello')
      throw new TidemarkError('BAD_MESSAGE', `${message.type} came before hello`)
    switch (message.type) {
      case 'hello':
        this.welcome(message)
        break
      case 'topics':
        this.answer(message.id, () => this.topics(message.id, message.names))
        break
      case 'ranges':
        this.answer(message.id, () => this.ranges(message.id, message.topic))
        break
      case 'open':
        this.open(message)
        break
      case 'credit':
        this.credit(message)
        break
      case 'close': {
        const one = this.subscriptions.get(message.id)
        if (one) this.drop(one)
      }
    }
  }

  private credit({ id, bytes }: Extract<ClientMessage, { type: 'credit' }>): void {
    const one = this.subscriptions.get(id)
    if (!one) return
    one.grant(bytes)
    this.host.wake(one)
  }

  private welcome({ protocol, token }: Extract<ClientMessage, { type: 'hello' }>): void {
    if (this.hello) throw new TidemarkError('BAD_MESSAGE', 'a second hello')
    if (protocol !== PROTOCOL) {
      const text = `the client speaks version ${protocol} of the protocol and the bridge ${PROTOCOL}: use the same version of Tidemark`
      throw new TidemarkError('BAD_MESSAGE', text)
    }
    this.hello = { token }
    this.wire.send({ type: 'welcome', protocol, heartbeatMs: this.host.heartbeatMs, session: this.id })
  }

  private async topics(id: number, names: readonly string[] | undefined): Promise<void> {
    const { broker, topics } = this.host
    const listed = names ? topics.filter((topic) => names.includes(topic)) : topics
    // Who asks for one by its name hears why it isn't among them.
    if (names) for (const topic of listed) await this.check(topic)
    const allowed = await Promise.all(listed.map(async (topic) => ((await this.decide(topic)) ? [topic] : [])))
    const counts = await broker.topics(allowed.flat())
    if (!this.isOver) this.wire.send({ type: 'topics', id, topics: [...counts] })
  }

  private async ranges(id: number, topic: string): Promise<void> {
    await this.check(topic)
    const ranges = await this.rangesOf(topic)
    if (!this.isOver) this.wire.send({ type: 'ranges', id, ranges })
  }

  private open(message: OpenMessage): void {
    const { id, topic, partition, from } = message
    if (this.subscriptions.has(id)) throw new TidemarkError('BAD_MESSAGE', `id ${id} is open already`)
    this.answer(id, async () => {
      const { maxSubscriptions } = this.host
      if (this.subscriptions.size >= maxSubscriptions)
        throw new TidemarkError('LIMIT_REACHED', `the bridge serves ${maxSubscriptions} partitions to a client`)
      const subscription = new Subscription(this.wire, message, (one) => this.drop(one))
      const isOpen = () => this.subscriptions.get(id) === subscription
      this.subscriptions.set(id, subscription)
      try {
        await this.check(topic)
        const ranges = await this.rangesOf(topic)
        if (isOpen()) this.host.feed(topic).add(subscription, from, ranges[partition])
      } catch (error) {
        if (!isOpen()) return
        this.subscriptions.delete(id)
        throw error
      }
    })
  }

  private async rangesOf(topic: string) {
    try {
      return await this.host.feed(topic).ranges()
    } catch (error) {
      if (error instanceof TidemarkError && error.code === 'UNKNOWN_TOPIC') throw notServed(topic)
      this.host.report(error)
      throw error
    } finally {
      this.host.left(topic)
    }
  }

  private drop(one: Subscription): void {
    this.subscriptions.delete(one.id)
    this.host.drop(one)
  }

  /** @throws TidemarkError `UNKNOWN_TOPIC`, `NOT_AUTHORISED` */
  private async check(topic: string): Promise<void> {
    if (!this.host.topics.includes(topic)) throw notServed(topic)
    if (await this.decide(topic)) return
    throw new TidemarkError('NOT_AUTHORISED', 'the bridge lets this client not read the topic', { topic })
  }

  private decide(topic: string): Promise<boolean> {
    let decision = this.decisions.get(topic)
    if (!decision) {
      decision = this.ask(topic)
      this.decisions.set(topic, decision)
      // Whoever can't tell now is asked again.
      decision.catch(() => this.decisions.delete(topic))
    }
    return decision
  }

  private async ask(topic: string): Promise<boolean> {
    try {
      return (await this.host.authorise({ request: this.request, token: this.hello?.token, topic })) === true
    } catch (error) {
      this.host.report(error)
      throw new Error('authorise failed', { cause: error })
    }
  }

  /** Does what was asked for; what goes wrong is told under its id. */
  private answer(id: number, work: () => Promise<void>): void {
    const limit = MAX_PENDING + this.host.maxSubscriptions
    if (this.pending >= limit) {
      this.refuseOne(id, new TidemarkError('LIMIT_REACHED', `more than ${limit} requests are under way`))
      return
    }
    this.pending++
    work()
      .catch((error) => this.refuseOne(id, error))
      .finally(() => {
        this.pending--
      })
  }

  private refuseOne(id: number, error: unknown): void {
    const place = error instanceof TidemarkError ? error.place : {}
    if (!this.isOver) this.wire.send({ type: 'refused', id, error: wireError(error, place) })
  }
}

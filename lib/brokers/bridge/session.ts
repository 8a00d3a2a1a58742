import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Broker } from '../../ports/broker.js'
import { TidemarkError } from '../../record/errors.js'
import {
  type ClientMessage,
  type OpenMessage,
  PROTOCOL,
  type ServerMessage,
  SILENT_BEATS,
} from '../rules/bridgeMessages.js'
import { clientMessage } from './clientMessage.js'
import { type BridgeRequest, Permissions } from './permissions.js'
import { type Outlet, Subscription } from './subscription.js'
import type { TopicFeed } from './topicFeed.js'
import { FULL_BYTES, type Wire, type WireListener } from './wire.js'
import { notServed, wireError } from './wireError.js'

/** Requests of one client that may be under way, besides one for each subscription. */
const MAX_PENDING = 64
/** ms for a client to say who it is. */
const HELLO_MS = 10_000
/** ms for a client to take what is said last. */
const END_MS = 5_000

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
  /** The client asked on, and took none of the answers. */
  cutOff(session: Session): void
  ended(session: Session): void
}

/** One client's connection, from its hello to its end. */
export class Session implements WireListener, Outlet {
  readonly id = randomUUID()
  private readonly subscriptions = new Map<number, Subscription>()
  private readonly permissions: Permissions
  private pending = 0
  /** Bytes that were sent although the wire was full. */
  private beyondBytes = 0
  private hello: { readonly token: string | undefined } | undefined
  /** Counted, and not timed: a server that has stood still itself has heard from nobody meanwhile. */
  private unansweredPings = 0
  /** Nothing is heard or said any more, though the connection may be there until the client has taken what was said. */
  isOver = false
  private readonly beat: ReturnType<typeof setInterval>
  private readonly helloTimer: ReturnType<typeof setTimeout>
  private endTimer: ReturnType<typeof setTimeout> | undefined

  constructor(
    private readonly host: SessionHost,
    private readonly wire: Wire,
    request: IncomingMessage,
  ) {
    this.permissions = new Permissions(host, (topic) => ({ request, token: this.hello?.token, topic }))
    this.beat = setInterval(() => this.onBeat(), host.heartbeatMs)
    this.helloTimer = setTimeout(() => {
      if (!this.hello) this.refuse(new TidemarkError('BAD_MESSAGE', `no hello came within ${HELLO_MS} ms`))
    }, HELLO_MS)
    wire.listen(this)
  }

  get size(): number {
    return this.subscriptions.size
  }

  get isFull(): boolean {
    return this.wire.waitingBytes > FULL_BYTES
  }

  /** Records wait until there is room. Of all else, as many bytes may go beyond it; a client for which there are more is cut off. */
  send(message: ServerMessage, body?: Uint8Array): void {
    if (this.isOver) return
    const { isFull, wire } = this
    const before = wire.waitingBytes
    wire.send(message, body)
    if (!isFull) return
    this.beyondBytes += wire.waitingBytes - before
    if (this.beyondBytes <= FULL_BYTES) return
    this.cut()
    this.host.cutOff(this)
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
    this.beyondBytes = 0
    for (const one of this.subscriptions.values()) this.host.wake(one)
  }

  /** The connection is no more. */
  closed(): void {
    this.stop()
    clearTimeout(this.endTimer)
    this.host.ended(this)
  }

  /** Tells why, and ends the connection. */
  refuse(error: unknown): void {
    if (this.isOver) return
    this.send({ type: 'refused', error: wireError(error) })
    this.wire.close()
    this.stop()
    // Who doesn't take the rest would keep it here.
    this.endTimer = setTimeout(() => this.cut(), END_MS)
  }

  cut(): void {
    this.wire.cut()
    this.closed()
  }

  private stop(): void {
    if (this.isOver) return
    this.isOver = true
    clearInterval(this.beat)
    clearTimeout(this.helloTimer)
    for (const one of [...this.subscriptions.values()]) this.drop(one)
  }

  private onBeat(): void {
    if (this.unansweredPings++ < SILENT_BEATS) this.send({ type: 'ping' })
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
    this.send({ type: 'welcome', protocol, heartbeatMs: this.host.heartbeatMs, session: this.id })
  }

  private async topics(id: number, names: readonly string[] | undefined): Promise<void> {
    const { broker, topics } = this.host
    const listed = names ? topics.filter((topic) => names.includes(topic)) : topics
    // Who asks for one by its name hears why it isn't among them.
    if (names) for (const topic of listed) await this.check(topic)
    const allowed = await Promise.all(
      listed.map(async (topic) => ((await this.permissions.mayRead(topic)) ? [topic] : [])),
    )
    const counts = await broker.topics(allowed.flat()).catch((error) => {
      this.host.report(error)
      throw error
    })
    this.send({ type: 'topics', id, topics: [...counts] })
  }

  private async ranges(id: number, topic: string): Promise<void> {
    await this.check(topic)
    const ranges = await this.rangesOf(topic)
    this.send({ type: 'ranges', id, ranges })
  }

  private open(message: OpenMessage): void {
    const { id, topic, partition, from } = message
    if (this.subscriptions.has(id)) throw new TidemarkError('BAD_MESSAGE', `id ${id} is open already`)
    this.answer(id, async () => {
      const { maxSubscriptions } = this.host
      if (this.subscriptions.size >= maxSubscriptions)
        throw new TidemarkError('LIMIT_REACHED', `the bridge serves ${maxSubscriptions} partitions to a client`)
      const subscription = new Subscription(this, message, (one) => this.drop(one))
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
    if (await this.permissions.mayRead(topic)) return
    throw new TidemarkError('NOT_AUTHORISED', 'the bridge lets this client not read the topic', { topic })
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
    this.send({ type: 'refused', id, error: wireError(error, place) })
  }
}

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Broker } from '../ports/broker.js'
import { type Duration, durationMs } from '../record/duration.js'
import { TidemarkError } from '../record/errors.js'
import { wholeNumber } from '../record/wholeNumber.js'
import { HttpDoor, notAllowed } from './bridge/httpDoor.js'
import type { BridgeRequest } from './bridge/permissions.js'
import { Session, type SessionHost } from './bridge/session.js'
import { SocketWire } from './bridge/socketWire.js'
import { TopicFeed } from './bridge/topicFeed.js'

export type { BridgeRequest }

export interface BridgeOptions {
  /** What is read. */
  readonly broker: Broker
  /** The topics that are served; others are told to be unknown. It is looked at for each request: what is added later is served from then on. */
  readonly topics: readonly string[]
  /**
   * Whether who asks may read the topic; asked once per connection and topic. `() => true` lets everybody who reaches the bridge read all topics that
   * are served. What it throws goes to `onError`, and the client tries again; so it is where it hasn't answered within three heartbeats.
   */
  authorise(request: BridgeRequest): boolean | Promise<boolean>
  /** Origins of the pages that may connect, as `https://shop.example`; looked at for each connection. What isn't a browser has none, and may. */
  readonly origins: readonly string[]
  /** Both sides take the other for gone after three of these without a word. Default 10 s. */
  readonly heartbeat?: Duration
  /** How often the broker is asked for new records, while somebody waits for some. Default 50 ms. */
  readonly pollInterval?: Duration
  /** Default 1,000. */
  readonly maxClients?: number
  /** Partitions that one client reads at a time. Default 256. */
  readonly maxSubscriptions?: number
  /** Of what a client sends. Default 64 KiB. */
  readonly maxMessageBytes?: number
  /** Hears what goes wrong with the broker, what `authorise` throws, and of clients that are cut off (`LIMIT_REACHED`). */
  onError?(error: TidemarkError): void
}

export interface BridgeStats {
  readonly clients: number
  /** Partitions that clients read, each counted by itself. */
  readonly subscriptions: number
  /** Bytes of records kept for others who come by the same place. */
  readonly keptBytes: number
  /** Clients that have been cut off since the start, because they took none of the answers to what they asked. */
  readonly cutOff: number
}

export interface Bridge {
  /** Connects the broker; before that, and after `close`, `handle` answers 503 and `upgrade` ends the connection. @throws TidemarkError `BROKER_UNAVAILABLE` */
  connect(): Promise<void>
  /** For `request` of a server of `node:http` or `node:https`: Server-Sent Events. */
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void
  /** For `upgrade` of the same: WebSocket. */
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
  /** Connects, and serves by an HTTP server of its own, at any path. Resolves with the port: a free one for 0. Default host: 127.0.0.1. */
  listen(port: number, host?: string): Promise<number>
  stats(): BridgeStats
  /** Ends all connections, the server of `listen`, and lets go of the broker. */
  close(): Promise<void>
}

/**
 * Serves topics of a broker to tabs, read-only, over WebSocket and Server-Sent Events; `remote()` of `tidemark/remote` is what connects to it.
 *
 * A client names partitions and offsets, and grants credit: so many bytes more. The bridge keeps nothing of a client but where it is; without credit
 * a client costs nothing, and of one that doesn't take what is sent no more than 1 MiB and one batch waits; one that asks on meanwhile is cut off when 1 MiB
 * of answers waits besides. Clients at the same place share one read.
 * Only committed records are served.
 *
 * ```ts
 * const server = bridge({
 *   broker: kafka({ brokers: ['localhost:9092'] }),
 *   topics: ['orders'],
 *   origins: ['https://shop.example'],
 *   authorise: ({ token }) => !!token && token === process.env.BRIDGE_TOKEN,
 * })
 * await server.listen(8787)
 * ```
 *
 * @throws TidemarkError `BAD_OPTION`, `BAD_DURATION`
 */
export function bridge(options: BridgeOptions): Bridge {
  return new BridgeServer(options)
}

class BridgeServer implements Bridge {
  private readonly sessions = new Map<string, Session>()
  private readonly feeds = new Map<string, TopicFeed>()
  private readonly host: SessionHost
  private readonly door: HttpDoor
  private readonly sockets: WebSocketServer
  private readonly maxClients: number
  private readonly pollMs: number
  private server: Server | undefined
  private connecting: Promise<void> | undefined
  private cutOff = 0

  constructor(private readonly options: BridgeOptions) {
    const maxMessageBytes = wholeNumber(options.maxMessageBytes ?? 64 << 10, 'bridge: maxMessageBytes', 1_024)
    this.maxClients = wholeNumber(options.maxClients ?? 1_000, 'bridge: maxClients', 1)
    this.pollMs = durationMs(options.pollInterval ?? 50, 'bridge: pollInterval', 1)
    this.sockets = new WebSocketServer({ noServer: true, maxPayload: maxMessageBytes, clientTracking: false })
    this.host = {
      broker: options.broker,
      topics: options.topics,
      heartbeatMs: durationMs(options.heartbeat ?? '10s', 'bridge: heartbeat', 10),
      maxSubscriptions: wholeNumber(options.maxSubscriptions ?? 256, 'bridge: maxSubscriptions', 1),
      authorise: (request) => options.authorise(request),
      feed: (topic) => this.feed(topic),
      wake: (subscription) => this.feeds.get(subscription.topic)?.wake(subscription),
      drop: (subscription) => {
        this.feeds.get(subscription.topic)?.remove(subscription)
        this.left(subscription.topic)
      },
      left: (topic) => this.left(topic),
      report: (error) => this.report(error),
      cutOff: () => {
        this.cutOff++
        this.report(
          new TidemarkError('LIMIT_REACHED', 'a client that took none of the answers to what it asked was cut off'),
        )
      },
      ended: ({ id }) => this.sessions.delete(id),
    }
    this.door = new HttpDoor({
      maxMessageBytes,
      isOpen: () => this.isOpen,
      isAllowed: (request) => this.isAllowed(request),
      session: (id) => this.sessions.get(id),
      begin: (wire, request) => this.admit(new Session(this.host, wire, request)),
    })
  }

  connect(): Promise<void> {
    this.connecting ??= this.options.broker.connect().catch((error) => {
      this.connecting = undefined
      throw error
    })
    return this.connecting
  }

  readonly handle = (request: IncomingMessage, response: ServerResponse): void => {
    this.door.handle(request, response)
  }

  readonly upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    if (!this.isOpen) {
      socket.destroy()
      return
    }
    this.sockets.handleUpgrade(request, socket, head, (webSocket: WebSocket) => {
      const session = new Session(this.host, new SocketWire(webSocket), request)
      // Told within the connection: a browser keeps to itself why one didn't come about.
      if (!this.isAllowed(request)) session.refuse(notAllowed(request.headers.origin))
      else this.admit(session)
    })
  }

  async listen(port: number, host = '127.0.0.1'): Promise<number> {
    if (this.server) throw new TidemarkError('BAD_STATE', 'the bridge listens already')
    const server = createServer(this.handle)
    server.on('upgrade', this.upgrade)
    this.server = server
    try {
      await this.connect()
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(port, host, resolve)
      })
    } catch (error) {
      await this.close()
      throw error
    }
    return (server.address() as AddressInfo).port
  }

  stats(): BridgeStats {
    const sessions = [...this.sessions.values()]
    return {
      clients: sessions.length,
      subscriptions: sessions.reduce((sum, { size }) => sum + size, 0),
      keptBytes: [...this.feeds.values()].reduce((sum, { bytes }) => sum + bytes, 0),
      cutOff: this.cutOff,
    }
  }

  async close(): Promise<void> {
    const { server, connecting } = this
    this.server = undefined
    this.connecting = undefined
    for (const session of [...this.sessions.values()]) session.cut()
    for (const feed of this.feeds.values()) feed.close()
    this.feeds.clear()
    if (server?.listening) {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    }
    if (connecting) await this.options.broker.close()
  }

  private get isOpen(): boolean {
    return this.connecting !== undefined
  }

  private admit(session: Session): Session | undefined {
    if (this.sessions.size >= this.maxClients) {
      session.refuse(new TidemarkError('LIMIT_REACHED', `the bridge has ${this.maxClients} clients; try again later`))
      return undefined
    }
    this.sessions.set(session.id, session)
    return session
  }

  private isAllowed({ headers: { origin } }: IncomingMessage): boolean {
    return origin === undefined || this.options.origins.includes(origin)
  }

  private feed(topic: string): TopicFeed {
    let feed = this.feeds.get(topic)
    if (!feed) {
      const { broker } = this.options
      feed = new TopicFeed({ broker, topic, pollMs: this.pollMs, report: (error) => this.report(error) })
      this.feeds.set(topic, feed)
    }
    return feed
  }

  private left(topic: string): void {
    const feed = this.feeds.get(topic)
    if (!feed || feed.size > 0) return
    feed.close()
    this.feeds.delete(topic)
  }

  private report(error: unknown): void {
    const { onError } = this.options
    if (!onError) return
    const text = error instanceof Error ? error.message : String(error)
    try {
      onError(error instanceof TidemarkError ? error : new TidemarkError('BAD_STATE', text, {}, { cause: error }))
    } catch (thrown) {
      // Uncaught, as in a listener of an event: what was under way here goes on.
      queueMicrotask(() => {
        throw thrown
      })
    }
  }
}

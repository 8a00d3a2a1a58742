import { type ErrorCode, TidemarkError } from '../../record/errors.js'
import { type ClientMessage, PROTOCOL, type ServerMessage, SILENT_BEATS } from '../rules/bridgeMessages.js'
import type { Link, OpenLink } from './link.js'
import { thrownError } from './thrownError.js'

/** Something that goes on over one link after the other until it is ended: a request, or the reading of a partition. */
export interface Exchange {
  /** What asks for it, on each new link. */
  opening(id: number): ClientMessage
  heard(message: ServerMessage, body: Uint8Array | undefined): void
  /** No link will come any more. */
  failed(error: TidemarkError): void
}

export interface ConnectionOptions {
  /** For messages. */
  readonly name: string
  readonly open: OpenLink
  /** How long a link may take to come about. */
  readonly timeoutMs: number
  token?(): string | Promise<string>
  /** It has failed for good, or was closed: no link will come any more. */
  failed?(): void
}

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 10_000
const OUTAGE_MS = 3_000

/** What trying again doesn't change. */
const FINAL: ReadonlySet<ErrorCode> = new Set(['NOT_AUTHORISED', 'BAD_MESSAGE'])

/** Keeps a link to the bridge: when one breaks, or falls silent, it opens another and asks again for all that goes on. */
export class Connection {
  private readonly exchanges = new Map<number, Exchange>()
  private readonly away = new Set<(error: TidemarkError) => void>()
  /** The one under way, to tell it from those that were given up. */
  private attempt: object | undefined
  private link: Link | undefined
  private isUp = false
  private lastId = 0
  /** In vain, one after the other. */
  private attempts = 0
  private patienceMs = 0
  private failure: TidemarkError | undefined
  /** Why there is no link, as last heard. */
  private reason = 'it has not answered yet'
  private retry: ReturnType<typeof setTimeout> | undefined
  private silence: ReturnType<typeof setTimeout> | undefined
  private outage: ReturnType<typeof setTimeout> | undefined
  private settle: { resolve(): void; reject(error: TidemarkError): void } | undefined

  constructor(private readonly options: ConnectionOptions) {}

  /** Resolves with the first link. @throws TidemarkError `BROKER_UNAVAILABLE`, or why the bridge refuses */
  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.fail(this.unavailable()), this.options.timeoutMs)
      const settled = (then: () => void) => {
        clearTimeout(timer)
        this.settle = undefined
        then()
      }
      this.settle = { resolve: () => settled(resolve), reject: (error) => settled(() => reject(error)) }
      void this.connect()
    })
  }

  close(): void {
    this.fail(new TidemarkError('BAD_STATE', `${this.options.name} is closed`))
  }

  begin(exchange: Exchange): number {
    const id = ++this.lastId
    if (this.failure) {
      exchange.failed(this.failure)
      return id
    }
    this.exchanges.set(id, exchange)
    if (this.isUp) this.link?.send(exchange.opening(id))
    return id
  }

  /** Says something more of what goes on; without a link that is left to the next opening. */
  say(message: ClientMessage): void {
    if (this.isUp) this.link?.send(message)
  }

  end(id: number): void {
    this.exchanges.delete(id)
  }

  /** Tells when there has been no link for a while, once each time. Returns what ends it. */
  onAway(tell: (error: TidemarkError) => void): () => void {
    this.away.add(tell)
    return () => this.away.delete(tell)
  }

  /** The error of whoever can't wait any longer. */
  unavailable(): TidemarkError {
    return new TidemarkError(
      'BROKER_UNAVAILABLE',
      `${this.options.name} can't be reached: ${this.reason}; check that it runs, and that it allows this page's origin`,
    )
  }

  private async connect(): Promise<void> {
    const attempt = {}
    this.attempt = attempt
    this.listen(this.options.timeoutMs)
    let token: string | undefined
    try {
      token = await this.options.token?.()
    } catch (error) {
      if (this.attempt === attempt) this.lost(`token() failed: ${error}`)
      return
    }
    // One that took too long is that of an attempt that has been given up.
    if (this.attempt !== attempt) return
    let own: Link
    try {
      own = this.options.open({
        message: (message, body) => {
          if (this.link === own) this.hear(message, body)
        },
        closed: (reason) => {
          if (this.link === own) this.lost(reason)
        },
      })
    } catch (error) {
      return this.lost(String(error))
    }
    this.link = own
    own.send({ type: 'hello', protocol: PROTOCOL, token })
  }

  private hear(message: ServerMessage, body: Uint8Array | undefined): void {
    try {
      this.heard(message, body)
    } catch (error) {
      this.lost(`what it sent makes no sense: ${error}`)
    }
  }

  private heard(message: ServerMessage, body: Uint8Array | undefined): void {
    switch (message.type) {
      case 'welcome':
        this.welcomed(message.heartbeatMs)
        break
      case 'ping':
        this.say({ type: 'pong' })
        this.attempts = 0
        break
      case 'refused':
        if (message.id === undefined) {
          this.lost(thrownError(message.error))
          return
        }
    }
    this.listen(this.patienceMs)
    if (!('id' in message) || message.id === undefined) return
    this.exchanges.get(message.id)?.heard(message, body)
    this.attempts = 0
  }

  private welcomed(heartbeatMs: number): void {
    this.isUp = true
    this.patienceMs = SILENT_BEATS * heartbeatMs
    clearTimeout(this.outage)
    this.outage = undefined
    this.settle?.resolve()
    for (const [id, exchange] of [...this.exchanges]) this.link?.send(exchange.opening(id))
  }

  /** Takes the link for dead unless something is heard in time. */
  private listen(ms: number): void {
    clearTimeout(this.silence)
    this.silence = setTimeout(() => this.lost(`nothing was heard for ${ms} ms`), ms)
  }

  private lost(reason: string | TidemarkError): void {
    if (this.failure) return
    this.letGo()
    if (reason instanceof TidemarkError && FINAL.has(reason.code)) {
      this.fail(reason)
      return
    }
    this.reason = typeof reason === 'string' ? reason : reason.message
    this.outage ??= setTimeout(() => {
      for (const tell of [...this.away]) tell(this.unavailable())
    }, OUTAGE_MS)
    // Half of it by chance: else all tabs would come back at once when a bridge does.
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** this.attempts++, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2)
    clearTimeout(this.retry)
    this.retry = setTimeout(() => void this.connect(), pauseMs)
  }

  private fail(error: TidemarkError): void {
    if (this.failure) return
    this.failure = error
    this.letGo()
    clearTimeout(this.retry)
    clearTimeout(this.outage)
    this.settle?.reject(error)
    this.options.failed?.()
    for (const exchange of [...this.exchanges.values()]) exchange.failed(error)
    this.exchanges.clear()
  }

  private letGo(): void {
    const { link } = this
    this.attempt = undefined
    this.link = undefined
    this.isUp = false
    clearTimeout(this.silence)
    link?.close()
  }
}

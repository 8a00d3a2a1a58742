import { whenPutAside } from '../../ports/whenPutAside.js'
import { show, TidemarkError } from '../../record/errors.js'
import { type Calls, errorOf, hostName, newsName, type Reply, type Request, type Told, tabName } from './wire.js'

/** A request that has no answer yet. */
interface Open {
  readonly request: Omit<Request, 'open'>
  /** Whether it means something to this host only: it isn't asked again of another. */
  readonly isBound: boolean
  resolve(value: unknown): void
  reject(error: TidemarkError): void
}

/** What hangs on one host: it hears what is for it, and ends with that host, or when this tab doesn't answer for a while. */
export interface Bound {
  hear(told: Told): void
  hostGone(error: TidemarkError): void
}

/**
 * A tab's end of the line to the host, whichever tab that is: requests that have no answer when the host changes are asked again of the next one, in
 * their order and under their numbers, by which it knows those that the last one has done.
 */
export class Line {
  /** This end's name among all tabs and workers. */
  readonly tab = crypto.randomUUID()
  readonly bound = new Map<number, Bound>()
  private readonly toHost: BroadcastChannel
  private readonly fromHost: BroadcastChannel
  private readonly news: BroadcastChannel
  private readonly open = new Map<number, Open>()
  private readonly met: Promise<void>
  private meet: () => void = () => {}
  private host: string | undefined
  private numbers = 0
  private hangUp: () => void = () => {}
  private readonly takeBack: () => void
  private failure: TidemarkError | undefined
  /** By the browser. What is asked meanwhile is sent when the page is back. */
  private isAside = false

  constructor(private readonly name: string) {
    this.toHost = new BroadcastChannel(hostName(name))
    this.fromHost = new BroadcastChannel(tabName(name, this.tab))
    this.news = new BroadcastChannel(newsName(name))
    this.fromHost.onmessage = ({ data }) => this.hear(data as Reply)
    this.news.onmessage = ({ data }) => this.hear(data as Reply)
    this.met = new Promise((resolve) => {
      this.meet = resolve
    })
    this.takeBack = whenPutAside(
      () => {
        if (this.isAside) return
        this.isAside = true
        // Others would wait for what we hold, and for what we began now.
        this.signal('aside')
        this.letGo(this.ended('the browser had put this page aside'))()
      },
      () => {
        if (!this.isAside) return
        this.isAside = false
        this.askAgain()
      },
    )
  }

  /** Resolves when a host has answered. */
  async begin(): Promise<void> {
    // Held for as long as this end exists: whoever gets it knows that it doesn't any more.
    await new Promise<void>((resolve, reject) => {
      const whole = new Promise<void>((release) => {
        this.hangUp = release
      })
      const held = () => {
        resolve()
        return whole
      }
      navigator.locks.request(tabName(this.name, this.tab), held).catch(reject)
    })
    this.signal('hello')
    await this.met
  }

  /** A number for a request, a producer, a transaction or a consumer. */
  number(): number {
    return ++this.numbers
  }

  /** Asks the host, and the next one if it goes before it has answered. */
  call<C extends keyof Calls>(call: C, ...args: Parameters<Calls[C]>): Promise<ReturnType<Calls[C]>> {
    return this.ask(call, args, false)
  }

  /** Asks this host; if it goes before it has answered, that is an error. */
  callBound<C extends keyof Calls>(call: C, ...args: Parameters<Calls[C]>): Promise<ReturnType<Calls[C]>> {
    return this.ask(call, args, true)
  }

  /** Tells the host something that it doesn't answer. */
  tell<C extends keyof Calls>(call: C, ...args: Parameters<Calls[C]>): void {
    if (this.host !== undefined && this.failure === undefined) this.post({ from: this.tab, id: 0, call, with: args })
  }

  /** Everything that is open, and all that follows, ends with the error. */
  end(error: TidemarkError): void {
    if (this.failure !== undefined) return
    this.failure = error
    this.signal('bye')
    this.takeBack()
    const tell = this.letGo(error, () => true)
    for (const channel of [this.toHost, this.fromHost, this.news]) channel.close()
    this.hangUp()
    tell()
  }

  private ask(call: keyof Calls, args: readonly unknown[], isBound: boolean): Promise<any> {
    const request = { from: this.tab, id: this.number(), call, with: args }
    return new Promise((resolve, reject) => {
      if (this.failure !== undefined) throw this.failure
      this.open.set(request.id, { request, isBound, resolve, reject })
      try {
        if (!this.isAside) this.post(request)
      } catch (cause) {
        this.open.delete(request.id)
        const message = `tabs ${this.name}: ${call}: what is to be sent can't be copied to another tab: ${show(String(cause))}`
        reject(new TidemarkError('BAD_OPTION', message, {}, { cause }))
      }
    })
  }

  private signal(call: 'hello' | 'aside' | 'bye'): void {
    this.post({ from: this.tab, id: 0, call, with: [] })
  }

  private post(request: Omit<Request, 'open'>): void {
    const [open = request.id] = this.open.keys()
    this.toHost.postMessage({ ...request, open } satisfies Request)
  }

  private hear(reply: Reply): void {
    if ('host' in reply) this.follow(reply.host)
    else if ('consumer' in reply) this.bound.get(reply.consumer)?.hear(reply.told)
    else {
      const asked = this.open.get(reply.id)
      this.open.delete(reply.id)
      if (reply.error === undefined) asked?.resolve(reply.value)
      else asked?.reject(errorOf(reply.error))
    }
  }

  private follow(host: string): void {
    if (host === this.host) return
    const isFirst = this.host === undefined
    this.host = host
    this.meet()
    if (isFirst) return
    const tell = this.letGo(this.ended('another tab hosts it now'))
    this.askAgain()
    tell()
  }

  private ended(why: string): TidemarkError {
    const message = `tabs ${this.name}: ${why}, and this consumer or transaction has ended; begin it again`
    return new TidemarkError('BROKER_UNAVAILABLE', message)
  }

  /**
   * Takes out what the host has for us, and of the requests those that end with it.
   *
   * @returns what tells so: who hears it may begin anew within the call
   */
  private letGo(error: TidemarkError, endsWithIt = ({ isBound }: Open) => isBound): () => void {
    const bound = [...this.bound.values()]
    const open = [...this.open.values()].filter(endsWithIt)
    this.bound.clear()
    for (const { request } of open) this.open.delete(request.id)
    return () => {
      for (const { reject } of open) reject(error)
      for (const each of bound) each.hostGone(error)
    }
  }

  private askAgain(): void {
    if (this.isAside) return
    this.signal('hello')
    for (const { request } of this.open.values()) this.post(request)
  }
}

import type { Broker } from '../../ports/broker.js'
import type { StoreAdapter } from '../../ports/store.js'
import { Done } from './done.js'
import { Guest } from './guest.js'
import { hostName, newsName, type Reply, type Request, tabName } from './wire.js'

/** Serves a broker of this tab to the other tabs and workers of the origin. */
export class Host {
  private readonly id = crypto.randomUUID()
  private readonly done: Done
  private readonly guests = new Map<string, { readonly guest: Guest; readonly channel: BroadcastChannel }>()
  private readonly requests: BroadcastChannel
  private readonly news: BroadcastChannel
  private readonly closing = new AbortController()

  constructor(
    private readonly name: string,
    private readonly broker: Broker,
    store: StoreAdapter,
  ) {
    this.done = new Done(broker, store)
    this.requests = new BroadcastChannel(hostName(name))
    this.news = new BroadcastChannel(newsName(name))
  }

  /** @param lost aborts when another may host: then it doesn't begin */
  async begin(lost: AbortSignal): Promise<void> {
    await this.done.load()
    lost.throwIfAborted()
    for (const tab of this.done.tabs) this.follow(tab)
    this.requests.onmessage = ({ data }) => this.hear(data as Request)
    this.news.postMessage({ host: this.id } satisfies Reply)
  }

  /** Lets go of what the guests have open; they go on with the next host. */
  async close(): Promise<void> {
    this.closing.abort()
    this.requests.close()
    this.news.close()
    const guests = [...this.guests.values()]
    this.guests.clear()
    for (const { guest, channel } of guests) {
      await guest.end()
      channel.close()
    }
  }

  private hear(request: Request): void {
    const { from, call } = request
    if (call === 'bye') void this.leave(from)
    else {
      const { guest, channel } = this.guests.get(from) ?? this.follow(from)
      if (call === 'aside') void guest.end()
      else if (call === 'hello') channel.postMessage({ host: this.id } satisfies Reply)
      else void guest.answer(request)
    }
  }

  private follow(tab: string) {
    const channel = new BroadcastChannel(tabName(this.name, tab))
    const reply = (one: Reply) => {
      if (this.guests.has(tab)) channel.postMessage(one)
    }
    const known = { guest: new Guest(tab, this.broker, this.done, reply), channel }
    this.guests.set(tab, known)
    // It has a lock for as long as it exists: when that is given to us, it doesn't.
    const { signal } = this.closing
    navigator.locks.request(tabName(this.name, tab), { signal }, () => this.leave(tab)).catch(() => {})
    return known
  }

  private async leave(tab: string): Promise<void> {
    const known = this.guests.get(tab)
    if (known === undefined) return
    this.guests.delete(tab)
    await known.guest.end()
    known.channel.close()
    // If this fails, the next host does it.
    await this.done.forget(tab).catch(() => {})
  }
}

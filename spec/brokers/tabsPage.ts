import { createApp } from '../../lib/app/app.js'
import { embedded } from '../../lib/brokers/embedded.js'
import { hostName, newsName } from '../../lib/brokers/tabs/wire.js'
import { tabs } from '../../lib/brokers/tabs.js'
import {
  type App,
  aggregate,
  type Broker,
  collect,
  count,
  type Duration,
  json,
  keyBy,
  NO_HEADERS,
  peek,
  string,
  sum,
  toTopic,
  tumblingWindow,
} from '../../lib/index.js'
import { idb } from '../../lib/stores/idb.js'
import { memory } from '../../lib/stores/memory.js'
import { brokerConformance } from '../../lib/testing/brokerConformance.js'
import { type Click, click, LATENESS_MS, type Outcome, WINDOW_MS } from './clicks.js'

/*
 * The pages of tabs.chromium.spec.ts, and their workers: all of them have this script. A worker hosts the shop, and says what
 * becomes of it.
 */
const TOPICS = ['clicks', 'seen', 'windows', 'totals', 'filler'].map((topic) => ({ topic, partitions: 2 }))

const store = idb('shop')
const hosted = tabs('shop', embedded({ store }))
const guest = tabs('shop')
/** Of the app of `watch` alone. */
const watched = tabs('shop')

function shop(commitInterval: Duration): App {
  const app = createApp({ id: 'shop', broker: hosted, store, commitInterval })
  const clicks = app.stream<Click>('clicks', {
    value: json(),
    timestamp: ({ value }) => value.at,
    watermark: { maxOutOfOrderness: LATENESS_MS },
  })
  app.run('seen', clicks.pipe(toTopic('seen')))
  app.run(
    'windows',
    clicks.pipe(
      tumblingWindow(WINDOW_MS),
      aggregate(
        collect(({ value }) => value.n),
        { name: 'windows', emit: 'close' },
      ),
      toTopic('windows'),
    ),
  )
  const totals = { clicks: count(), sum: sum<{ value: Click }>(({ value }) => value.n) }
  app.run('totals', clicks.pipe(aggregate(totals, { name: 'totals' }), toTopic('totals')))
  return app
}

async function open(commitInterval: Duration): Promise<App> {
  await hosted.connect()
  await hosted.createTopics(TOPICS)
  const app = shop(commitInterval)
  app.errors$.subscribe((error) => page.errors.push(error.message))
  return app
}

const toRecord = (sender: number, n: number) => {
  const given = click(sender, n)
  const [key, value] = [string().serialize(given.user), json<Click>().serialize(given)]
  return { topic: 'clicks', partition: sender, key, value, timestamp: given.at, headers: NO_HEADERS }
}

let app: App
let screen: App

const page = {
  errors: [] as string[],
  shown: new Map<string, number>(),
  /** Offsets, as the consumer of `look` has had them. */
  looked: [] as number[],
  joins: [] as string[],
  hasStopped: false,
  /** Opens the shop here, once it is this tab's turn; `start` need not be waited for. */
  async host(commitInterval: Duration = '100ms'): Promise<void> {
    app = await open(commitInterval)
    app.start().catch((error) => page.errors.push(error.message))
  },
  async connect(): Promise<void> {
    await guest.connect()
    // The host may have come no further than to be one.
    await guest.createTopics(TOPICS)
  },
  async disconnect(): Promise<void> {
    await guest.close()
  },
  state: () => app.stats().state,
  /** How many clicks it has handled, be it that a checkpoint has them or not. */
  records: () => app.stats().tasks.reduce((sum, { records }) => sum + records, 0),
  /** Ends the app, and the hosting. */
  async stop(): Promise<void> {
    await app.stop()
    await hosted.close()
    page.hasStopped = true
  },
  /** Closes the broker while it connects, and gives what `connect` says. */
  async closeEarly(): Promise<string> {
    const connecting = hosted.connect().then(() => 'connected', String)
    await hosted.close()
    return connecting
  },
  async openAndClose(): Promise<void> {
    await hosted.connect()
    await hosted.close()
  },
  /**
   * Stands by, is put aside when it has its turn and has opened its database, and is brought back and hosts.
   *
   * @returns what `standBy` says; what a call says that was made before the page was back; how many hosts all tabs have been told of
   */
  async beginPutAside(): Promise<{ error: string; topics: unknown; hosts: number }> {
    const owner = tabs('aside', embedded({ store: idb('aside') }))
    await owner.connect()
    const inner = idb('aside')
    let isFirst = true
    const aside = {
      ...inner,
      async open(id: string) {
        await inner.open(id)
        if (isFirst) pageIs('pagehide')
        isFirst = false
      },
    }
    const next = tabs('aside', embedded({ store: aside }))
    await next.connect()
    const [hear, say] = [new BroadcastChannel(newsName('aside')), new BroadcastChannel(newsName('aside'))]
    let hosts = 0
    const standing = next.standBy?.(new AbortController().signal) as Promise<AbortSignal>
    const isLast = new Promise<void>((resolve) => {
      hear.onmessage = ({ data }) => (data.host ? hosts++ : resolve())
    })
    await owner.close()
    const error = await standing.then(() => 'its turn', String)
    const asking = next.topics().then(({ size }) => size, String)
    pageIs('pageshow')
    const topics = await asking
    say.postMessage('last')
    await isLast
    for (const channel of [hear, say]) channel.close()
    await next.close()
    return { error, topics, hosts }
  },
  /** What an app hears that would start when its page has been put aside. */
  async standByAside(): Promise<string> {
    await hosted.connect()
    pageIs('pagehide')
    const standing = hosted.standBy?.(new AbortController().signal) as Promise<AbortSignal>
    return standing.then(() => 'its turn', String)
  },
  stopWhenPutAside(): void {
    addEventListener('pagehide', () => void page.stop())
  },
  /** Opens the database with nobody else in mind. */
  async takeAlone(): Promise<void> {
    await embedded({ store }).connect()
  },
  /** Whether somebody waits for the database, which another has. */
  async isAwaited(): Promise<boolean> {
    const { pending = [] } = await navigator.locks.query()
    return pending.some(({ name }) => name?.startsWith('tidemark shop/'))
  },
  /** Writes a sender's clicks up to the `to`-th, from where the topic ends, in pieces of several sizes. */
  async send(sender: number, to: number, paceMs = 0): Promise<void> {
    const broker = guestOrHost()
    const producer = await broker.producer()
    let n = (await broker.ranges('clicks'))[sender]?.end as number
    while (n < to) {
      const piece = Math.min(to - n, 1 + (n % 7))
      await producer.send(Array.from({ length: piece }, (_, i) => toRecord(sender, n + i)))
      n += piece
      if (paceMs > 0) await new Promise((resolve) => setTimeout(resolve, paceMs))
    }
    await producer.close()
  },
  /** Writes what can't be compressed until there is no room for 64 bytes; gives the first error. */
  async fill(): Promise<string> {
    const producer = await guestOrHost().producer()
    let first: unknown
    for (const size of [2 ** 20, 2 ** 16, 2 ** 12, 2 ** 8, 2 ** 6]) {
      const value = new Uint8Array(size)
      for (;;) {
        for (let i = 0; i < size; i += 65_536) crypto.getRandomValues(value.subarray(i, i + 65_536))
        const filler = {
          topic: 'filler',
          partition: 0,
          key: null,
          value: value.slice(),
          timestamp: 0,
          headers: NO_HEADERS,
        }
        try {
          await producer.send([filler])
        } catch (error) {
          first ??= error
          break
        }
      }
    }
    return String(first)
  },
  told: () => ({
    errors: page.errors,
    shown: [...page.shown].sort(),
    looked: page.looked,
    joins: page.joins,
    hasStopped: page.hasStopped,
  }),
  /** How many clicks there are, and how many the app has handled for good. */
  async progress(): Promise<{ sent: number; handled: number }> {
    const broker = guestOrHost()
    const sum = (all: readonly number[]) => all.reduce((a, b) => a + b, 0)
    return {
      sent: sum((await broker.ranges('clicks')).map(({ end }) => end)),
      handled: sum((await broker.committed('shop', ['clicks'])).map(({ offset }) => offset)),
    }
  },
  async outcome(): Promise<Outcome> {
    const outcome: Outcome = { seen: {}, windows: {}, totals: {} }
    await readAll(guestOrHost(), 'seen', (user, { n }: Click) => {
      outcome.seen[user] = [...(outcome.seen[user] ?? []), n]
    })
    await readAll(guestOrHost(), 'windows', (user, all: number[], window) => {
      outcome.windows[user] = [...(outcome.windows[user] ?? []), [Number(window?.split(',')[0]), all]]
    })
    await readAll(guestOrHost(), 'totals', (user, total: { clicks: number; sum: number }) => {
      outcome.totals[user] = total
    })
    return outcome
  },
  /** Runs all laws with a host elsewhere, and gives what went wrong. */
  async runLaws(): Promise<string[]> {
    const failures: string[] = []
    for (const { name, run } of brokerConformance(() => tabs('shop'))) {
      await run().catch((error) => failures.push(`${name}: ${error}`))
    }
    return failures
  },
  /** An app of this tab's own over what another one hosts, with a repartition: how many totals it has had of each sender. */
  async watch(commitInterval: Duration = '100ms'): Promise<void> {
    screen = createApp({ id: 'screen', broker: watched, store: memory(), commitInterval })
    const totals = screen.stream<{ clicks: number }>('totals', { value: json() })
    const bySender = totals.pipe(
      keyBy(({ key }) => key.slice(0, 1)),
      aggregate(count(), { name: 'shown' }),
    )
    screen.run('screen', bySender.pipe(peek(({ key, value }) => page.shown.set(key, value))))
    screen.errors$.subscribe((error) => page.errors.push(error.message))
    await screen.start()
  },
  screenState: () => screen.stats().state,
  screenRecords: () => screen.stats().tasks.reduce((sum, { records }) => sum + records, 0),
  async stopScreen(): Promise<void> {
    await screen.stop()
  },
  /** Ends the broker under the app of `watch`. */
  async cutScreen(): Promise<void> {
    await watched.close()
  },
  /** Follows the clicks with a consumer of this tab's own, which is begun again when it ends, at once, and from the start of the topic. */
  async look(): Promise<void> {
    page.looked = []
    await guest.consumer({
      group: crypto.randomUUID(),
      topics: ['clicks'],
      slots: 1,
      plan: 'look',
      listener: {
        assigned: async () => [],
        revoked: async () => {},
        batch: ({ records }) => page.looked.push(...records.map(({ offset }) => offset)),
        error(error, isFatal) {
          page.errors.push(error.message)
          if (isFatal) page.look().catch((reason) => page.errors.push(`look: ${reason.message}`))
        },
      },
    })
  },
  /** Writes down which requests for a consumer go from here to the host. */
  countJoins(): void {
    new BroadcastChannel(hostName('shop')).onmessage = ({ data }) => {
      if (data.call === 'join') page.joins.push(`${data.from} ${data.id}`)
    }
  },
  startWorker(shared: boolean): void {
    const [url, options] = ['/script.js', { type: 'module' }] as const
    if (shared) {
      new SharedWorker(url, options)
      return
    }
    const worker = new Worker(url, options)
    // It would be put aside with its page, and hold what it holds.
    addEventListener('pagehide', () => worker.terminate())
  },
}

/** Put aside, or back, as its scripts hear of it; it isn't, and goes on. */
function pageIs(type: 'pagehide' | 'pageshow'): void {
  dispatchEvent(new PageTransitionEvent(type, { persisted: true }))
}

function guestOrHost(): Broker {
  return app === undefined ? guest : hosted
}

async function readAll<V>(
  broker: Broker,
  topic: string,
  each: (key: string, value: V, window: string | undefined) => void,
): Promise<void> {
  for (const [partition, { start, end }] of (await broker.ranges(topic)).entries()) {
    await broker.read({ topic, partition }, start, end, ({ records }) => {
      for (const { key, value, headers } of records) {
        const window = headers.find(([name]) => name === 'tidemark-window')?.[1]
        each(
          string().deserialize(key as Uint8Array),
          json<V>().deserialize(value as Uint8Array),
          window ? string().deserialize(window) : undefined,
        )
      }
    })
  }
}

export type TabsPage = typeof page
if (globalThis.document === undefined) {
  void page.host()
} else Object.assign(globalThis, { shop: page })

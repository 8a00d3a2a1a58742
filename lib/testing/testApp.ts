import {
  type App,
  type AppOptions,
  type Broker,
  type Clock,
  createApp,
  type Duration,
  embedded,
  type Headers,
  json,
  type Key,
  memory,
  NO_HEADERS,
  type OutRecord,
  type Serde,
  type StoreAdapter,
  type StreamRecord,
  string,
  type TidemarkError,
  type WindowedRecord,
} from '../index.js'
import { parseKey } from '../record/key.js'
import { partitionOf } from '../record/partitionOf.js'
import { utf8 } from '../record/serde.js'
import { readStamps, withoutStamps } from '../record/stamp.js'
import { type Mortal, mortal } from './mortal.js'
import { type TestClock, testClock } from './testClock.js'

/** A topic: how many partitions it has, and how its records are written. Default: keys as UTF-8, values as JSON. */
export type TestTopic =
  | number
  | {
      readonly partitions: number
      readonly key?: Serde<any>
      readonly value?: Serde<any>
      readonly compacted?: boolean
    }

export interface TestAppOptions extends Partial<Omit<AppOptions, 'clock'>> {
  /** Made before the app starts: name and number of partitions. */
  readonly topics: { readonly [topic: string]: TestTopic }
  /** Default: a new one at 0. */
  readonly clock?: TestClock
}

/** What a test writes into a topic. */
export interface SentRecord {
  readonly key?: Key | null
  readonly value: unknown
  /** Event time, ms. Default: the clock's. */
  readonly timestamp?: number
  /** Default: as the key says; 0 without a key. */
  readonly partition?: number
  readonly headers?: Headers
}

/** What a topic holds, decoded. A windowed result has its window. */
export type ReadRecord = StreamRecord<any, any> & Partial<Pick<WindowedRecord, 'window' | 'final'>>

/** One entry of a state, as the last checkpoint holds it. */
export interface StateEntry {
  /** `orders/3`: the task that reads partition 3 of orders. */
  readonly task: string
  readonly key: Key
  /** Where the state is kept by window: its start; where by place in time: that. */
  readonly start?: number
  readonly value: unknown
}

/** A whole app in a test: with a broker, a store and a clock of its own, moved step by step. */
export interface TestApp<T> {
  /** The first member's app; after a restart the new one. */
  readonly app: App
  /** What the pipeline function has returned for it: tables, say. */
  readonly result: T
  readonly clock: TestClock
  readonly broker: Broker
  readonly store: StoreAdapter
  /** All that came on `errors$` of any member, in order. */
  readonly errors: readonly TidemarkError[]
  /** Writes records to a topic. The app sees them once it is settled. */
  send(topic: string, records: SentRecord | readonly SentRecord[]): Promise<void>
  /**
   * Handles all that can be handled without time passing, through all exchanges, with as many checkpoints as that takes; time stands still.
   *
   * @param options.checkpoint false: only handles what is there, and takes no checkpoint: a crash now does it again
   */
  settle(options?: { readonly checkpoint?: boolean }): Promise<void>
  /** Lets wall-clock time pass, then settles. */
  advance(by: Duration): Promise<void>
  /** What a topic holds: by partition, then offset. Committed records only. */
  records(topic: string): Promise<ReadRecord[]>
  /** What the last checkpoints hold of a state, task by task. */
  state(name: string): Promise<StateEntry[]>
  /** Kills all members: no checkpoint, no goodbye to outputs under way. */
  crash(): Promise<void>
  /** Starts as many new members as {@link crash} killed, or one, over the same broker and store. */
  restart(): Promise<void>
  /** Starts one more member of the group, and settles: tasks have moved. */
  addMember(): Promise<void>
  /** Stops (or kills) the member that came last, and settles: its tasks have moved. */
  removeMember(options?: { readonly crash?: boolean }): Promise<void>
  /** Stops all members. Topics and state can still be read. */
  stop(): Promise<void>
}

interface Member<T> {
  readonly instance: string
  readonly app: App
  readonly result: T
  readonly process: Mortal
  readonly ticker: Ticker
}

/**
 * Runs an app in a test: several partitions, exchanges, checkpoints, crashes and further members, all in this process, with no
 * time but the test's own.
 *
 * ```ts
 * const t = await testApp(
 *   (app) => {
 *     const clicks = app.stream<Click>('clicks', { value: json() })
 *     app.run('counts', clicks.pipe(aggregate(count(), { name: 'counts' }), toTopic('counts')))
 *   },
 *   { topics: { clicks: 2, counts: 2 } },
 * )
 * await t.send('clicks', { key: 'alice', value: {}, timestamp: 1_000 })
 * await t.settle()
 * expect(await t.records('counts')).toEqualRecords([{ key: 'alice', value: 1, timestamp: 1_000 }])
 * ```
 *
 * Broker and store are `embedded()` over `memory()`, unless others are given. Checkpoints, and what exchanges tell of their time between
 * records, are taken by `settle` and not by time passing, unless `commitInterval` and `watermarkInterval` are given.
 *
 * @param pipeline builds the pipelines; called again for each restart and member
 * @throws TidemarkError what `app.start` throws
 */
export async function testApp<T>(pipeline: (app: App) => T, options: TestAppOptions): Promise<TestApp<T>> {
  const { topics, clock = testClock(), store = memory(), broker = embedded({ store, clock }), ...appOptions } = options
  const id = options.id ?? 'test'
  const named = options.instance ?? `${++testApps}`
  const errors: TidemarkError[] = []
  let members: Member<T>[] = []
  let last: Member<T>
  let crashed = 0

  const settingOf = (topic: string) => {
    const given = topics[topic] ?? 1
    const { key = string(), value = json() } = typeof given === 'number' ? {} : given
    return { key: key as Serde<unknown>, value: value as Serde<unknown> }
  }

  async function addMember(): Promise<void> {
    const taken = new Set(members.map(({ instance }) => instance))
    let number = 0
    while (taken.has(instanceName(named, number))) number++
    const instance = instanceName(named, number)
    const ticker = new Ticker(clock)
    const process = mortal(broker, store)
    const app = createApp({
      commitInterval: COMMIT_MS,
      watermarkInterval: STAMP_MS,
      ...appOptions,
      id,
      instance,
      broker: process.broker,
      store: process.store,
      clock: ticker,
    })
    app.errors$.subscribe((error) => {
      if (!process.isDead) errors.push(error)
    })
    const member = { instance, app, result: pipeline(app), process, ticker }
    // It waits for tasks, which a further member may never get.
    let failure: unknown
    app.start().catch((error) => {
      failure = error
    })
    await clock.settle()
    if (failure !== undefined) throw failure
    members.push(member)
    if (members.length === 1) last = member
  }

  async function end(member: Member<T>, isKilled: boolean): Promise<void> {
    if (isKilled) member.process.die()
    members = members.filter((other) => other !== member)
    const stopping = member.app.stop()
    await clock.settle()
    await stopping
    if (members[0] !== undefined) last = members[0]
  }

  async function settle({ checkpoint = true } = {}): Promise<void> {
    await clock.settle()
    if (!checkpoint) return
    for (let round = 0; ; round++) {
      const before = await logEnds(broker)
      for (const kind of ['stamp', 'commit'] as const) {
        for (const { ticker } of members) ticker.fire(kind)
        await clock.settle()
      }
      if ((await logEnds(broker)) === before) return
      if (round > MAX_ROUNDS) throw new Error('testApp: the app writes without end what it reads itself')
    }
  }

  await broker.connect()
  await broker.createTopics(
    Object.entries(topics).map(([topic, given]) =>
      typeof given === 'number'
        ? { topic, partitions: given }
        : { topic, partitions: given.partitions, compacted: given.compacted ?? false },
    ),
  )
  const counts = await broker.topics(Object.keys(topics))
  const producer = await broker.producer()
  await addMember()

  return {
    get app() {
      return last.app
    },
    get result() {
      return last.result
    },
    clock,
    broker,
    store,
    errors,
    settle,
    addMember,

    async send(topic, records) {
      const serdes = settingOf(topic)
      const partitions = counts.get(topic) ?? 1
      const list = Array.isArray(records) ? (records as readonly SentRecord[]) : [records as SentRecord]
      await producer.send(
        list.map((record): OutRecord => {
          const key = record.key === null || record.key === undefined ? null : serdes.key.serialize(record.key)
          return {
            topic,
            partition: record.partition ?? (key === null ? 0 : partitionOf(key, partitions)),
            key,
            value: record.value === null ? null : serdes.value.serialize(record.value),
            timestamp: record.timestamp ?? clock.now(),
            headers: record.headers ?? NO_HEADERS,
          }
        }),
      )
    },

    async advance(by) {
      await clock.advance(by)
      await settle()
    },

    async records(topic) {
      const serdes = settingOf(topic)
      const found: ReadRecord[] = []
      for (const [partition, { start, end }] of (await broker.ranges(topic)).entries()) {
        const reading = broker.read({ topic, partition }, start, end, ({ records }) => {
          for (const raw of records) {
            found.push({
              key: raw.key === null ? null : serdes.key.deserialize(raw.key),
              value: raw.value === null ? null : serdes.value.deserialize(raw.value),
              timestamp: raw.timestamp,
              topic,
              partition,
              offset: raw.offset,
              headers: withoutStamps(raw.headers),
              ...readStamps(raw.headers).window,
            })
          }
        })
        await clock.settle()
        await reading
      }
      return found
    },

    async state(name) {
      const found: StateEntry[] = []
      const prefix = `s/${name}/`
      for (const scope of [...(await store.scopes())].sort()) {
        if (!scope.startsWith(`task/${id}/`)) continue
        const task = scope.slice(`task/${id}/`.length)
        for (const [entry, bytes] of await store.load(scope)) {
          if (!entry.startsWith(prefix)) continue
          const [value] = JSON.parse(utf8.decode(bytes)) as [unknown]
          // A window's start (or a place in time, with a number) if there is one; a key's text begins with a letter.
          const [, start, text] = /^(?:(-?[\d.]+)\/)?(?:\d+\/)?(.*)$/s.exec(
            entry.slice(prefix.length),
          ) as unknown as string[]
          const key = parseKey(text as string)
          found.push({ task, key, ...(start !== undefined && { start: Number(start) }), value })
        }
      }
      return found
    },

    async crash() {
      crashed = members.length
      for (const { process } of members) process.die()
      for (const member of [...members]) await end(member, true)
    },

    async restart() {
      const count = Math.max(1, crashed)
      crashed = 0
      for (let n = 0; n < count; n++) await addMember()
      await settle()
    },

    async removeMember({ crash = false } = {}) {
      const member = members[members.length - 1]
      if (member !== undefined) await end(member, crash)
      await settle()
    },

    async stop() {
      for (const member of [...members].reverse()) await end(member, false)
    },
  }
}

/** Apps made so far: instances of their own, so that a test that forgot to stop one is in nobody's way. */
let testApps = 0

const instanceName = (named: string, number: number) => (number === 0 ? named : `${named}.${number}`)

/** How often an app may write what makes it write again before that counts as endless. */
const MAX_ROUNDS = 1_000

/** Intervals that no time reaches: the test fires what waits for them. */
const COMMIT_MS = Number.MAX_SAFE_INTEGER
const STAMP_MS = Number.MAX_SAFE_INTEGER - 1

/** The clock of one member: the test's, but checkpoints and words between tasks wait for {@link Ticker.fire}. */
class Ticker implements Clock {
  private readonly waiting = { commit: new Set<() => void>(), stamp: new Set<() => void>() }

  constructor(private readonly clock: Clock) {}

  now(): number {
    return this.clock.now()
  }

  soon(callback: () => void): void {
    this.clock.soon(callback)
  }

  after(ms: number, callback: () => void): () => void {
    if (ms !== COMMIT_MS && ms !== STAMP_MS) return this.clock.after(ms, callback)
    const waiting = this.waiting[ms === COMMIT_MS ? 'commit' : 'stamp']
    waiting.add(callback)
    return () => waiting.delete(callback)
  }

  fire(kind: 'commit' | 'stamp'): void {
    const callbacks = [...this.waiting[kind]]
    this.waiting[kind].clear()
    for (const callback of callbacks) callback()
  }
}

/** Where all logs end: it has changed if anything was written. */
async function logEnds(broker: Broker): Promise<string> {
  const ends: string[] = []
  for (const topic of (await broker.topics()).keys())
    for (const { end } of await broker.ranges(topic)) ends.push(`${topic} ${end}`)
  return ends.join()
}

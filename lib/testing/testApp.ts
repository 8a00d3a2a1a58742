import { type StateEntry, stateEntries } from '../app/stateEntry.js'
import {
  type App,
  type AppOptions,
  type Broker,
  type Duration,
  embedded,
  memory,
  type StoreAdapter,
  type TidemarkError,
} from '../index.js'
import { loadAll } from '../ports/loadAll.js'
import { mortal } from './mortal.js'
import { type TestClock, testClock } from './testClock.js'
import { type TestMember, TestMembers } from './testMembers.js'
import { type ReadRecord, type SentRecord, type TestTopic, TestTopics } from './testTopics.js'

export interface TestAppOptions extends Partial<Omit<AppOptions, 'clock'>> {
  /** Made before the app starts: name and number of partitions. */
  readonly topics: { readonly [topic: string]: TestTopic }
  /** Default: a new one at 0. */
  readonly clock?: TestClock
}

/**
 * A whole app in a test: with a broker, a store and a clock of its own, moved step by step.
 *
 * Once a member has failed, the next call rejects with its error, a `TidemarkError`, after it has done what it is for; those that follow don't: a test that
 * expects a failure can go on to look at what is left.
 *
 * ```ts
 * await t.send('clicks', { key: 'alice', value: 'no click' })
 * await expect(t.settle()).rejects.toMatchObject({ code: 'OPERATOR_FAILED' })
 * expect(await t.records('counts')).toEqual([])
 * ```
 */
export interface TestApp<T> {
  /** The first member's app; after a restart the new one. */
  readonly app: App
  /** What the pipeline function has returned for it: tables, say. */
  readonly result: T
  readonly clock: TestClock
  readonly broker: Broker
  readonly store: StoreAdapter
  /** All that came on `errors$` of any member, in order: what it failed by, and what it went on after. */
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
  /** Stops all members. Topics and state can still be read. It too rejects with a failure that no call has told of, when all have let go. */
  stop(): Promise<void>
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
  const { topics: given, clock = testClock(), store = memory(), broker = embedded({ store, clock }), ...rest } = options
  const id = options.id ?? 'test'
  const errors: TidemarkError[] = []
  /** What members have failed by, until a call rejects. */
  let untold: TidemarkError[] = []
  const members = new TestMembers({
    pipeline,
    app: { ...rest, id },
    named: options.instance ?? `${++testApps}`,
    clock,
    process: () => mortal(broker, store),
    broker: () => broker,
    error(error, _instance, fatal) {
      errors.push(error)
      if (fatal) untold.push(error)
    },
  })
  const topics = new TestTopics(broker, clock, given)
  let first: TestMember<T>
  let crashed = 0

  async function end(member: TestMember<T>, isKilled: boolean): Promise<void> {
    await members.end(member, isKilled)
    first = members.all[0] ?? first
  }

  async function addMember(): Promise<void> {
    await members.add()
    first = members.all[0] as TestMember<T>
  }

  const settle = ({ checkpoint = true } = {}) => members.settle(checkpoint)

  /** Does what is asked for, and rejects with a failure if there is one that nobody has been told of. */
  async function telling<R>(run: () => Promise<R>): Promise<R> {
    const result = await run().catch((error) => {
      untold = untold.filter((failure) => failure !== error)
      throw error
    })
    const [failure] = untold.splice(0)
    if (failure !== undefined) throw failure
    return result
  }

  await broker.connect()
  await topics.create()
  await addMember()

  return {
    get app() {
      return first.app
    },
    get result() {
      return first.result
    },
    clock,
    broker,
    store,
    errors,
    settle: (options) => telling(() => settle(options)),
    addMember: () => telling(addMember),
    send: (topic, records) =>
      telling(() =>
        topics.send(topic, Array.isArray(records) ? (records as readonly SentRecord[]) : [records as SentRecord]),
      ),
    records: (topic) => telling(() => topics.records(topic)),

    advance: (by) =>
      telling(async () => {
        await clock.advance(by)
        await settle()
      }),

    state: (name) =>
      telling(async () => {
        const found: StateEntry[] = []
        for (const scope of [...(await store.scopes())].sort()) {
          if (!scope.startsWith(`task/${id}/`)) continue
          found.push(...stateEntries(scope.slice(`task/${id}/`.length), name, await loadAll(store, scope)))
        }
        return found
      }),

    crash: () =>
      telling(async () => {
        crashed = members.all.length
        for (const { process } of members.all) process.die()
        for (const member of members.all) await end(member, true)
      }),

    restart: () =>
      telling(async () => {
        const count = Math.max(1, crashed)
        crashed = 0
        for (let n = 0; n < count; n++) await addMember()
        await settle()
      }),

    removeMember: ({ crash = false } = {}) =>
      telling(async () => {
        const member = members.all.at(-1)
        if (member !== undefined) await end(member, crash)
        await settle()
      }),

    stop: () =>
      telling(async () => {
        for (const member of [...members.all].reverse()) await end(member, false)
      }),
  }
}

/** Test apps made so far: instances of their own, so that a test that forgot to stop one is in nobody's way. */
let testApps = 0

import type { Observable } from 'rxjs'
import type { Broker } from '../ports/broker.js'
import type { Clock } from '../ports/clock.js'
import type { StoreAdapter } from '../ports/store.js'
import { systemClock } from '../ports/systemClock.js'
import { checkSerde } from '../record/checkSerde.js'
import { type Duration, durationMs } from '../record/duration.js'
import { show, TidemarkError } from '../record/errors.js'
import type { Key } from '../record/key.js'
import type { StreamRecord } from '../record/record.js'
import { type KeySerde, type Serde, string } from '../record/serde.js'
import { wholeNumber } from '../record/wholeNumber.js'
import { GlobalRows, type GlobalTable, globalTableOf } from '../tables/globalTable.js'
import type { Table } from '../tables/table.js'
import { type HistoryOptions, historyOf, tableOf } from '../tables/toTable.js'
import { definitionOf } from '../task/current.js'
import type { AnyRecord, Definition, SourceRole } from '../task/definition.js'
import { type ErrorPolicies, policyOf } from '../task/errorPolicy.js'
import { define } from '../task/operate.js'
import type { VersionOptions } from '../task/stateVersion.js'
import type { Tracer } from '../task/tracer.js'
import { type WatermarkOptions, watermarkOf } from '../task/watermark.js'
import type { AppState, AppStats } from './appStats.js'
import type { Guarantee, StateKeeper } from './committer.js'
import { describeMermaid, describeText } from './describe.js'
import type { ExplainRequest, Explanation } from './explanation.js'
import type { GlobalTopic } from './globalTopic.js'
import { type Plan, planApp, type Root } from './plan.js'
import type { PlanComparison, UpgradeOptions } from './planComparison.js'
import { readThroughOf } from './readThrough.js'
import { Runtime } from './runtime.js'
import type { Savepoint } from './savepoints.js'
import type { Health } from './watchdog.js'

export interface AppOptions {
  /** The consumer group, and the prefix of internal topics: letters, digits, `.`, `_`, `-`. Stable over restarts. */
  readonly id: string
  readonly broker: Broker
  /**
   * Where checkpoints go. `memory()` is a choice that one writes down: its state ends with the process. Beside an `embedded()` broker: the store that the
   * broker has, or `memory()` if it has none, as its topics end with the process then.
   */
  readonly store: StoreAdapter
  /**
   * What becomes of a record that goes wrong: one policy, or one for each stage (`deserialise`, `process`, `async`, `serialise`). Default `fail`. A source,
   * `mapAsync` and `toTopic` may say otherwise.
   */
  readonly onError?: ErrorPolicies
  /**
   * `exactly-once`: what an app writes becomes visible together with the offsets of what it came from, in transactions; readers on Kafka must ask for
   * committed records. `at-least-once`: it leaves at once, and may come again after a crash. State counts each record of a topic
   * once in both; what `keyBy` repeats after a crash counts again behind it. Default: `exactly-once`; without changelogs on Kafka `at-least-once`.
   */
  readonly guarantee?: Guarantee
  /**
   * Whether states are mirrored in compacted topics of the broker, `<id>-<state>-changelog`, so that they are found wherever a task runs; `store` then
   * only makes restarts quick. Default: yes where the topics outlive the process, and `store` is neither the broker's own nor shared by all processes.
   */
  readonly changelog?: boolean
  /**
   * How many other members keep a copy of each task's state in their store, so that one of them takes it over quickly (`num.standby.replicas` of
   * Kafka Streams). Needs changelogs. Default 0.
   */
  readonly standbys?: number
  /** Between checkpoints. Default 100 ms for `exactly-once`, else 1 s. */
  readonly commitInterval?: Duration
  /** Between words of an exchange's writer about its time, where no record carries it. Default 1 s. */
  readonly watermarkInterval?: Duration
  /**
   * About how much memory records may take that have been read ahead, and as much again those that the broker has yet to acknowledge. Each assigned
   * partition has an equal share of it: one that has used up its own is paused, and resumes at a quarter. Default 128 MiB.
   */
  readonly maxBufferedBytes?: number
  /**
   * About how much memory the values of states may take, over all tasks of this process: the bytes that they have in the store. Beyond it those unused for longest are let go,
   * and read from the store when they are asked for; keys stay in memory. Needs a store that is read synchronously, as `level()` is. Default: all stay.
   */
  readonly maxStateBytes?: number
  /**
   * How long a task that reads several partitions waits for one that has nothing to read, before it goes on with the others, in the order of
   * timestamps among them. Default 0. One that is known to have more is waited for in any case.
   */
  readonly maxTaskIdle?: Duration
  /** For how long a task that has something to do may do nothing before that is an error, `STALLED`. Default 1 min. */
  readonly stallTimeout?: Duration
  /** Longest run of records before I/O gets its turn. Default 5 ms. */
  readonly slice?: Duration
  /** Tells several members of one app in one process apart. */
  readonly instance?: string
  readonly clock?: Clock
  /** What may be done to stored state that isn't the plan's. Default: nothing; then `start` refuses what can't go on, or would begin late. */
  readonly upgrade?: UpgradeOptions
  /** A `tracer`, to see what goes on in the tasks: each record on its way, windows, states and time. Slow; default none. */
  readonly trace?: Tracer
}

interface TopicOptions<K, V> {
  readonly value: Serde<V>
  /**
   * Event time of a record, in ms since the epoch. Default: the timestamp that the broker has. A stream asks it of records with a null
   * value too, if the topic has any; a table doesn't, and takes a delete's timestamp from the broker.
   */
  readonly timestamp?: (record: StreamRecord<K, V>) => number
}

interface OnError {
  /** What becomes of its records that go wrong, here or in what follows. Default: as the app's `onError` says. */
  readonly onError?: ErrorPolicies
}

/** `key`: the serde of keys. Default for keys that are strings: UTF-8. */
export type StreamOptions<K, V> = TopicOptions<K, V> &
  OnError &
  KeySerde<K> & { readonly watermark?: WatermarkOptions<StreamRecord<K, V>> }

/** The values of a table are never null: null deletes. `key` as for a stream. */
export type TableOptions<K, V> = TopicOptions<K, V> &
  OnError &
  KeySerde<K> &
  HistoryOptions &
  VersionOptions & {
    /** Names the state, and lets it be read from outside. Without it the table keeps rows only if what follows needs them, under the topic's name. */
    readonly name?: string
  }

/** The values of a table are never null: null deletes. `key` as for a stream. */
export type GlobalTableOptions<K, V> = TopicOptions<K, V> &
  KeySerde<K> & {
    /** What becomes of a record that can't be read. Default: `skip` if the app's `onError` says so, else `fail`; as every instance reads it, at every start, there are no dead letters of it. */
    readonly onError?: 'fail' | 'skip'
  }

/** A pipeline with its broker, store and id; what runs. */
export interface App {
  readonly id: string
  /** The records of a topic, cold: nothing is read before {@link App.start}. @throws TidemarkError `BAD_OPTION`, `BAD_DURATION` */
  stream<V, K extends Key = string>(topic: string, options: StreamOptions<K, V>): Observable<StreamRecord<K, V>>
  /** A topic as a table: each record an upsert, a null value a delete. */
  table<V, K extends Key = string>(topic: string, options: TableOptions<K, V>): Table<K, V>
  /**
   * A topic as a table of which this instance has all rows, whatever the partitions of its tasks. It is read from its start, before the first task
   * begins, each time that the app starts, and then kept up to date; nothing of it is in a checkpoint. Null keys are counted as dropped.
   */
  globalTable<V, K extends Key = string>(topic: string, options: GlobalTableOptions<K, V>): GlobalTable<K, V>
  /** Adds a pipeline that `start` will run. The name is shown in the plan. */
  run(name: string, pipeline: Observable<unknown>): void
  /**
   * Plans, joins the group, restores and runs. Resolves when its tasks run; after 5 s in any case: then `state$` and `health()` tell the rest. Where tabs share a broker
   * whose store has the state, it first waits until this is the one that hosts it: `standing by`, which `stop` ends.
   *
   * @throws TidemarkError every planning error, `BROKER_UNAVAILABLE`, `UNKNOWN_TOPIC`, `CO_PARTITION`, `STORE_LOCKED`, `APP_ID_TAKEN`
   */
  start(): Promise<void>
  /** Ends the running slice, writes outputs and a last checkpoint, leaves the group. What was read ahead is read again next time. */
  stop(): Promise<void>
  /** `created starting 'standing by' rebalancing running stopping stopped failed`; the present one first. */
  readonly state$: Observable<AppState>
  /** Every error: those that end the app (then `state$` says `failed`) and those that it goes on after. Never errors itself. */
  readonly errors$: Observable<TidemarkError>
  /** The plan: sub-topologies, operators, topics, states. */
  describe(format?: 'text' | 'mermaid'): string
  /**
   * The plan beside the one that is stored with the state in this process's store: which states are kept, new, orphaned or incompatible. Before `start`, what
   * it would find (store and broker are opened for it, and closed); afterwards, what it has found.
   *
   * ```ts
   * console.log(`${await app.compare()}`)
   * ```
   *
   * @throws TidemarkError every planning error, `BROKER_UNAVAILABLE`, `UNKNOWN_TOPIC`, `CO_PARTITION`, `STORE_LOCKED`
   */
  compare(): Promise<PlanComparison>
  /**
   * Keeps a copy of the state as of now, with its place in the log, under a name in the same store: of the tasks that run in this process, after a checkpoint
   * of all of them; the app handles no record while it is copied. Before `start`, of what the store has.
   *
   * ```ts
   * await app.savepoint('before-v2')
   * ```
   *
   * @throws TidemarkError `NAME_TAKEN`, `BAD_OPTION`, `BAD_STATE` if the app has ended, `STORE_FAILED`
   */
  savepoint(name: string): Promise<Savepoint>
  /** The savepoints in this process's store, the oldest first. */
  savepoints(): Promise<readonly Savepoint[]>
  /** @throws TidemarkError `BAD_OPTION` if there is none of that name */
  deleteSavepoint(name: string): Promise<void>
  /** Figures of the tasks that run in this process. */
  stats(): AppStats
  /** Whether the app is well: what a process manager's checks ask for. */
  health(): Health
  /**
   * Why an operator's window is open, or its results are not there: for each of its tasks in this process the time, and which partition, call or rule
   * holds it where it is.
   *
   * ```ts
   * console.log(`${app.explain({ operator: 'spend', window: { start: 0, end: 60_000 } })}`)
   * ```
   *
   * @throws TidemarkError `BAD_OPTION` for an operator that the app doesn't have, and for a window of one that has none
   */
  explain(request: ExplainRequest): Explanation
}

const runtimes = new WeakMap<App, Runtime>()

/** What runs an app. */
export const runtimeOf = (app: App): Runtime => runtimes.get(app) as Runtime

function keeperOf({ id, broker, store, changelog }: AppOptions): StateKeeper {
  const isBrokers = broker.store !== undefined && broker.store === store
  if (changelog && store.shared) {
    const message = `createApp: changelog: every process finds the state in ${store.name}; leave it out`
    throw new TidemarkError('BAD_OPTION', message, { app: id })
  }
  if (changelog ?? (broker.durable && !isBrokers && !store.shared)) {
    if (!isBrokers) return 'changelogs'
    throw new TidemarkError(
      'BAD_OPTION',
      "createApp: changelog: the store is the broker's own, whose transactions hold the state already; leave it out",
      { app: id },
    )
  }
  return isBrokers ? 'broker' : 'store'
}

function standbysOf({ id, standbys = 0 }: AppOptions, keeper: StateKeeper): number {
  if (Number.isInteger(standbys) && standbys >= 0 && (standbys === 0 || keeper === 'changelogs')) return standbys
  throw new TidemarkError(
    'BAD_OPTION',
    `createApp: standbys must be a whole number of at least 0, and copies need changelogs; got ${show(standbys)}`,
    { app: id },
  )
}

function guaranteeOf({ id, broker, guarantee }: AppOptions, keeper: StateKeeper): Guarantee {
  // A store of its own is written after the transaction: a crash in between repeats outputs.
  const isApart = keeper === 'store' && broker.durable
  if (isApart && guarantee === 'exactly-once') {
    throw new TidemarkError(
      'BAD_OPTION',
      "createApp: guarantee: exactly-once needs the state in the broker's transaction, as changelogs have it, and here the store alone keeps it; take at-least-once",
      { app: id },
    )
  }
  return guarantee ?? (isApart ? 'at-least-once' : 'exactly-once')
}

/** The serdes of a topic, which plain JavaScript may have left out, with all other options. */
function checkSerdes(given: { readonly key?: unknown; readonly value?: unknown } | undefined, what: string): void {
  checkSerde(given?.key ?? string(), `${what}: key`)
  checkSerde(given?.value, `${what}: value`)
}

/**
 * Makes an app: streams and tables come from it, pipelines go into it.
 *
 * ```ts
 * const app = createApp({ id: 'spend', broker: embedded(), store: memory() })
 * const orders = app.stream('orders', { value: json<Order>(), timestamp: (o) => o.value.time })
 * app.run('per-user', orders.pipe(aggregate(count(), { name: 'orders' }), toTopic('orders-per-user')))
 * await app.start()
 * ```
 *
 * @throws TidemarkError `BAD_OPTION`, `BAD_DURATION`
 */
export function createApp(options: AppOptions): App {
  if (!/^[A-Za-z0-9._-]+$/.test(options.id)) {
    throw new TidemarkError(
      'BAD_OPTION',
      `createApp: id may hold letters, digits, '.', '_' and '-' only; got ${show(options.id)}`,
    )
  }
  for (const needed of ['broker', 'store'] as const) {
    if (options[needed] === undefined)
      throw new TidemarkError(
        'BAD_OPTION',
        `createApp: ${needed} is required${needed === 'store' ? '; memory() is one' : ''}`,
        { app: options.id },
      )
  }
  const owner = {}
  const roots: Root[] = []
  const streams: Definition[] = []
  const globals: GlobalTopic[] = []
  const keeper = keeperOf(options)
  const guarantee = guaranteeOf(options, keeper)
  const runtime = new Runtime({
    id: options.id,
    instance: options.instance ?? '',
    broker: options.broker,
    store: options.store,
    clock: options.clock ?? systemClock,
    guarantee,
    keeper,
    standbys: standbysOf(options, keeper),
    commitMs: durationMs(
      options.commitInterval ?? (guarantee === 'exactly-once' ? 100 : 1_000),
      'createApp: commitInterval',
      1,
    ),
    watermarkMs: durationMs(options.watermarkInterval ?? 1_000, 'createApp: watermarkInterval', 1),
    sliceMs: durationMs(options.slice ?? 5, 'createApp: slice', 1),
    maxTaskIdleMs: durationMs(options.maxTaskIdle ?? 0, 'createApp: maxTaskIdle'),
    maxBufferedBytes: wholeNumber(options.maxBufferedBytes ?? 128 << 20, 'createApp: maxBufferedBytes', 1),
    readThrough: readThroughOf(options, keeper === 'changelogs'),
    stallMs: durationMs(options.stallTimeout ?? 60_000, 'createApp: stallTimeout', 1),
    onError: options.onError,
    trace: options.trace,
    upgrade: options.upgrade ?? {},
    plan,
    globals,
  })

  function plan(): Plan {
    const tables = globals.map(({ role }) => role.topic)
    return planApp(options.id, owner, roots, streams, tables, options.store, keeper, options.onError)
  }

  function roleOf<K, V>(topic: string, given: StreamOptions<K, V>, what: string): SourceRole {
    if (runtime.state !== 'created')
      throw new TidemarkError('BAD_OPTION', `app.${what}: streams are made before start`, { app: options.id, topic })
    return {
      is: 'source',
      app: owner,
      topic,
      key: (given.key ?? string()) as Serde<unknown>,
      value: given.value as Serde<unknown>,
      timestamp: given.timestamp as ((record: AnyRecord) => number) | undefined,
      watermark: given.watermark === undefined ? undefined : watermarkOf(given.watermark, `app.${what} ${topic}`),
      onError: given.onError,
    }
  }

  /** A delete has no value to take the timestamp from. */
  function tableOptions<K, V>(given: TableOptions<K, V> | GlobalTableOptions<K, V>): StreamOptions<K | null, V | null> {
    const { timestamp } = given
    return {
      ...given,
      ...(timestamp !== undefined && {
        timestamp: (record) => (record.value === null ? record.timestamp : timestamp(record as StreamRecord<K, V>)),
      }),
    } as StreamOptions<K | null, V | null>
  }

  function source<K, V>(topic: string, given: StreamOptions<K, V>, what: string): Observable<StreamRecord<K, V>> {
    const role = roleOf(topic, given, what)
    const stream = define<never, StreamRecord<K, V>>(`source ${topic}`, [], () => ({ record() {} }), { role })
    streams.push(definitionOf(stream) as Definition)
    return stream
  }

  const app: App = {
    id: options.id,
    stream(topic, given) {
      checkSerdes(given, `app.stream ${topic}`)
      return source(topic, given, 'stream')
    },
    table<V, K extends Key = string>(topic: string, given: TableOptions<K, V>): Table<K, V> {
      checkSerdes(given, `app.table ${topic}`)
      const history = historyOf(given, `app.table ${topic}`)
      const rows = source<K | null, V | null>(topic, tableOptions(given), 'table')
      return tableOf<K, V>(given.name ?? topic, given.name !== undefined, rows, history, given)
    },
    globalTable<V, K extends Key = string>(topic: string, given: GlobalTableOptions<K, V>): GlobalTable<K, V> {
      checkSerdes(given, `app.globalTable ${topic}`)
      const onError = given.onError ?? (policyOf(options.onError, 'deserialise') === 'skip' ? 'skip' : 'fail')
      const role = roleOf(topic, tableOptions({ ...given, onError }), 'globalTable')
      const rows = new GlobalRows<V>()
      globals.push({ role, rows: rows as GlobalRows<unknown> })
      return globalTableOf<K, V>(topic, rows)
    },
    run(name, pipeline) {
      if (runtime.state !== 'created')
        throw new TidemarkError('BAD_OPTION', 'app.run: pipelines are added before start', { app: options.id })
      if (roots.some((root) => root.name === name))
        throw new TidemarkError('NAME_TAKEN', `two pipelines are called ${name}`, { app: options.id })
      const root = define<unknown, never>('run', [pipeline], () => ({ record() {} }), {
        name,
        role: { is: 'root' },
        windowing: 'refuses',
      })
      roots.push({ name, pipeline: root })
    },
    start: () => runtime.start(),
    stop: () => runtime.stop(),
    state$: runtime.state$,
    errors$: runtime.errors$,
    describe: (format = 'text') => (format === 'mermaid' ? describeMermaid(plan()) : describeText(plan())),
    compare: () => runtime.compare(),
    savepoint: (name) => runtime.savepoint(name),
    savepoints: () => runtime.savepoints((all) => all.list()),
    deleteSavepoint: (name) => runtime.savepoints((all) => all.delete(name)),
    stats: () => runtime.figures.stats(),
    health: () => runtime.figures.health(),
    explain: (request) => runtime.figures.explain(request),
  }
  runtimes.set(app, runtime)
  return app
}

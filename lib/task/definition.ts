import type { Observable } from 'rxjs'
import type { TopicPartition } from '../ports/broker.js'
import type { Clock } from '../ports/clock.js'
import type { Key } from '../record/key.js'
import type { Headers, StreamRecord } from '../record/record.js'
import type { Serde } from '../record/serde.js'
import type { ErrorPolicies, ErrorPolicy } from './errorPolicy.js'
import type { Origin } from './origin.js'
import type { SeriesState } from './seriesState.js'
import type { CellState, KeyedState, WindowState } from './state.js'
import type { StateVersion } from './stateVersion.js'
import type { Watermark } from './watermark.js'
import type { Windowing } from './windowing.js'

/** Why a record was left out; counted by operator and reason, never silent. */
export type DropReason = 'late' | 'null key' | 'null value' | 'bad record' | 'dead letter' | (string & {})

/** Any record, whatever its key and value. */
export type AnyRecord = StreamRecord<unknown, unknown>

/** Something that an operator keeps back. */
export interface Waiting {
  /** What it is: `timer`, `call`, `unmatched record`. */
  readonly what: string
  /** Event time of what is kept back, in ms. */
  readonly timestamp: number
  /** It comes out when the operator's time reaches this; undefined: by itself. */
  readonly until: number | undefined
}

/** What an operator does with its records. All of it runs inside the task's dispatch, one record at a time. */
export interface Handlers<In> {
  record(record: In, input: number): void
  /** A timer set through {@link OperatorContext.timers} is due. */
  timer?(timestamp: number, key: Key): void
  /** All inputs have completed, and whatever was due has fired. Returns true to complete later, by `finish`. */
  complete?(): boolean
  /** The smallest timestamp that it may still emit when its own time is `time`. Without it: `time`. */
  holds?(time: number): number
  /** How many results are under way that come out by themselves, without a record or time: calls. */
  underWay?(): number
  /** How many calls of the user's have begun and not ended. */
  calling?(): number
  /** What it keeps back of a key, for whoever asks why nothing comes out. */
  waiting?(key: Key): readonly Waiting[]
  /** The task ends, for whatever reason. */
  close?(): void
}

/** Something that fires as time goes on: `due` is the earliest time at which it has something to fire. */
export interface Firing {
  due(): number
  /** Fires the earliest. */
  fireNext(): void
  /** What it holds of a key. */
  waiting?(key: Key): readonly Waiting[]
}

/** Timers, one for each key and timestamp; they are part of the state. */
export interface Timers<K extends Key = Key> {
  /** Calls `timer(timestamp, key)` once time has reached `timestamp` (ms); if it has already, right after the running handler. */
  at(timestamp: number, key: K): void
  /** Takes a timer back. */
  cancel(timestamp: number, key: K): void
}

/** A record on its way to a topic. */
export interface TopicWrite extends TopicPartition {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly timestamp: number
  readonly headers: Headers
}

/** Where a sink or an exchange writes, as planned. */
export interface TopicTarget {
  readonly topic: string
  readonly partitions: number
  readonly keySerde: Serde<unknown>
}

/** What the reader of a table needs of it besides its changes. */
export interface Needs {
  /** Its rows, to look up. */
  readonly rows: boolean
  /** What a row was before a change. */
  readonly previous: boolean
  /** The same, unless rows would have to be kept for it alone. */
  readonly previousIfKept?: boolean
}

export const NO_NEEDS: Required<Needs> = { rows: false, previous: false, previousIfKept: false }

/** What an operator can ask of the task it runs in. */
export interface OperatorContext<Out> {
  /** The operator's name if it has one, else its kind. */
  readonly operator: string
  readonly task: TaskInfo
  readonly clock: Clock
  /** The declared window of the records that come in. */
  readonly windowing: Windowing | undefined
  /** The window of the results that come in: an aggregate's before it, with nothing but tables' operators in between. Of several, the last to close. */
  readonly resolved: Windowing | undefined
  /** Whether these are results of one aggregate of one stream: without a watermark, only then no window is open there that has closed here. */
  readonly isOneAggregates: boolean
  /** Whether all aggregates whose results meet this one's rows in a join have closed the windows with that end. */
  isMet(end: number): boolean
  /** What those that read it need of it. */
  readonly needs: Needs
  emit(record: Out): void
  /** Whether anybody in this task reads that output. */
  hasOutput(output: object): boolean
  /** Emits to an output besides the main one: an Observable whose definition has the role `side`. */
  emitTo(output: object, record: unknown): void
  /** Counts a record that goes no further here. */
  drop(record: AnyRecord, reason: DropReason): void
  /** Takes a timestamp into stream time, where no watermark rules, and returns the operator's time. */
  accept(timestamp: number): number
  /** The operator's event time in ms; -Infinity before the first record. */
  time(): number
  /** No stream time of records of that input passes this: where several tasks write it, the lowest of theirs. */
  inputCap(input: number): number
  /** Fires what is due now: for operators that do so before their record's logic. */
  fireDue(): void
  /** State by key under the operator's name; `part` tells several of one operator apart. */
  keyed<K extends Key, V>(part?: string): KeyedState<K, V>
  cells<K extends Key, V>(part?: string): CellState<K, V>
  windows<V>(part?: string): WindowState<V>
  series<V>(part?: string): SeriesState<V>
  timers(handler: (timestamp: number, key: Key) => void): Timers
  /** Takes part in time with a structure of the operator's own. */
  fires(firing: Firing): void
  /** To be called when such a structure holds something that is due earlier than before. */
  dueChanged(): void
  /** Shows something to other operators of the task (a table its rows). */
  publish(value: unknown): void
  /** What the node of that definition has published in this task. */
  published<T>(definition: Definition): T
  /** Runs something as a dispatch of its own, once the task is free. For asynchronous results. */
  later(run: () => void): void
  /** While blocked, the task takes no more records. */
  block(blocked: boolean): void
  /** Completes the operator after `complete` returned true. */
  finish(): void
  /** Fails the task with an error that comes from no handler. */
  fail(error: unknown, record?: AnyRecord): void
  /** The record of a topic behind what is being handled, where it may have to be set aside; undefined for what comes out by itself. */
  origin(): Origin | undefined
  /** Within a dispatch of {@link later}: handles what a record has brought about. If that goes wrong, that record's policy decides. */
  onBehalf(attempt: Attempt): Outcome
  /** Where this definition writes; only in an app. */
  target(): TopicTarget
  write(write: TopicWrite): void
  /** Keeps a record until the next checkpoint, which writes it; only in an app. */
  writeRow(record: AnyRecord): void
  /** Highest timestamp accepted. */
  readonly streamTime: number
  /** As an exchange passes them on. */
  toldTime(): number
  readonly hasWatermark: boolean
  /** Whether time comes from before it (a watermark, tasks that write an exchange) rather than with its own records. */
  readonly isPulled: boolean
}

export interface TaskInfo {
  /** `0_3`: sub-topology 0, partition 3. A local task is called `local`. */
  readonly id: string
  readonly partition: number
  /** What readers of its exchanges know it by; stays when pipelines are added or reordered. */
  readonly writer: string
}

/** Something done on behalf of a record, after the record's own dispatch. */
export interface Attempt {
  readonly origin: Origin | undefined
  /** Tells those of one operator apart, also after a restart. */
  readonly call: number
  /** How often it has failed already. */
  readonly tries: number
  run(): void
}

/**
 * How an attempt went. `aside`: the record has been left out; `over`: the task has ended, and nothing of it counts any more; else it is to be made again
 * after that many ms.
 */
export type Outcome = 'done' | 'aside' | 'over' | { readonly againMs: number }

/** Reads a topic of an app. */
export interface SourceRole {
  readonly is: 'source'
  readonly app: object
  readonly topic: string
  readonly key: Serde<unknown>
  readonly value: Serde<unknown>
  readonly timestamp: ((record: AnyRecord) => number) | undefined
  readonly watermark: Watermark | undefined
  /** Of its records, in whatever stage. */
  readonly onError: ErrorPolicies | undefined
}

/** Cuts the topology: what stands before it writes to an internal topic, what follows reads that topic. */
export interface ExchangeRole {
  readonly is: 'exchange'
  readonly key: Serde<unknown> | undefined
  readonly value: Serde<unknown>
  readonly partitions: number | undefined
  /** The half that belongs to the task before the cut. */
  readonly writer: Observable<never>
}

/** The writing half of an exchange. */
interface WriterRole {
  readonly is: 'writer'
  readonly exchange: () => Definition
}

/** Writes to a topic that users know. */
interface SinkRole {
  readonly is: 'sink'
  readonly topic: string
  readonly key: Serde<unknown>
}

/** Writes to the database that the app's store is in. */
export interface RowsRole {
  readonly is: 'rows'
  /** The store, for messages, and what stands for it. */
  readonly store: string
  readonly transactions: object
  write(transaction: any, records: readonly AnyRecord[]): Promise<void>
}

/** What `app.run` subscribes. */
interface RootRole {
  readonly is: 'root'
}

/** An output of other operators: a `sideOutput`. */
interface SideRole {
  readonly is: 'side'
}

/** Keeps a table's rows, which it publishes. */
interface TableRole {
  readonly is: 'table'
}

type Role = SourceRole | ExchangeRole | WriterRole | SinkRole | RowsRole | RootRole | SideRole | TableRole

/**
 * How an operator changes keys. `apart`: records of one new key may lie in several partitions. `together`: in one. A function: perhaps it
 * does, and it is told at planning who keeps state by key behind it with no exchange between.
 */
type KeyChange = 'apart' | 'together' | ((keeper: string) => void)

/**
 * One use of an operator, made when the pipeline is written; the identity under which each task holds one
 * node for it.
 */
export interface Definition {
  readonly kind: string
  readonly name: string | undefined
  readonly inputs: readonly Observable<unknown>[]
  readonly role: Role | undefined
  /** Does a declared window pass through (`carries`), is it used up here (`resolves`), or is it an error (`refuses`)? */
  readonly windowing: 'carries' | 'resolves' | 'refuses'
  /** Whether time decides about its results: no watermark can be declared after it. */
  readonly usesTime: boolean
  /** Inputs whose time doesn't count: a table's. */
  readonly untimed: readonly number[]
  /** What becomes of inputs without a watermark beside one that has one. Default: an error at planning. */
  readonly bareInputs?: 'ignored'
  /** Inputs whose topics are read first: up to where they ended when the task began. */
  readonly bootstraps: readonly number[]
  /** What it needs of an input that is a table, given what its own readers need of it. Without it: nothing. */
  needs?(input: number, own: Needs): Needs
  /** Inputs (all) that must agree in partitions and key serde. */
  readonly coPartitioned: boolean
  /** False: whatever state it keeps isn't by record key, so no change of keys before it does harm. */
  readonly keyed: boolean
  readonly changesKey: KeyChange | undefined
  /** The version of the values that it keeps; undefined where none of them are the user's. */
  readonly version: StateVersion | undefined
  /** What these values are, in a word: other ones need another version. */
  readonly holds: string | undefined
  /** Side outputs that it may write. */
  readonly sideOutputs: readonly object[]
  /** What becomes of a record whose call or write here fails. */
  readonly onError?: ErrorPolicy
  setup(context: OperatorContext<unknown>): Handlers<never>
}

import type { Observable, OperatorFunction } from 'rxjs'
import { type Duration, durationMs } from '../record/duration.js'
import { TidemarkError } from '../record/errors.js'
import type { Key } from '../record/key.js'
import type { KeyOf, StreamRecord } from '../record/record.js'
import type { DropReason, Handlers, OperatorContext, Timers } from '../task/definition.js'
import { operate } from '../task/operate.js'
import type { KeyedState } from '../task/state.js'
import { type VersionOptions, versionOf } from '../task/stateVersion.js'
import { Repeating } from './repeating.js'
import { WallTimers } from './wallTimers.js'

/** One value for each key, of which a processor sees that of the present key: the record's, or in a timer the timer's. */
export interface ValueState<V> {
  get(): V | undefined
  put(value: V): void
  delete(): void
}

/** What a processor can use. State, timers and `every` are to be asked for in `setup`. */
export interface ProcessContext<Out, K extends Key = Key> {
  emit(record: Out): void
  /** Emits to a `sideOutput`, which must be among `options.sideOutputs`. */
  emitTo<T>(output: Observable<T>, record: T): void
  /** Counts a record that goes no further, under a reason. */
  drop(record: StreamRecord<unknown, unknown>, reason: DropReason): void
  /** State by key; `part` names several. */
  keyed<StateKey extends Key, V>(part?: string): KeyedState<StateKey, V>
  /** State of the present key; `part` names several, of `keyed` too. */
  value<V>(part?: string): ValueState<V>
  /** Timers in event time. A processor with `timer` need not ask for them in `setup`. */
  readonly timers: Timers<K>
  /** Timers by the wall clock. A processor with `wallTimer` need not ask for them in `setup`. */
  readonly wallTimers: Timers<K>
  /** Runs something again and again by the wall clock, each time an interval after the last; not state: it begins anew with each task. */
  every(interval: Duration, run: (wallTime: number) => void): void
  /** Event time in ms: the watermark, or the highest timestamp so far. */
  time(): number
  /** The wall clock in ms since the epoch; a test's own clock in a test. */
  wallTime(): number
}

export interface Processor<R, K extends Key = Key> {
  record(record: R): void
  /** A timer is due: time has reached `timestamp`. */
  timer?(timestamp: number, key: K): void
  /** A timer of the wall clock is due. */
  wallTimer?(timestamp: number, key: K): void
  /** The task ends, for whatever reason: lets go of what is no state. */
  close?(): void
}

export interface ProcessOptions extends VersionOptions {
  /** Names the state and timers. A must where the app's store is durable. */
  readonly name?: string
  readonly sideOutputs?: readonly Observable<unknown>[]
}

/**
 * An operator of one's own, with keyed state and timers in event time and by the wall clock: what other operators can't say.
 *
 * ```
 * 'gone' when nothing was heard of a user for 10 ms     a column is 1 ms     a: ann   b: bob
 * in          a---b-a----------b-a-|
 * timers      -----------------x---(zw|)     x: ann, at 16   z: bob, at 27   w: ann, at 29, on completion
 * wallTimers  --------------y-x----|         y: bob, at 14   x: ann, at 16
 * ```
 *
 * ```ts
 * process<StreamRecord<string, Click>, StreamRecord<string, 'gone'>>(({ value, timers, emit }) => {
 *   const last = value<number>()
 *   return {
 *     record(click) {
 *       last.put(click.timestamp)
 *       timers.at(click.timestamp + 600_000, click.key)
 *     },
 *     timer(timestamp, key) {
 *       if (last.get() === timestamp - 600_000) emit(record(key, 'gone', timestamp))
 *     },
 *   }
 * }, { name: 'gone' })
 * ```
 *
 * `setup` runs once per task. A timer is one for each key and timestamp, in ms, and fires by timestamp and then key: `timers` after the record
 * that brought the time; `wallTimers` when the clock says so, between records, and after a restart at once if their time has passed meanwhile. On
 * completion all of `timers` fire first; wall timers and `every` don't any more, and don't hold it back. What is emitted with a timestamp below
 * `time()`, by a wall timer or of a record that was kept, may be late for what follows; what a timer emits with its own timestamp isn't, by a
 * watermark or behind `keyBy`. State and timers are part of the checkpoint and stay until they are deleted or have fired.
 * Errors pass on. Kafka Streams' `process`, Flink's KeyedProcessFunction.
 *
 * @throws TidemarkError `OPERATOR_FAILED` with the record's place if it throws; `TIMER_LOOP` if timers set timers at the present for ever;
 *   `BAD_STATE` for state that is first asked for after `setup`, too late to be restored, and for a `value` where no key is present;
 *   `BAD_KEY` for a `value` of a record without a key
 */
export function process<R extends StreamRecord<any, any>, Out>(
  setup: (context: ProcessContext<Out, KeyOf<R>>) => Processor<R, KeyOf<R>>,
  options: ProcessOptions = {},
): OperatorFunction<R, Out> {
  return operate<R, Out>('process', (context) => run(context, setup), {
    ...(options.name !== undefined && { name: options.name }),
    ...versionOf('process', options, (part) => part !== 'timers' && part !== 'wallTimers'),
    usesTime: true,
    sideOutputs: options.sideOutputs ?? [],
  })
}

function run<R extends StreamRecord<any, any>, Out, K extends Key>(
  context: OperatorContext<Out>,
  setup: (context: ProcessContext<Out, K>) => Processor<R, K>,
): Handlers<R> {
  let isSetUp = false
  let isClosed = false
  /** Whose state a `value` is; undefined where neither a record nor a timer is being handled. */
  let present: K | null | undefined
  let timers: Timers | undefined
  let wallTimers: WallTimers | undefined
  const repeating: Repeating[] = []

  const badState = (reason: string) =>
    new TidemarkError('BAD_STATE', `process: ${reason}`, { operator: context.operator })

  const inSetup = (what: string) => {
    if (isSetUp) {
      throw badState(
        `${what} was first asked for after setup, when nothing is restored any more; ask for it in setup, and keep it in a variable`,
      )
    }
  }

  /** A handler of a timer, with the timer's key as the present one. */
  const forKey = (handler: 'timer' | 'wallTimer') => (timestamp: number, key: Key) => {
    present = key as K
    try {
      processor[handler]?.(timestamp, key as K)
    } finally {
      present = undefined
    }
  }

  const keyed = <StateKey extends Key, V>(kind: string, part: string | undefined): KeyedState<StateKey, V> => {
    inSetup(part === undefined ? `${kind}()` : `${kind}('${part}')`)
    return context.keyed(part)
  }

  const presentKey = (): K => {
    if (present === undefined) {
      throw badState(
        'a value was used where no key is present; it is the state of the record or timer that is being handled',
      )
    }
    // A key of null is refused by the state.
    return present as K
  }

  const processor = setup({
    emit: context.emit,
    emitTo: (output, record) => context.emitTo(output, record),
    drop: (record, reason) => context.drop(record, reason),
    keyed: (part) => keyed('keyed', part),
    value<V>(part?: string): ValueState<V> {
      const state = keyed<K, V>('value', part)
      return {
        get: () => state.get(presentKey()),
        put: (value) => state.put(presentKey(), value),
        delete: () => state.delete(presentKey()),
      }
    },
    every(interval, run) {
      inSetup('every')
      repeating.push(new Repeating(context, durationMs(interval, 'process: every', 1), run))
    },
    time: () => context.time(),
    wallTime: () => context.clock.now(),
    get timers() {
      if (timers === undefined) {
        inSetup('timers')
        timers = context.timers(forKey('timer'))
      }
      return timers
    },
    get wallTimers() {
      if (wallTimers === undefined) {
        inSetup('wallTimers')
        wallTimers = new WallTimers(context, forKey('wallTimer'))
      }
      return wallTimers
    },
  })
  // Timers of before a restart fire even if no record comes that would set one.
  if (processor.timer !== undefined) timers ??= context.timers(forKey('timer'))
  if (processor.wallTimer !== undefined) wallTimers ??= new WallTimers(context, forKey('wallTimer'))
  isSetUp = true

  return {
    record(record) {
      context.accept(record.timestamp)
      present = record.key
      try {
        processor.record(record)
      } finally {
        present = undefined
      }
    },
    // Completion closes it too, as its consumers go.
    close() {
      if (isClosed) return
      isClosed = true
      wallTimers?.close()
      for (const one of repeating) one.close()
      processor.close?.()
    },
  }
}

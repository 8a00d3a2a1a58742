import type { Observable, OperatorFunction } from 'rxjs'
import { TidemarkError } from '../record/errors.js'
import type { Key } from '../record/key.js'
import type { StreamRecord } from '../record/record.js'
import type { DropReason, Timers } from '../task/definition.js'
import { operate } from '../task/operate.js'
import type { KeyedState } from '../task/state.js'

/** What a processor can use. */
export interface ProcessContext<Out> {
  emit(record: Out): void
  /** Emits to a `sideOutput`, which must be among `options.sideOutputs`. */
  emitTo<T>(output: Observable<T>, record: T): void
  /** Counts a record that goes no further, under a reason. */
  drop(record: StreamRecord<unknown, unknown>, reason: DropReason): void
  /** State by key; `part` names several. To be asked for in `setup`. */
  keyed<K extends Key, V>(part?: string): KeyedState<K, V>
  /** Timers in event time. A processor without `timer` has to take them in `setup`, or not at all. */
  readonly timers: Timers
  /** Event time in ms: the watermark, or the highest timestamp so far. */
  time(): number
}

export interface Processor<R> {
  record(record: R): void
  /** A timer is due: time has reached `timestamp`. */
  timer?(timestamp: number, key: Key): void
}

export interface ProcessOptions {
  /** Names the state and timers. A must where the app's store is durable. */
  readonly name?: string
  readonly sideOutputs?: readonly Observable<unknown>[]
}

/**
 * An operator of one's own, with keyed state and timers in event time: what other operators can't say.
 *
 * ```ts
 * // Emits a user's name when nothing was heard of them for ten minutes.
 * process<StreamRecord<string, Click>, StreamRecord<string, 'gone'>>(({ keyed, timers, emit }) => {
 *   const last = keyed<string, number>()
 *   return {
 *     record(click) {
 *       last.put(click.key, click.timestamp)
 *       timers.at(click.timestamp + 600_000, click.key)
 *     },
 *     timer(timestamp, key) {
 *       if (last.get(key as string) === timestamp - 600_000) emit(record(key as string, 'gone', timestamp))
 *     },
 *   }
 * }, { name: 'gone' })
 * ```
 *
 * `setup` runs once per task. Timers fire after the record that brought the time, by timestamp and then key; on completion all of them. State
 * and timers are part of the checkpoint and stay until they are deleted or have fired. Kafka Streams' `process`, Flink's KeyedProcessFunction.
 *
 * @throws TidemarkError `OPERATOR_FAILED` with the record's place if it throws; `TIMER_LOOP` if timers set timers at the present for ever;
 *   `BAD_STATE` for state that is first asked for after `setup`, too late to be restored
 */
export function process<R extends StreamRecord<any, any>, Out>(
  setup: (context: ProcessContext<Out>) => Processor<R>,
  options: ProcessOptions = {},
): OperatorFunction<R, Out> {
  return operate<R, Out>(
    'process',
    (context) => {
      let timers: Timers | undefined
      let isSetUp = false
      const inSetup = (what: string) => {
        if (!isSetUp) return
        throw new TidemarkError(
          'BAD_STATE',
          `process: ${what} was first asked for after setup, when nothing is restored any more; ask for it in setup, and keep it in a variable`,
          { operator: context.operator },
        )
      }
      const queue = () => context.timers((timestamp, key) => processor.timer?.(timestamp, key))
      const processor = setup({
        emit: context.emit,
        emitTo: (output, record) => context.emitTo(output, record),
        drop: (record, reason) => context.drop(record, reason),
        keyed(part) {
          inSetup(part === undefined ? 'keyed()' : `keyed('${part}')`)
          return context.keyed(part)
        },
        time: () => context.time(),
        get timers() {
          if (timers === undefined) {
            inSetup('timers')
            timers = queue()
          }
          return timers
        },
      })
      // Timers of before a restart fire even if no record comes that would set one.
      if (processor.timer !== undefined) timers ??= queue()
      isSetUp = true
      return {
        record(record) {
          context.accept(record.timestamp)
          processor.record(record)
        },
      }
    },
    {
      ...(options.name !== undefined && { name: options.name }),
      usesTime: true,
      sideOutputs: options.sideOutputs ?? [],
    },
  )
}

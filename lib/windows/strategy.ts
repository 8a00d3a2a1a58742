import type { Aggregator } from '../aggregates/aggregator.js'
import type { Key } from '../record/key.js'
import type { StreamRecord, WindowedRecord } from '../record/record.js'
import type { OperatorContext } from '../task/definition.js'
import type { Cell } from '../task/state.js'
import type { Windowing } from '../task/windowing.js'
import type { OpenWindows } from './openWindows.js'
import type { WindowResults } from './windowResults.js'
import type { WindowsByEnd } from './windowsByEnd.js'
import type { WindowTime } from './windowTime.js'

/** What windows take: any record with a key. */
export type KeyedRecord = StreamRecord<Key, unknown>

export type AnyAggregator = Aggregator<KeyedRecord, unknown, unknown>

/** What a strategy works with. */
export interface WindowRoom<C extends Cell<unknown>, Open extends OpenWindows<C>> {
  readonly context: OperatorContext<WindowedRecord>
  readonly aggregator: AnyAggregator
  readonly time: WindowTime
  readonly open: Open
  /** Windows that have closed and are kept. */
  readonly closed: WindowsByEnd | undefined
  readonly results: WindowResults<C>
  /** From a window's end until nothing is known of it any more. */
  readonly keptForMs: number
  /** Whether a window with this end takes records at that time. */
  isOpen(end: number, time: number): boolean
}

/** What is different from one kind of window to the next. */
export interface Strategy<C extends Cell<unknown> = any, Open extends OpenWindows<C> = any> {
  open(context: OperatorContext<WindowedRecord>): Open
  /**
   * Which windows a record belongs to, and what it does to them. Takes its timestamp into time, unless it refuses the record.
   *
   * @returns how many of its windows take it no more
   */
  taker(room: WindowRoom<C, Open>): (record: KeyedRecord) => number
}

/** A window as it is declared: what others may know of it, and how it works. */
export interface DeclaredWindow extends Windowing {
  readonly strategy: Strategy
  /** Results are taken back, as long as they are kept. */
  readonly takesBack?: true
  /** From a window's end until it is freed, if its row is to be read for so long from its start. Without it: until it closes. */
  keptForMs?(retentionMs: number): number
}

import type { Aggregator } from '../aggregates/aggregator.js'
import type { Key } from '../record/key.js'
import { NO_HEADERS, type StreamRecord, type Window, type WindowedRecord } from '../record/record.js'
import type { Change } from '../tables/change.js'
import type { OperatorContext } from '../task/definition.js'

/** A result on its way out. */
export interface Result {
  readonly key: Key
  readonly window: Window
  /** Null: the window has no result any more. */
  readonly value: unknown
  /** What readers knew before; null if nothing. */
  readonly previous: unknown
  readonly timestamp: number
  /** The record that brought it about; none if time did. */
  readonly cause: StreamRecord<unknown, unknown> | undefined
  readonly final: boolean
}

/** Emits results: as records, and as changes of their table where it is read. */
export class Outlet {
  constructor(
    private readonly context: OperatorContext<WindowedRecord>,
    private readonly aggregator: Aggregator<never, unknown, unknown>,
    private readonly changes: object,
  ) {}

  /** Whether anybody wants to know what a result was before. */
  get hasChanges(): boolean {
    return this.context.hasOutput(this.changes)
  }

  resultOf(acc: unknown): unknown {
    const { aggregator } = this
    return aggregator.result === undefined ? acc : aggregator.result(acc)
  }

  put({ key, window, value, previous, timestamp, cause, final }: Result): void {
    const { context } = this
    context.emit({
      key,
      value,
      timestamp,
      topic: cause === undefined ? '' : cause.topic,
      partition: cause === undefined ? context.task.partition : cause.partition,
      offset: cause === undefined ? 0 : cause.offset,
      headers: NO_HEADERS,
      window,
      final,
    })
    if (!this.hasChanges) return
    const change: Change<Key, unknown, Window> = { key, value, previous, timestamp, window, isLatest: true }
    context.emitTo(this.changes, final ? { ...change, final } : change)
  }
}

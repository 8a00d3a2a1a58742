import type { Observable } from 'rxjs'
import type { Aggregator } from '../aggregates/aggregator.js'
import { type Duration, durationMs } from '../record/duration.js'
import { show, TidemarkError } from '../record/errors.js'
import type { StreamRecord, WindowedRecord } from '../record/record.js'
import type { Change } from '../tables/change.js'
import { keepsRows } from '../tables/toTable.js'
import type { Needs, OperatorContext } from '../task/definition.js'
import { define } from '../task/operate.js'
import { type VersionOptions, versionOf } from '../task/stateVersion.js'
import { resolveWindows, type WindowedEmit } from '../windows/resolveWindows.js'
import type { KeyedRecord } from '../windows/strategy.js'
import type { WindowTime } from '../windows/windowTime.js'
import { aggregateKeys } from './aggregateKeys.js'

export interface AggregateOptions<R = any, Out = any> extends VersionOptions {
  /** Names the state. A must where the app's store is durable. */
  readonly name?: string
  /**
   * `update`: a result for each record. `close`: one for each window, when it closes. `{ every }`: the same, and before it at each
   * multiple of that event time one for each window that has changed. Default `update`; the others only after a window.
   */
  readonly emit?: 'update' | 'close' | { readonly every: Duration }
  /** Emits a result before the window closes, at records for which it is true. Only with `close` and `{ every }`. */
  readonly early?: (result: Out, record: R) => boolean
  /**
   * How long after its start, in event time, a window's row can be read (a session's: after its last record; a custom window's: after its
   * end). At least as long as the window takes records, which is the default; where the rows are joined, it is twice that, and
   * at least until the other side of the join has closed the window. If it is given, `tableTableJoin` takes a match back whose other row has gone.
   */
  readonly retention?: Duration
}

/** How the inputs of an aggregation come together, in one task. */
export interface Gathering {
  readonly aggregator: Aggregator<any, unknown, unknown>
  readonly time: WindowTime
  /** Told of each record's input before the record comes. */
  begin?(input: number): void
  /** All inputs have completed. */
  end?(): void
}

/** Makes a stream of results, which is the table of them too. */
export function aggregation(
  kind: string,
  inputs: readonly Observable<StreamRecord<any, any>>[],
  options: AggregateOptions,
  gather: (context: OperatorContext<unknown>) => Gathering,
  holds?: string,
): Observable<StreamRecord> {
  const emits = emitOf(kind, options)
  const { name } = options
  const stream: Observable<StreamRecord> = define<KeyedRecord, StreamRecord>(
    kind,
    inputs,
    (context) => {
      const { aggregator, time, begin, end } = gather(context)
      const handlers = isWindowed(context, kind, options)
        ? resolveWindows(context as OperatorContext<WindowedRecord>, aggregator, emits, changes, time)
        : aggregateKeys(context, aggregator, changes)
      if (begin === undefined) return handlers
      const { holds } = handlers
      return {
        ...handlers,
        ...(holds !== undefined && { holds: (now: number) => holds(Math.min(now, time.settled?.() ?? now)) }),
        record(record, input) {
          begin(input)
          handlers.record(record, input)
        },
        complete() {
          end?.()
          return false
        },
      }
    },
    {
      ...(name !== undefined && { name }),
      ...versionOf(kind, options, (part) => part === undefined || part === 'closed'),
      holds,
      windowing: 'resolves',
      usesTime: true,
      coPartitioned: inputs.length > 1,
      sideOutputs: [],
    },
  )
  // Follows the aggregate in the graph, and gets its records from the aggregate's own hand.
  const changes = define<StreamRecord, Change<never, unknown>>('changes', [stream], () => ({ record() {} }), {
    role: { is: 'side' },
    needs: (_, own): Needs => ({ rows: own.rows, previous: false }),
  })
  keepsRows(stream, changes)
  return stream
}

/** @throws TidemarkError `BAD_DURATION`, `BAD_OPTION` */
function emitOf(kind: string, { emit = 'update', early, retention }: AggregateOptions): WindowedEmit {
  if (early !== undefined && emit === 'update') {
    throw new TidemarkError(
      'BAD_OPTION',
      `${kind}: early adds to emit 'close' or { every }; with 'update' each result comes out anyhow, so set emit or leave early out`,
    )
  }
  return {
    isUpdating: emit === 'update',
    everyMs: typeof emit === 'object' ? durationMs(emit.every, `${kind}: emit every`, 1) : undefined,
    early,
    retentionMs: retention === undefined ? undefined : durationMs(retention, `${kind}: retention`),
  }
}

/** @throws TidemarkError `BAD_OPTION` for options that need a window where there is none */
function isWindowed(
  context: OperatorContext<StreamRecord>,
  kind: string,
  { emit = 'update', retention }: AggregateOptions,
): boolean {
  if (context.windowing !== undefined) return true
  const wanted = emit !== 'update' ? `emit ${show(emit)}` : retention !== undefined ? 'retention' : undefined
  if (wanted === undefined) return false
  throw new TidemarkError(
    'BAD_OPTION',
    `${kind}: ${wanted} needs a window, as only a windowed result closes; declare one before it, or leave the option out`,
    { operator: context.operator },
  )
}

import { TidemarkError } from '../record/errors.js'
import type { WindowedRecord } from '../record/record.js'
import type { Handlers, OperatorContext } from '../task/definition.js'
import { describeWindowing } from '../task/windowing.js'
import { ClosedWindows } from './closedWindows.js'
import { type Emission, Updates } from './emission.js'
import { Finals } from './finals.js'
import { Outlet } from './outlet.js'
import type { AnyAggregator, DeclaredWindow, KeyedRecord } from './strategy.js'
import { WindowResults } from './windowResults.js'
import { windowRows } from './windowRows.js'
import type { WindowTime } from './windowTime.js'

/** When results come out of windows, and how long they can be read. */
export interface WindowedEmit {
  /** A result for each record; else for each window on its close. */
  readonly isUpdating: boolean
  /** Besides, at each multiple of this. */
  readonly everyMs: number | undefined
  /** Besides, for records for which this holds. */
  readonly early: ((result: any, record: any) => boolean) | undefined
  /** From a window's start. */
  readonly retentionMs: number | undefined
}

/** Aggregates in the windows that were declared before. */
export function resolveWindows(
  context: OperatorContext<WindowedRecord>,
  aggregator: AnyAggregator,
  { isUpdating, everyMs, early, retentionMs }: WindowedEmit,
  changes: object,
  time: WindowTime,
): Handlers<KeyedRecord> {
  const windowing = context.windowing as DeclaredWindow
  const { closesAfterMs, late, reachMs, strategy, takesBack } = windowing
  if (retentionMs !== undefined) checkRetention(context.operator, windowing, retentionMs)
  const keptForMs = Math.max(closesAfterMs, windowing.keptForMs?.(retentionMs ?? 0) ?? closesAfterMs)
  const outlet = new Outlet(context, aggregator, changes)
  const open = strategy.open(context)
  const isOpen = (end: number, now: number) => end + closesAfterMs > now
  const emission: Emission = isUpdating
    ? new Updates(outlet)
    : new Finals(context, outlet, time, { everyMs, early, find: (key, window) => open.find(key, window), isOpen })
  // A window that says nothing on close is simply kept for longer.
  const isClosedKept = emission.onClose && keptForMs > closesAfterMs
  // What a join reads has to be there when the other side closes the same window.
  const isForJoins =
    context.needs.rows && retentionMs === undefined && keptForMs === closesAfterMs && Number.isFinite(reachMs)
  const closed = isForJoins
    ? new ClosedWindows(context, closesAfterMs + reachMs, context.isMet)
    : isClosedKept
      ? new ClosedWindows(context, keptForMs)
      : undefined
  const results = new WindowResults(aggregator, open, emission, emission.onClose ? closesAfterMs : keptForMs, closed)
  // Of what is due at one time, the first comes first.
  for (const firing of [results, emission.ticks, closed]) if (firing !== undefined) time.fires(firing)
  context.publish(windowRows(open, closed?.windows, outlet))

  const take = strategy.taker({
    context,
    aggregator,
    time,
    open,
    closed: closed?.windows,
    results,
    keptForMs,
    isOpen,
  })
  const heldMs = Math.max(reachMs, everyMs ?? 0, takesBack === true ? keptForMs : 0)
  let firstEnd = open.firstEnd()
  return {
    record(record) {
      if (record.key === null) {
        context.drop(record, 'null key')
        return
      }
      const missed = take(record)
      const end = open.firstEnd()
      if (end !== firstEnd) {
        firstEnd = end
        context.dueChanged()
      }
      if (missed === 0) return
      for (let n = 0; n < missed; n++) context.drop(record, 'late')
      if (late !== undefined) context.emitTo(late, record)
    },
    // Not infinity less infinity, at the end of a window that never closes.
    holds: (now) => (now === Number.POSITIVE_INFINITY ? now : now - heldMs),
  }
}

/** @throws TidemarkError `BAD_OPTION` */
function checkRetention(operator: string, windowing: DeclaredWindow, retentionMs: number): void {
  const { closesAfterMs, reachMs } = windowing
  const isClosing = closesAfterMs < Number.POSITIVE_INFINITY
  if (isClosing && retentionMs >= reachMs) return
  throw new TidemarkError(
    'BAD_OPTION',
    `retention of ${retentionMs} ms, but ${describeWindowing(windowing)} ${
      isClosing
        ? `takes records for ${reachMs} ms from its start; give at least as much, or leave it out`
        : 'is not closed by time; leave it out'
    }`,
    { operator },
  )
}

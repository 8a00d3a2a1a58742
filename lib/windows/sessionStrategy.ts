import { TidemarkError } from '../record/errors.js'
import { SessionsByEnd } from './sessionsByEnd.js'
import type { KeyedRecord, Strategy } from './strategy.js'
import type { HeldUntil } from './windowsByEnd.js'

/**
 * A key's records of which each is at most `gap` from the next: `[first, last + 1)`. A record finds the sessions with `last >= t - gap` and
 * `first <= t + gap`; the new one is the hull of them and t, and replaces them. Kafka Streams' `SessionWindows`, step by step.
 */
export const sessionStrategy = (gapMs: number): Strategy<HeldUntil, SessionsByEnd> => ({
  open: (context) => new SessionsByEnd(context.series()),

  taker({ context, aggregator, open, closed, results, time, keptForMs, isOpen }) {
    if (aggregator.merge === undefined) {
      throw new TidemarkError(
        'BAD_OPTION',
        'aggregate: sessionWindow merges sessions, and this aggregator has no merge; add one, which makes one accumulator of two',
        { operator: context.operator },
      )
    }

    /** What the record's session comes to. */
    function merged(accs: readonly unknown[], record: KeyedRecord): unknown {
      let acc: unknown = aggregator.init?.() ?? null
      for (const other of accs) acc = acc === null ? other : aggregator.merge?.(acc, other, record.key)
      return acc === null ? results.begin(record) : aggregator.add(acc, record)
    }

    return (record) => {
      const { key, timestamp } = record
      // Kafka Streams doesn't find a session any more of which stream time, before this record, was gap and grace past the last moment. A
      // watermark leaves that moment open.
      const passed = context.hasWatermark ? undefined : time.now()
      const now = time.accept(timestamp)
      const isFound = ({ seq: start, at: end }: HeldUntil) =>
        start <= timestamp + gapMs && end - 1 + keptForMs > (passed ?? now - 1)
      const from = timestamp - gapMs + 1
      const found = [closed, open].flatMap(
        (windows) =>
          windows
            ?.between(key, from, Number.POSITIVE_INFINITY)
            .filter(isFound)
            .map((cell) => ({ cell, windows })) ?? [],
      )
      const window = {
        start: Math.min(timestamp, ...found.map(({ cell }) => cell.seq)),
        end: Math.max(timestamp + 1, ...found.map(({ cell }) => cell.at)),
      }
      if (!isOpen(window.end, now)) return 1

      // A session of one moment that stays one is replaced without a word.
      if (window.end - window.start > 1) for (const { cell, windows } of found) results.replace(cell, windows, record)
      const same = open.find(key, window)
      if (same !== undefined) open.remove(same)
      const values = found.map(({ cell }) => cell.value)
      results.put(undefined, window, merged(values, record), window.end - 1, record)
      return 0
    }
  },
})

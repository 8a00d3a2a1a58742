import type { Window } from '../record/record.js'
import { copyData } from './copyData.js'
import type { KeyedRecord, Strategy } from './strategy.js'
import { type HeldUntil, WindowsByEnd } from './windowsByEnd.js'

/**
 * The windows that end at a record, and those that begin right after one: `[t - difference, t + 1)` and `[t + 1, t + difference + 2)`, the
 * latter once a record falls into it; before `difference` the one window `[0, difference + 1)` instead of the former. Nothing is kept of
 * single records: between the starts of two neighbours there is no record, so what one holds is what the other begins with. Step by step Kafka
 * Streams' `SlidingWindows`.
 */
export const slidingStrategy = (differenceMs: number): Strategy<HeldUntil, WindowsByEnd> => ({
  open: (context) => new WindowsByEnd(context.series()),

  taker({ context, aggregator, open, closed, results, time, isOpen }) {
    const sizeMs = differenceMs + 1
    let now: number
    let missed: number

    /** A key's windows with `from <= start <= to`, by start. */
    function startingBetween({ key }: KeyedRecord, from: number, to: number): readonly HeldUntil[] {
      const found = open.between(key, from + sizeMs, to + sizeMs)
      return closed === undefined ? found : [...closed.between(key, from + sizeMs, to + sizeMs), ...found]
    }

    function update(cell: HeldUntil, record: KeyedRecord): void {
      if (isOpen(cell.at, now)) results.add(cell, open.windowOf(cell), record)
      else missed++
    }

    /** A new window, unless it would be closed from the start. */
    function create(start: number, put: (window: Window) => void): void {
      const window = { start, end: start + sizeMs }
      if (isOpen(window.end, now)) put(window)
      else missed++
    }

    /** The window after a record, with those that come later; `neighbour` holds just them before the record is added. */
    function windowAfter(record: KeyedRecord, neighbour: HeldUntil | undefined): () => void {
      const { timestamp } = record
      const newest = neighbour?.timestamp ?? timestamp
      if (neighbour === undefined || newest <= timestamp) return () => {}
      const acc = copyData(neighbour.value)
      return () => create(timestamp + 1, (window) => results.put(undefined, window, acc, newest, record))
    }

    /** The window after the record before: this one is the first in it. */
    function windowAfterPrevious(record: KeyedRecord, previous: number | undefined, starts: Set<number>): void {
      if (previous === undefined || starts.has(previous + 1) || previous + sizeMs < record.timestamp) return
      create(previous + 1, (window) => results.add(undefined, window, record))
    }

    function takeEarly(record: KeyedRecord): void {
      const { timestamp } = record
      const near = startingBetween(record, 0, timestamp + 1)
      const starts = new Set(near.map((cell) => cell.seq))
      const common = near.find((cell) => cell.seq === 0)
      const covering = near.filter((cell) => cell.seq > 0 && cell.seq <= timestamp)
      const previous = common !== undefined && common.timestamp < timestamp ? common.timestamp : undefined
      const makeAfter = windowAfter(record, starts.has(timestamp + 1) ? undefined : (covering.at(-1) ?? common))
      for (const cell of covering) update(cell, record)
      makeAfter()
      windowAfterPrevious(record, previous, starts)
      if (common !== undefined) update(common, record)
      else create(0, (window) => results.add(undefined, window, record))
    }

    function takeLater(record: KeyedRecord): void {
      const { timestamp } = record
      const left = timestamp - differenceMs
      const near = startingBetween(record, Math.max(0, left - differenceMs), timestamp + 1)
      const starts = new Set(near.map((cell) => cell.seq))
      const before = near.findLast((cell) => cell.seq < left)
      const covering = near.filter((cell) => cell.seq >= left && cell.seq <= timestamp)
      const hadLast = starts.has(left) ? covering[0]?.timestamp : undefined
      const previous = before?.timestamp ?? hadLast
      const makeAfter = windowAfter(record, starts.has(timestamp + 1) ? undefined : covering.at(-1))
      for (const cell of covering.reverse()) update(cell, record)
      // Another record of this very moment has made all that there is to make.
      if (hadLast === timestamp) return
      windowAfterPrevious(record, previous, starts)
      if (hadLast === undefined) {
        create(left, (window) => {
          const acc =
            before === undefined || before.timestamp < left
              ? results.begin(record)
              : aggregator.add(copyData(before.value), record)
          // Made just now as the one after the record before, it comes out again, as in Kafka Streams.
          results.put(open.find(record.key, window), window, acc, timestamp, record)
        })
      }
      makeAfter()
    }

    return (record) => {
      if (record.value === null) {
        context.drop(record, 'null value')
        return 0
      }
      now = time.accept(record.timestamp)
      if (!isOpen(record.timestamp + sizeMs, now)) return 1
      missed = 0
      if (record.timestamp < differenceMs) takeEarly(record)
      else takeLater(record)
      return missed
    }
  },
})

import { show, TidemarkError } from '../record/errors.js'
import type { Window } from '../record/record.js'
import type { Strategy } from './strategy.js'
import { type HeldUntil, WindowsByEnd } from './windowsByEnd.js'

/** Windows of which all that is known is which ones a timestamp belongs to. */
export const customStrategy = (
  windowsOf: (timestamp: number) => readonly Window[],
  maxSizeMs: number,
): Strategy<HeldUntil, WindowsByEnd> => ({
  open: (context) => new WindowsByEnd(context.series()),

  taker({ context, open, results, time, isOpen }) {
    function check({ start, end }: Window, timestamp: number): void {
      const isWindow = Number.isSafeInteger(start) && Number.isSafeInteger(end)
      if (isWindow && start <= timestamp && timestamp < end && end - start <= maxSizeMs) return
      throw new TidemarkError(
        'BAD_OPTION',
        `customWindow: windowsOf(${timestamp}) gave ${show({ start, end })}; give whole ms with start <= timestamp < end, at most ${maxSizeMs} ms (maxSize) apart`,
        { operator: context.operator },
      )
    }

    return (record) => {
      const { key, timestamp } = record
      const now = time.accept(timestamp)
      const windows = windowsOf(timestamp)
      if (windows.length === 0) context.drop(record, 'no window')
      let missed = 0
      for (const { start, end } of windows) {
        const window = { start, end }
        check(window, timestamp)
        if (isOpen(end, now)) results.add(open.find(key, window), window, record)
        else missed++
      }
      return missed
    }
  },
})

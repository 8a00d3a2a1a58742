import type { Clock } from '../ports/clock.js'
import { type Duration, durationMs } from '../record/duration.js'

/** A {@link Clock} that stands still until a test moves it. */
export interface TestClock extends Clock {
  /**
   * Moves time on by a duration, timer by timer: each fires at its own time, in the order of times and then of being set, and what it
   * sets in motion has come to rest before the next one. Ends settled.
   */
  advance(by: Duration): Promise<void>
  /**
   * Runs what is to happen `soon`, and lets promises and I/O finish, until nothing moves any more. Time stands still.
   *
   * @throws Error if it doesn't come to rest
   */
  settle(): Promise<void>
  /** Resolves after `ms` of this clock: for a call of a test that takes its time. */
  sleep(ms: number): Promise<void>
}

interface Timer {
  readonly time: number
  readonly callback: () => void
}

/** Turns of the event loop in which nothing may happen before all counts as at rest. */
const QUIET_TURNS = 4
/** A pipeline that still moves after so many turns never comes to rest. */
const MAX_TURNS = 1_000_000

/**
 * Makes a clock that tests own: `now()` moves only by `advance`, and what is to happen `soon` happens in `settle`.
 *
 * ```ts
 * const clock = testClock()
 * clock.after(100, () => console.log(clock.now()))
 * await clock.advance('1s') // 100
 * ```
 *
 * @param start ms since the epoch
 */
export function testClock(start = 0): TestClock {
  let now = start
  /** By time, then in the order in which they were set. */
  const timers: Timer[] = []
  let soon: (() => void)[] = []

  async function settle(): Promise<void> {
    let turns = 0
    for (let quiet = 0; quiet < QUIET_TURNS; quiet++) {
      await turn()
      while (soon.length > 0) {
        quiet = 0
        const callbacks = soon
        soon = []
        for (const callback of callbacks) callback()
        await turn()
        if (++turns > MAX_TURNS) throw new Error(`testClock: still moving after ${MAX_TURNS} turns`)
      }
    }
  }

  return {
    now: () => now,
    after(ms, callback) {
      const timer = { time: now + Math.max(0, ms), callback }
      let at = timers.length
      while (at > 0 && (timers[at - 1] as Timer).time > timer.time) at--
      timers.splice(at, 0, timer)
      return () => {
        const index = timers.indexOf(timer)
        if (index >= 0) timers.splice(index, 1)
      }
    },
    soon(callback) {
      soon.push(callback)
    },
    settle,
    async advance(by) {
      const until = now + durationMs(by, 'testClock: advance')
      await settle()
      for (let next = timers[0]; next !== undefined && next.time <= until; next = timers[0]) {
        timers.shift()
        now = Math.max(now, next.time)
        next.callback()
        await settle()
      }
      now = until
    },
    sleep(ms) {
      return new Promise((resolve) => {
        this.after(ms, resolve)
      })
    },
  }
}

// Taken when the module loads: a test framework that fakes timers later doesn't stop the event loop.
const { setImmediate: immediate } = globalThis as { setImmediate?: (callback: () => void) => void }

let channel: MessageChannel | undefined
const turns: (() => void)[] = []

/** Resolves in the next turn of the event loop, when all promises and the I/O that is ready have had theirs. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    if (immediate !== undefined) {
      immediate(resolve)
      return
    }
    if (channel === undefined) {
      channel = new MessageChannel()
      channel.port1.onmessage = () => turns.shift()?.()
    }
    turns.push(resolve)
    channel.port2.postMessage(null)
  })
}

import type { Clock } from '../ports/clock.js'

/** Waits, for as long as nobody ends it. */
export function shortPause(clock: Clock, ms: number): { readonly over: Promise<void>; end(): void } {
  let end = () => {}
  const over = new Promise<void>((resolve) => {
    const cancel = clock.after(ms, resolve)
    end = () => {
      cancel()
      resolve()
    }
  })
  return { over, end }
}

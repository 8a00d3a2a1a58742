import type { Clock } from './clock.js'

interface Timeouts {
  setTimeout(callback: () => void, ms: number): unknown
  clearTimeout(id: unknown): void
  setImmediate?(callback: () => void): void
  MessageChannel: new () => {
    port1: { onmessage: (() => void) | null }
    port2: { postMessage(message: unknown): void }
  }
}

const host = globalThis as unknown as Timeouts

/** The longest delay that setTimeout takes; a longer one would fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1

/** The host's clock. `soon` is a macrotask, so that I/O, timers and rendering get their turn between slices. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, callback) {
    const id = host.setTimeout(callback, Math.min(Math.max(0, ms), MAX_DELAY_MS))
    return () => host.clearTimeout(id)
  },
  soon(callback) {
    if (host.setImmediate !== undefined) host.setImmediate(callback)
    else postSoon(callback)
  },
}

// Nested setTimeout(0) waits 4 ms in browsers; a message doesn't.
let channel: InstanceType<Timeouts['MessageChannel']> | undefined
const posted: (() => void)[] = []

function postSoon(callback: () => void): void {
  if (channel === undefined) {
    channel = new host.MessageChannel()
    channel.port1.onmessage = () => posted.shift()?.()
  }
  posted.push(callback)
  channel.port2.postMessage(null)
}

/** Calls back after I/O has had its turn: `setImmediate` where there is one, else a message to itself. */
export function soon(callback: () => void): void {
  if (immediate) immediate(callback)
  else post(callback)
}

const immediate = (globalThis as { setImmediate?: (callback: () => void) => void }).setImmediate

let channel: MessageChannel | undefined
const posted: (() => void)[] = []

// A timer would do too, but browsers hold nested ones back by 4 ms.
function post(callback: () => void): void {
  if (!channel) {
    channel = new MessageChannel()
    channel.port1.onmessage = () => posted.shift()?.()
  }
  posted.push(callback)
  channel.port2.postMessage(null)
}

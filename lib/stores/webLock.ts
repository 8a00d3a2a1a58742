import { whenPutAside } from '../ports/whenPutAside.js'

// A tab that is reloaded or closed lets go of its lock a moment after the next one may ask for it.
const PATIENCE_MS = 1_000

/**
 * Takes a lock that one tab (or worker) of the origin can have at a time, and gives what lets go of it; undefined if
 * another keeps it. A page that the browser puts aside lets go of it. Browsers offer no such lock to pages without a secure context: there everybody gets one.
 */
export async function webLock(name: string): Promise<(() => Promise<void>) | undefined> {
  const locks = globalThis.navigator?.locks
  if (locks === undefined) return async () => {}
  return new Promise((resolve, reject) => {
    const granted = () =>
      new Promise<void>((release) => {
        const takeBack = whenPutAside(release)
        resolve(() => {
          takeBack()
          release()
          return ended
        })
      })
    const ended: Promise<void> = locks.request(name, { signal: AbortSignal.timeout(PATIENCE_MS) }, granted)
    ended.catch((error) => (error.name === 'TimeoutError' ? resolve(undefined) : reject(error)))
  })
}

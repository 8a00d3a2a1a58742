import { whenPutAside } from '../ports/whenPutAside.js'

// A tab that is reloaded or closed lets go of its lock a moment after the next one may ask for it.
const PATIENCE_MS = 1_000

/**
 * Takes a lock that one tab (or worker) of the origin can have at a time, and gives what lets go of it; undefined if
 * another keeps it. A page that the browser puts aside lets go of it, or waits for it no more: it would be given it there. Browsers offer no such lock to
 * pages without a secure context: there everybody gets one.
 */
export async function webLock(name: string): Promise<(() => Promise<void>) | undefined> {
  const locks = globalThis.navigator?.locks
  if (locks === undefined) return async () => {}
  return new Promise((resolve, reject) => {
    /** The wait for it, then the having. */
    const over = new AbortController()
    const { signal } = over
    const end = () => over.abort()
    const patience = setTimeout(end, PATIENCE_MS)
    const takeBack = whenPutAside(end)
    const granted = async () => {
      if (signal.aborted) return
      clearTimeout(patience)
      resolve(async () => {
        end()
        await ended
      })
      await new Promise<void>((release) => signal.addEventListener('abort', () => release(), { once: true }))
    }
    const ended: Promise<void> = locks.request(name, { signal }, granted)
    ended.catch((error) => (signal.aborted ? resolve(undefined) : reject(error))).finally(takeBack)
  })
}

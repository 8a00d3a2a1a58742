import { whenPutAside } from '../../ports/whenPutAside.js'
import type { TidemarkError } from '../../record/errors.js'

/** What a tab does when its turn has come: begins, and gives what ends it. */
export type Begin = () => Promise<() => Promise<void>>

/**
 * A tab's place in the queue for something that one of them has at a time. A page that the browser puts aside gives it up, or leaves the queue, and
 * lines up again when it is brought back.
 */
export class Turn {
  /** Resolves when it has begun; rejects if it couldn't, was lost or was closed before. */
  readonly begun: Promise<void>
  /** Aborts when it is over and nobody has closed it. */
  readonly lost: AbortSignal
  private readonly losing = new AbortController()
  private readonly closing = new AbortController()
  private readonly takeBack: () => void
  /** Of the request for the lock. */
  private waiting = new AbortController()
  private work: Promise<void> | undefined
  private resolve: () => void = () => {}
  private reject: (error: unknown) => void = () => {}

  /**
   * @param lock the name of a Web Lock
   * @param again is called when the page is brought back that had lost its turn
   */
  constructor(
    private readonly lock: string,
    private readonly begin: Begin,
    putAside: () => TidemarkError,
    again: () => void,
  ) {
    this.lost = this.losing.signal
    this.begun = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    this.takeBack = whenPutAside(
      () => {
        if (this.work) this.lose(putAside())
        else this.waiting.abort()
      },
      () => {
        if (this.lost.aborted) {
          this.takeBack()
          again()
        } else if (this.waiting.signal.aborted) this.lineUp()
      },
    )
    this.lineUp()
  }

  /**
   * Ends it, or the wait for it. Resolves when nothing of it is under way any more.
   *
   * @param why for those who wait for it
   */
  async close(why: TidemarkError): Promise<void> {
    this.takeBack()
    this.closing.abort()
    this.waiting.abort()
    if (this.work === undefined) this.reject(why)
    await this.work
  }

  private lose(error: TidemarkError): void {
    this.losing.abort(error)
    this.reject(error)
  }

  private lineUp(): void {
    this.waiting = new AbortController()
    const { signal } = this.waiting
    navigator.locks
      .request(this.lock, { signal }, () => {
        this.work = this.have()
        // A page that is put aside doesn't come to the end of it.
        return Promise.race([this.work, aborted(this.lost)])
      })
      .catch((error) => {
        if (!signal.aborted) this.reject(error)
      })
  }

  private async have(): Promise<void> {
    let end: () => Promise<void>
    try {
      end = await this.begin()
    } catch (error) {
      // Not by the request for the lock, which has ended by now if the page has been put aside.
      this.reject(error)
      return
    }
    this.resolve()
    await Promise.race([aborted(this.closing.signal), aborted(this.lost)])
    await end()
  }
}

/** Resolves when a signal aborts. */
export const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })

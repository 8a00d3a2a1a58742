import { TidemarkError } from '../record/errors.js'

/** How the app is, for the checks of whoever runs it. */
export interface Health {
  /** False if it won't come right by itself: it has failed, or a task has something to do and stands still. Restart it, or look. */
  readonly live: boolean
  /** Whether all tasks that this process has are restored and run. */
  readonly ready: boolean
  /** What is in the way of either. */
  readonly reasons: readonly string[]
}

/** Something that ought to go on. */
export interface Watched {
  /** A task, or `checkpoints`. */
  readonly name: string
  /** Whether there is something to do. */
  readonly isDue: boolean
  /** Differs from the last time if something was done. */
  readonly progress: string
  /** Why it does nothing, as far as is known. */
  readonly why: string | undefined
}

interface Standstill {
  progress: string
  since: number
  isTold: boolean
}

/** Notices what has something to do and does nothing. */
export class Watchdog {
  private readonly watched = new Map<string, Standstill>()

  constructor(private readonly stallMs: number) {}

  /**
   * To be called often.
   *
   * @returns an error `STALLED` for each that stands still, once until it has moved
   */
  look(now: number, all: readonly Watched[]): TidemarkError[] {
    const names = new Set(all.map(({ name }) => name))
    for (const name of this.watched.keys()) if (!names.has(name)) this.watched.delete(name)
    const errors: TidemarkError[] = []
    for (const { name, isDue, progress, why } of all) {
      const known = this.watched.get(name)
      if (known === undefined || !isDue || known.progress !== progress) {
        this.watched.set(name, { progress, since: now, isTold: false })
      } else if (!known.isTold && now - known.since >= this.stallMs) {
        known.isTold = true
        errors.push(
          new TidemarkError(
            'STALLED',
            `${name} has had something to do for ${now - known.since} ms and has done nothing: ${why ?? 'nothing is known to hold it'}`,
          ),
        )
      }
    }
    return errors
  }

  /** Those that stand still. */
  stalled(): string[] {
    return [...this.watched].filter(([, { isTold }]) => isTold).map(([name]) => name)
  }
}

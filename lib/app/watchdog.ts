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
  /** Whether it waits for something that isn't this process's: restarting it would help nobody. */
  readonly waitsForOthers?: boolean
}

interface Standstill {
  progress: string
  since: number
  isTold: boolean
  waitsForOthers: boolean
}

/** Notices what has something to do and does nothing. */
export class Watchdog {
  private readonly watched = new Map<string, Standstill>()
  private lookedAt: number | undefined

  constructor(private readonly stallMs: number) {}

  /**
   * To be called often.
   *
   * @returns an error `STALLED` for each that stands still, once until it has moved
   */
  look(now: number, all: readonly Watched[]): TidemarkError[] {
    // The process stood still itself, as in a debugger or a laptop that was closed.
    const sleptMs = now - (this.lookedAt ?? now)
    this.lookedAt = now
    if (sleptMs >= this.stallMs) for (const known of this.watched.values()) known.since += sleptMs
    const names = new Set(all.map(({ name }) => name))
    for (const name of this.watched.keys()) if (!names.has(name)) this.watched.delete(name)
    const errors: TidemarkError[] = []
    for (const { name, isDue, progress, why, waitsForOthers = false } of all) {
      const known = this.watched.get(name)
      if (known === undefined || !isDue || known.progress !== progress) {
        this.watched.set(name, { progress, since: now, isTold: false, waitsForOthers })
      } else if (!known.isTold && now - known.since >= this.stallMs) {
        known.isTold = true
        known.waitsForOthers = waitsForOthers
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

  /** Those that stand still and wait for nobody else. */
  stalled(): string[] {
    return [...this.watched].filter(([, { isTold, waitsForOthers }]) => isTold && !waitsForOthers).map(([name]) => name)
  }
}

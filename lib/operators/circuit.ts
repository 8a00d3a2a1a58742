import { type Duration, durationMs } from '../record/duration.js'
import { show, TidemarkError } from '../record/errors.js'

export interface CircuitOptions {
  /** So many calls in a row that fail open it. */
  readonly failures: number
  /** How long no call is made then. After that one is: if it succeeds the circuit closes, else it stays open for as long again. */
  readonly openFor: Duration
  /**
   * What becomes of calls meanwhile: `wait` (default) makes them later, and the task reads no further once there are `concurrency` of them; `reject` lets each fail
   * with `CIRCUIT_OPEN`, so that `onError` decides.
   */
  readonly meanwhile?: 'wait' | 'reject'
}

export interface CircuitSettings {
  readonly failures: number
  readonly openForMs: number
  readonly rejects: boolean
}

/** @throws TidemarkError `BAD_OPTION`, `BAD_DURATION` */
export function circuitSettings({ failures, openFor, meanwhile = 'wait' }: CircuitOptions): CircuitSettings {
  if (!Number.isInteger(failures) || failures < 1)
    throw new TidemarkError(
      'BAD_OPTION',
      `mapAsync: circuit.failures must be a whole number of at least 1; got ${show(failures)}`,
      { operator: 'mapAsync' },
    )
  return { failures, openForMs: durationMs(openFor, 'mapAsync: circuit.openFor', 1), rejects: meanwhile === 'reject' }
}

/** Stops calls to what seems to be down. */
export class Circuit {
  /** `half`: a call may be tried; `tried`: one is being tried. */
  private state: 'closed' | 'open' | 'half' | 'tried' = 'closed'
  private inARow = 0
  private cancel = () => {}

  constructor(
    private readonly settings: CircuitSettings,
    /** A timer; returns what cancels it. */
    private readonly after: (ms: number, run: () => void) => () => void,
    /** It has been open for long enough. */
    private readonly onHalf: () => void,
  ) {}

  /** Whether calls fail while it is open, rather than wait. */
  get rejects(): boolean {
    return this.settings.rejects
  }

  /** Whether a call may be made now. */
  admits(): boolean {
    if (this.state !== 'half') return this.state === 'closed'
    this.state = 'tried'
    return true
  }

  succeeded(): void {
    this.inARow = 0
    this.state = 'closed'
    this.cancel()
  }

  failed(): void {
    this.inARow++
    // Calls that were under way when it opened say nothing new.
    if (this.state === 'open' || this.state === 'half') return
    if (this.state === 'closed' && this.inARow < this.settings.failures) return
    this.state = 'open'
    this.cancel = this.after(this.settings.openForMs, () => {
      this.state = 'half'
      this.onHalf()
    })
  }
}

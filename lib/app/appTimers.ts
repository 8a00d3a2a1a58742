import { idleCheckMs } from './idleCheckMs.js'
import { isPassing } from './isPassing.js'
import type { Runtime } from './runtime.js'

/** Between looks whether topics have other partitions, ms. */
const PARTITIONS_MS = 60_000

/** What an app does from time to time. */
export class AppTimers {
  private readonly cancels = new Set<() => void>()

  constructor(private readonly runtime: Runtime) {}

  start(): void {
    const { options, plan, checkpoints, slices, figures, logEnds, resources } = this.runtime
    this.every(options.commitMs, () => checkpoints.commit())
    this.every(options.watermarkMs, async () => slices.stampExchanges())
    this.every(Math.max(1, Math.floor(options.stallMs / 4)), () => figures.watch())
    this.every(PARTITIONS_MS, () => resources.checkPartitions(plan).catch((error) => this.tellIfPassing(error)))
    const idleMs = idleCheckMs(plan)
    if (Number.isFinite(idleMs)) this.every(idleMs, () => logEnds.checkIdle())
  }

  /** Ends all of them; who pauses goes on at once. */
  cancel(): void {
    for (const cancel of [...this.cancels]) cancel()
    this.cancels.clear()
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        cancel()
        this.cancels.delete(end)
        resolve()
      }
      const cancel = this.runtime.clock.after(ms, end)
      this.cancels.add(end)
    })
  }

  /** What couldn't be looked at now can be the next time. */
  private tellIfPassing(error: unknown): void {
    if (!isPassing(this.runtime.asError(error))) throw error
    this.runtime.report(error)
  }

  /** Runs something again and again, each time that long after the last. */
  private every(ms: number, run: () => Promise<void>): void {
    const { clock, membership } = this.runtime
    const cancel = clock.after(ms, () => {
      this.cancels.delete(cancel)
      run()
        .catch((error) => membership.trouble(error))
        .finally(() => {
          if (this.runtime.isActive) this.every(ms, run)
        })
    })
    this.cancels.add(cancel)
  }
}

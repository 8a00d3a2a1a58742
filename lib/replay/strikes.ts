import { idleCheckMs } from '../app/idleCheckMs.js'
import type { Plan } from '../app/plan.js'

/** In a gap of the recording the clock strikes at most so often: a year without records doesn't take a year's seconds. */
const MAX_STRIKES = 1_000

/** When a replay's clock strikes: idle partitions are looked for then, and exchanges hear how far time is. */
export class Strikes {
  /** ms of recorded time. */
  next = 0
  private readonly everyMs: number

  /** @param watermarkMs between words of an exchange's writer about its time */
  constructor(plan: Plan, watermarkMs: number) {
    const hasExchanges = plan.subTopologies.some(({ exchanges }) => exchanges.length > 0)
    this.everyMs = Math.min(hasExchanges ? watermarkMs : Number.POSITIVE_INFINITY, idleCheckMs(plan))
  }

  /** The next one after a time, on the way to another: at whole multiples of the interval, so that it doesn't matter where one begins. */
  set(time: number, until = time): void {
    const { everyMs } = this
    if (everyMs === Number.POSITIVE_INFINITY) this.next = everyMs
    else {
      const beats = Math.max(1, Math.ceil((until - time) / everyMs / MAX_STRIKES))
      this.next = (Math.floor(time / everyMs) + beats) * everyMs
    }
  }
}

import type { Clock } from '../ports/clock.js'

interface Timer {
  time: number
  readonly delayMs: number
  readonly callback: () => void
}

/** Where a clock stood. */
export interface SavedClock {
  readonly time: number
  readonly timers: readonly { readonly time: number; readonly delayMs: number }[]
}

/** The time at which records were recorded, as a clock: it stands still but for whoever replays them. */
export class RecordedClock implements Clock {
  /** By time, then in the order in which they were set. */
  private timers: Timer[] = []
  private waiting: (() => void)[] = []

  constructor(private time: number) {}

  now(): number {
    return this.time
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { time: this.time + Math.max(0, delayMs), delayMs, callback }
    this.insert(timer)
    return () => {
      const index = this.timers.indexOf(timer)
      if (index >= 0) this.timers.splice(index, 1)
    }
  }

  soon(callback: () => void): void {
    this.waiting.push(callback)
  }

  /** Whether something waits that is to happen `soon`. */
  get isDue(): boolean {
    return this.waiting.length > 0
  }

  /** Lets it happen. */
  runSoon(): void {
    const { waiting } = this
    this.waiting = []
    for (const callback of waiting) callback()
  }

  /** When the next timer is due. */
  get due(): number {
    return this.timers[0]?.time ?? Number.POSITIVE_INFINITY
  }

  /** Goes on to a time, and calls back the timers that are due then. It never goes back. */
  moveTo(time: number): void {
    this.time = Math.max(this.time, time)
    while (this.due <= this.time) (this.timers.shift() as Timer).callback()
  }

  /** Where it stands: the time, and when the timers are due. */
  save(): SavedClock {
    return { time: this.time, timers: this.timers.map(({ time, delayMs }) => ({ time, delayMs })) }
  }

  /** Begins anew at a time, with no timers: who had some sets them again, then {@link takeUp} says when they are due. */
  reset(time: number): void {
    this.time = time
    this.timers = []
    this.waiting = []
  }

  /** Makes the timers that have been set since {@link reset} due when they were, in that order: what runs again and again keeps its beat. */
  takeUp({ timers: saved }: SavedClock): void {
    const open = [...this.timers]
    const take = (isIt: (timer: Timer) => boolean) => {
      const index = open.findIndex(isIt)
      return index < 0 ? undefined : open.splice(index, 1)[0]
    }
    // Those that know when they are due; of the others only the beat is known.
    const exact = saved.map(({ time }) => take((timer) => timer.time === time))
    this.timers = []
    saved.forEach(({ time, delayMs }, index) => {
      const found = exact[index] ?? take((timer) => timer.delayMs === delayMs)
      if (found !== undefined) this.insert(Object.assign(found, { time }))
    })
    for (const timer of open) this.insert(timer)
  }

  private insert(timer: Timer): void {
    let at = this.timers.length
    while (at > 0 && (this.timers[at - 1] as Timer).time > timer.time) at--
    this.timers.splice(at, 0, timer)
  }
}

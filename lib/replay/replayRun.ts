import { TidemarkError } from '../record/errors.js'
import { operatorFailed } from '../record/operatorFailed.js'
import { type Changes, mergeInto } from './changes.js'
import type { TaskEntries } from './frame.js'
import type { RecordedClock } from './recordedClock.js'
import type { RecordedRecord } from './recordedRecord.js'
import type { Recording } from './recording.js'
import type { ReplayCheckpoints } from './replayCheckpoints.js'
import type { ReplayGlobals } from './replayGlobals.js'
import { ReplayOutputs } from './replayOutputs.js'
import type { ReplayTasks } from './replayTasks.js'
import { Strikes } from './strikes.js'

/** What happens from one record to the next, moment by moment, and how far time was before it. */
interface Gap {
  readonly moments: IterableIterator<void>
  readonly timestamp: number
  readonly watermark: number
}

export interface ReplayRunOptions {
  readonly recording: Recording
  readonly clock: RecordedClock
  readonly tasks: ReplayTasks
  readonly globals: ReplayGlobals
  readonly checkpoints: ReplayCheckpoints
  /** Between words of an exchange's writer about its time. */
  readonly watermarkMs: number
}

/** Takes the tasks of a replay from record to record, and back. It knows no time but the recording's, and never waits but for calls of the user's. */
export class ReplayRun {
  /** How many records have been handled. */
  index = 0
  readonly recording: Recording
  readonly checkpoints: ReplayCheckpoints
  readonly outputs = new ReplayOutputs()
  private readonly tasks: ReplayTasks
  private readonly clock: RecordedClock
  private readonly strikes: Strikes
  /** What has changed since the checkpoint `base`, as far as it has been taken. */
  private changes: Changes = new Map()
  /** It has gone back from here by itself, and has to come here again before it is anywhere. */
  owed: number | undefined
  /** A record has been broken off while it waited for calls: all that it is good for is {@link restore}. */
  isHalfway = false
  /** What happens before the next record, if it has begun. */
  private gap: Gap | undefined
  private isWaiting = false
  private isClosed = false

  constructor(private readonly options: ReplayRunOptions) {
    const { recording, tasks, clock, checkpoints, watermarkMs } = options
    this.recording = recording
    this.tasks = tasks
    this.clock = clock
    this.checkpoints = checkpoints
    this.strikes = new Strikes(tasks.plan, watermarkMs)
    this.begin()
  }

  get failure(): TidemarkError | undefined {
    return this.tasks.failure
  }

  /** Something that no task has failed by: a state that can't be written, say. */
  fail(error: unknown): void {
    this.tasks.error(error instanceof TidemarkError ? error : operatorFailed(error), true)
  }

  /** How far time is at the present place. */
  get timestamp(): number {
    return this.gap?.timestamp ?? this.clock.now()
  }

  get watermark(): number {
    return this.gap?.watermark ?? this.tasks.watermark
  }

  /** The time at which the next record is handled; Infinity after the last. */
  get nextTime(): number {
    if (this.index >= this.recording.size) return Number.POSITIVE_INFINITY
    return Math.max(this.clock.now(), this.recording.timestamp(this.index))
  }

  /** Whether the next record, or what happens before it, has begun and not ended. */
  get isInGap(): boolean {
    return this.gap !== undefined
  }

  /** Whether so many records have been handled, and nothing is left to do about it. */
  isAt(index: number): boolean {
    return this.index >= index && this.options.globals.isFilled
  }

  // ---- forward

  /**
   * Handles records up to a place and a time, as long as `isOver` lets it.
   *
   * @param until ms of recorded time
   * @returns a promise only where it waits for calls
   */
  advance(to: number, until: number, isOver: () => boolean): Promise<void> | undefined {
    if (this.tasks.hasCalls) return this.advanceWaiting(to, until, isOver)
    const { tasks, recording, clock } = this
    const { globals } = this.options
    while (globals.fill(isOver) && this.index < to && this.nextTime <= until && tasks.failure === undefined) {
      const record = recording.record(this.index)
      if (this.gap === undefined && record.timestamp < this.strikes.next && record.timestamp < clock.due) {
        this.take(record)
        tasks.settle()
      } else {
        const { moments } = this.gapBefore(record)
        for (let n = 1; !moments.next().done; n++) {
          tasks.settle()
          if (tasks.isBrokenOff) break
          if ((n & 31) === 0 && isOver()) return undefined
        }
      }
      this.end()
      if ((this.index & 31) === 0 && isOver()) return undefined
    }
    return undefined
  }

  private async advanceWaiting(to: number, until: number, isOver: () => boolean): Promise<void> {
    const { globals } = this.options
    const isOn = () => this.index < to && this.nextTime <= until && this.failure === undefined && !this.isClosed
    while (globals.fill(isOver) && isOn()) {
      const { moments } = this.gapBefore(this.recording.record(this.index))
      for (let n = 1; !moments.next().done; n++) {
        this.tasks.settle()
        while (this.tasks.isCalling && !this.tasks.isBrokenOff) {
          this.isWaiting = true
          await this.tasks.nextCall()
          this.isWaiting = false
          if (this.isClosed || this.isHalfway) return
          this.tasks.settle()
        }
        if (this.tasks.isBrokenOff) break
        if ((n & 31) === 0 && isOver()) return
      }
      this.end()
      if (isOver()) return
    }
  }

  private gapBefore(record: RecordedRecord): Gap {
    const { timestamp, watermark } = this
    this.gap ??= { moments: this.moments(record), timestamp, watermark }
    return this.gap
  }

  /** Nobody waits any longer for calls that are under way, if any are. */
  interrupt(): void {
    if (!this.isWaiting) return
    this.isHalfway = true
    this.tasks.wake()
  }

  /** What happens from one record to the next, where the clock has something to do in between; after each moment all comes to rest. */
  private *moments(record: RecordedRecord): IterableIterator<void> {
    const { clock, tasks } = this
    const time = Math.max(clock.now(), record.timestamp)
    for (;;) {
      const next = Math.min(clock.due, this.strikes.next)
      if (next > time) break
      clock.moveTo(next)
      yield
      if (next < this.strikes.next) continue
      tasks.checkIdle()
      yield
      tasks.stampExchanges()
      yield
      this.strikes.set(next, time)
    }
    this.strikes.set(time)
    this.take(record)
    yield
  }

  /** Gives the record itself to those that read it. */
  private take(record: RecordedRecord): void {
    const { clock, tasks } = this
    clock.moveTo(record.timestamp)
    this.options.globals.take(record)
    tasks.deliver(record)
  }

  private end(): void {
    const { tasks, checkpoints } = this
    this.gap = undefined
    if (tasks.failure !== undefined) return
    if (tasks.isGoingBack) {
      this.goBack()
      return
    }
    this.index++
    if (tasks.written.length > 0) {
      this.outputs.add(this.index, tasks.written)
      tasks.written = []
    }
    const isBack = this.index === this.owed
    if (isBack) this.owed = undefined
    if (this.index === checkpoints.last) {
      // That checkpoint has them.
      tasks.takeChanges()
      this.rebase(this.index)
    } else if ((isBack || checkpoints.isDue(this.index)) && tasks.isAtRest) this.checkpoint()
  }

  private checkpoint(): void {
    this.takeChanges()
    this.checkpoints.add(this.index, this.tasks.frame(), this.changes)
    this.rebase(this.index)
  }

  /** Adds what has changed to what has been taken since `base`. */
  private takeChanges(): void {
    mergeInto(this.changes, this.tasks.takeChanges())
  }

  private rebase(index: number): void {
    this.checkpoints.base = index
    this.changes = new Map()
  }

  /** The entries of all states, as a checkpoint would have them now. */
  entries(): TaskEntries {
    this.takeChanges()
    return this.checkpoints.entries(this.checkpoints.base, this.changes)
  }

  /** A record has gone wrong half-way, and what is to become of it is known now: all begin anew before it. */
  private goBack(): void {
    const { index } = this
    this.restore(index, this.tasks.all)
    // The next one that goes wrong may be near.
    if (this.index < index) this.owed = index
  }

  // ---- back

  /**
   * Goes to the last checkpoint at or before a place.
   *
   * @param learnt tasks that know what is to become of bad records; otherwise that is found out again, as it was the first time
   */
  restore(to: number, learnt?: ReplayTasks['all']): void {
    this.isHalfway = false
    this.gap = undefined
    this.owed = undefined
    const at = this.checkpoints.before(to)
    if (at === undefined) this.begin(learnt)
    else {
      this.index = at
      this.rebase(at)
      this.options.globals.open(at)
      this.tasks.open(this.checkpoints.at(at), learnt)
      this.strikes.set(this.clock.now())
    }
  }

  private begin(learnt?: ReplayTasks['all']): void {
    this.index = 0
    this.rebase(0)
    this.options.globals.open(0)
    this.clock.reset(this.recording.size === 0 ? 0 : this.recording.timestamp(0))
    this.strikes.set(this.clock.now())
    this.tasks.open(undefined, learnt)
    this.tasks.settle()
  }

  close(): void {
    this.isClosed = true
    this.tasks.close()
    this.options.globals.close()
    this.checkpoints.clear()
    this.outputs.clear()
  }
}

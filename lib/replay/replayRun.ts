import type { StoreEntry } from '../ports/store.js'
import { TidemarkError } from '../record/errors.js'
import type { Frame, TaskEntries } from './frame.js'
import type { RecordedClock } from './recordedClock.js'
import type { RecordedRecord } from './recordedRecord.js'
import type { Recording } from './recording.js'
import type { ReplayCheckpoints } from './replayCheckpoints.js'
import type { ReplayGlobals } from './replayGlobals.js'
import { ReplayOutputs } from './replayOutputs.js'
import type { ReplayTasks } from './replayTasks.js'

export interface ReplayRunOptions {
  readonly recording: Recording
  readonly clock: RecordedClock
  readonly tasks: ReplayTasks
  readonly globals: ReplayGlobals
  readonly checkpoints: ReplayCheckpoints
  /** Between words of an exchange's writer about its time. */
  readonly watermarkMs: number
}

/** Between two looks for idle partitions: a part of the shortest time-out, as in an app. */
const MAX_IDLE_CHECK_MS = 1_000
const MIN_IDLE_CHECK_MS = 10
/** In a gap of the recording the clock strikes at most so often: a year without records doesn't take a year's seconds. */
const MAX_STRIKES = 1_000

/** Takes the tasks of a replay from record to record, and back. It knows no time but the recording's, and never waits but for calls of the user's. */
export class ReplayRun {
  /** How many records have been handled. */
  index = 0
  readonly recording: Recording
  readonly checkpoints: ReplayCheckpoints
  readonly outputs = new ReplayOutputs()
  private readonly tasks: ReplayTasks
  private readonly clock: RecordedClock
  /** When the clock strikes, and how often: ms. */
  private readonly strikeMs: number
  private nextStrike = 0
  /** What has changed since the checkpoint `base`, as far as it has been taken. */
  private changes: Map<string, StoreEntry[]> = new Map()
  /** It has gone back from here by itself, and has to come here again before it is anywhere. */
  owed: number | undefined
  /** A record has been broken off while it waited for calls: all that it is good for is {@link restore}. */
  isHalfway = false
  private isWaiting = false
  private isClosed = false

  constructor(private readonly options: ReplayRunOptions) {
    const { recording, tasks, clock, checkpoints, watermarkMs } = options
    this.recording = recording
    this.tasks = tasks
    this.clock = clock
    this.checkpoints = checkpoints
    const idleMs = Math.min(
      ...tasks.plan.subTopologies.flatMap(({ sources }) =>
        sources.map(({ watermark }) => watermark?.idleMs ?? Number.POSITIVE_INFINITY),
      ),
    )
    this.strikeMs = Math.min(
      tasks.plan.subTopologies.some(({ exchanges }) => exchanges.length > 0) ? watermarkMs : Number.POSITIVE_INFINITY,
      Math.max(MIN_IDLE_CHECK_MS, Math.min(MAX_IDLE_CHECK_MS, idleMs / 2)) +
        (Number.isFinite(idleMs) ? 0 : Number.POSITIVE_INFINITY),
    )
    this.begin()
  }

  get failure(): TidemarkError | undefined {
    return this.tasks.failure
  }

  /** Something that no task has failed by: a state that can't be written, say. */
  fail(error: unknown): void {
    this.tasks.error(
      error instanceof TidemarkError
        ? error
        : new TidemarkError(
            'OPERATOR_FAILED',
            error instanceof Error ? error.message : String(error),
            {},
            { cause: error },
          ),
      true,
    )
  }

  get timestamp(): number {
    return this.clock.now()
  }

  get watermark(): number {
    return this.tasks.watermark
  }

  /** The time at which the next record is handled; Infinity after the last. */
  get nextTime(): number {
    if (this.index >= this.recording.size) return Number.POSITIVE_INFINITY
    return Math.max(this.clock.now(), this.recording.timestamp(this.index))
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
    while (this.index < to && this.nextTime <= until && tasks.failure === undefined) {
      const record = recording.record(this.index)
      if (record.timestamp < this.nextStrike && record.timestamp < clock.due) {
        this.take(record)
        tasks.settle()
      } else {
        for (const _ of this.moments(record)) {
          tasks.settle()
          if (tasks.isBrokenOff) break
        }
      }
      this.end()
      if ((this.index & 31) === 0 && isOver()) return undefined
    }
    return undefined
  }

  private async advanceWaiting(to: number, until: number, isOver: () => boolean): Promise<void> {
    while (this.index < to && this.nextTime <= until && this.failure === undefined && !this.isClosed) {
      const record = this.recording.record(this.index)
      for (const _ of this.moments(record)) {
        this.tasks.settle()
        while (this.tasks.isCalling && !this.tasks.isBrokenOff) {
          this.isWaiting = true
          await this.tasks.nextCall()
          this.isWaiting = false
          if (this.isClosed || this.isHalfway) return
          this.tasks.settle()
        }
        if (this.tasks.isBrokenOff) break
      }
      this.end()
      if (isOver()) return
    }
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
      const next = Math.min(clock.due, this.nextStrike)
      if (next > time) break
      clock.moveTo(next)
      yield
      if (next < this.nextStrike) continue
      tasks.checkIdle()
      yield
      tasks.stampExchanges()
      yield
      this.nextStrike = this.strikeAfter(next, time)
    }
    this.nextStrike = this.strikeAfter(time, time)
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

  /** At whole multiples of its interval, so that it doesn't matter where one begins. */
  private strikeAfter(time: number, until: number): number {
    const { strikeMs } = this
    if (strikeMs === Number.POSITIVE_INFINITY) return strikeMs
    const beats = Math.max(1, Math.ceil((until - time) / strikeMs / MAX_STRIKES))
    return (Math.floor(time / strikeMs) + beats) * strikeMs
  }

  private end(): void {
    const { tasks, checkpoints } = this
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
      tasks.save()
      this.rebase(this.index)
    } else if ((isBack || checkpoints.isDue(this.index)) && tasks.isAtRest) this.checkpoint()
  }

  private checkpoint(): void {
    const frame = this.takeChanges()
    this.checkpoints.add(this.index, frame, this.changes)
    this.rebase(this.index)
  }

  /** Adds what has changed to what has been taken since `base`. */
  private takeChanges(): Frame {
    const { frame, changes } = this.tasks.save()
    for (const [task, entries] of changes) {
      const own = this.changes.get(task)
      if (own === undefined) this.changes.set(task, [...entries])
      else for (const entry of entries) own.push(entry)
    }
    return frame
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
    this.owed = undefined
    const at = this.checkpoints.before(to)
    if (at === undefined) this.begin(learnt)
    else {
      this.index = at
      this.rebase(at)
      this.options.globals.open(this.recording, at)
      this.tasks.open(this.checkpoints.at(at), learnt)
      this.nextStrike = this.strikeAfter(this.clock.now(), this.clock.now())
    }
  }

  private begin(learnt?: ReplayTasks['all']): void {
    this.index = 0
    this.rebase(0)
    this.options.globals.open(this.recording, 0)
    this.clock.reset(this.recording.size === 0 ? 0 : this.recording.timestamp(0))
    this.nextStrike = this.strikeAfter(this.clock.now(), this.clock.now())
    this.tasks.open(undefined, learnt)
    this.tasks.settle()
  }

  close(): void {
    this.isClosed = true
    this.tasks.close()
    this.options.globals.close()
  }
}

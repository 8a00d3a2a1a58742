import { BehaviorSubject, Subject } from 'rxjs'
import type { Clock } from '../ports/clock.js'
import { show, TidemarkError } from '../record/errors.js'
import type { ReplayPosition, ReplayState } from './createReplay.js'
import type { ReplayOutput } from './replayOutputs.js'
import type { ReplayRun } from './replayRun.js'

/** Longest run of records before the page, or the event loop, gets its turn. */
const SLICE_MS = 8
/** The longest that it waits at a time for a record whose time hasn't come. */
const WAIT_MS = 1_000

interface Goal {
  readonly index: number
  readonly resolve: (isThere: boolean) => void
  readonly reject: (error: TidemarkError) => void
}

/** Plays a run: moves it on at its speed, or to where somebody wants to go. One command is followed at a time; a later one takes over. */
export class Player {
  readonly position$: BehaviorSubject<ReplayPosition>
  readonly state$ = new BehaviorSubject<ReplayState>('paused')
  readonly outputs$ = new Subject<ReplayOutput>()
  readonly errors$ = new Subject<TidemarkError>()
  private goal: Goal | undefined
  private isPlaying = false
  private isFailed = false
  private isClosed = false
  private running: Promise<void> | undefined
  /** Ends what it waits for. */
  private hurry: () => void = () => {}
  private speedNow = 1
  /** Where recorded time was, at which time. */
  private anchor = { recorded: 0, real: 0 }

  constructor(
    private readonly run: ReplayRun,
    private readonly clock: Clock,
  ) {
    this.position$ = new BehaviorSubject(this.positionNow())
  }

  private positionNow(): ReplayPosition {
    const { index, recording, timestamp, watermark } = this.run
    return { index, of: recording.size, timestamp, watermark }
  }

  get speed(): number {
    return this.speedNow
  }

  set speed(speed: number) {
    if (!(speed === Number.POSITIVE_INFINITY || (speed >= 0.1 && speed <= 1_000)))
      throw new TidemarkError('BAD_OPTION', `speed must be from 0.1 to 1000, or Infinity; got ${show(speed)}`)
    this.speedNow = speed
    this.setAnchor()
    this.hurry()
  }

  /** Something that the pipeline goes on after: told once, the first time that it is met. */
  report(error: TidemarkError): void {
    if (this.run.index >= this.run.outputs.known) this.errors$.next(error)
  }

  // ---- commands

  play(): void {
    this.checkOpen()
    this.isPlaying = true
    this.setAnchor()
    this.go()
  }

  async pause(): Promise<void> {
    this.isPlaying = false
    this.interrupt()
    await this.running
  }

  step(records: number): Promise<boolean> {
    if (!Number.isInteger(records))
      throw new TidemarkError('BAD_OPTION', `step takes a whole number of records; got ${show(records)}`)
    this.isPlaying = false
    const from = this.goal?.index ?? this.run.index
    return this.seek(Math.min(this.run.recording.size, Math.max(0, from + records)))
  }

  seek(index: number): Promise<boolean> {
    this.checkOpen()
    this.goal?.resolve(false)
    return new Promise((resolve, reject) => {
      this.goal = { index, resolve, reject }
      this.interrupt()
      this.go()
    })
  }

  async close(): Promise<void> {
    if (this.isClosed) return
    this.isClosed = true
    this.isPlaying = false
    this.goal?.resolve(false)
    this.goal = undefined
    this.run.close()
    this.hurry()
    await this.running
    this.state$.next('closed')
    for (const subject of [this.position$, this.state$, this.outputs$, this.errors$]) subject.complete()
  }

  private checkOpen(): void {
    if (this.isClosed) throw new TidemarkError('BAD_STATE', 'this replay has been closed; make another one')
  }

  // ---- moving

  private go(): void {
    this.hurry()
    this.running ??= this.move()
  }

  /** Another command has come: nothing is waited for any longer. */
  private interrupt(): void {
    this.run.interrupt()
    this.hurry()
  }

  private async move(): Promise<void> {
    // Commands that come at once are seen at once: the last of them counts.
    await Promise.resolve()
    while (!this.isClosed) {
      // What a record that was broken off has done is done away with.
      const { run } = this
      const owed = run.owed ?? (run.isHalfway || (run.isInGap && !this.isPlaying) ? run.index : undefined)
      if (this.goal === undefined && owed !== undefined && !this.isFailed) await this.goBackTo(owed)
      else if (this.goal !== undefined) {
        // Whoever hears it may want something else: then that counts.
        if (!this.tell('seeking')) await this.approach(this.goal)
      } else if (this.isPlaying && !this.isFailed && run.index < run.recording.size) {
        if (!this.tell('playing')) await this.playOn()
      } else break
    }
    // Not later: a command that comes from now on starts it again.
    this.running = undefined
    if (this.isClosed) return
    this.isPlaying = false
    this.tell(this.isFailed ? 'failed' : 'paused')
  }

  private async approach(goal: Goal): Promise<void> {
    const { run } = this
    const nearest = run.checkpoints.before(goal.index) ?? 0
    const from = this.position$.value.index
    const isBehind = goal.index < run.index || (goal.index === run.index && run.isInGap)
    if (isBehind || this.isFailed || run.isHalfway || nearest > run.index) this.restore(goal.index)
    const isOn = () => this.goal === goal && !this.isClosed && !this.isFailed && !run.isHalfway
    while (!run.isAt(goal.index) && isOn()) await this.slice(goal.index)
    if (this.goal !== goal || run.isHalfway) return
    this.goal = undefined
    this.setAnchor()
    this.tell(this.isFailed ? 'failed' : this.isPlaying ? 'playing' : 'paused')
    this.moved(from)
    if (run.failure === undefined) goal.resolve(true)
    else goal.reject(run.failure)
  }

  /** To where it has been before. */
  private async goBackTo(index: number): Promise<void> {
    const { run } = this
    const from = this.position$.value.index
    if (run.isHalfway || (run.isInGap && run.owed === undefined)) this.restore(index)
    while (!run.isAt(index) && this.goal === undefined && !this.isClosed && !this.isFailed && !run.isHalfway)
      await this.slice(index)
    if (run.index === index) this.moved(from)
  }

  private restore(to: number): void {
    this.isFailed = false
    try {
      this.run.restore(to)
    } catch (error) {
      this.run.fail(error)
      this.hasFailed()
    }
  }

  private hasFailed(): void {
    const { failure } = this.run
    if (failure === undefined || this.isFailed) return
    this.isFailed = true
    this.errors$.next(failure)
  }

  private async playOn(): Promise<void> {
    const { run, clock, anchor } = this
    const from = this.position$.value.index
    const until =
      this.speedNow === Number.POSITIVE_INFINITY
        ? this.speedNow
        : anchor.recorded + (clock.now() - anchor.real) * this.speedNow
    if (run.nextTime <= until) {
      await this.slice(run.recording.size, until)
      if (run.owed === undefined && !run.isHalfway) this.moved(from)
    } else {
      await new Promise<void>((resolve) => {
        const cancel = clock.after(Math.min(WAIT_MS, (run.nextTime - until) / this.speedNow), resolve)
        this.hurry = () => {
          cancel()
          resolve()
        }
      })
      this.hurry = () => {}
    }
  }

  /** Records for a few ms; then others have their turn. */
  private async slice(to: number, until = Number.POSITIVE_INFINITY): Promise<void> {
    const { run, clock } = this
    const end = performance.now() + SLICE_MS
    try {
      await run.advance(to, until, () => performance.now() >= end)
    } catch (error) {
      run.fail(error)
    }
    this.hasFailed()
    await new Promise<void>((resolve) => clock.soon(resolve))
  }

  private setAnchor(): void {
    this.anchor = { recorded: this.run.timestamp, real: this.clock.now() }
  }

  /** @returns whether that is new */
  private tell(state: ReplayState): boolean {
    if (this.state$.value === state) return false
    this.state$.next(state)
    return true
  }

  /** Tells where it is, and what has been written on the way there. */
  private moved(from: number): void {
    const { outputs, index } = this.run
    if (this.isClosed) return
    if (index !== from) this.position$.next(this.positionNow())
    if (index <= from) return
    for (const output of outputs.between(outputs.countAt(from), outputs.countAt(index))) this.outputs$.next(output)
  }
}

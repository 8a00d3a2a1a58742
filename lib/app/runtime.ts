import { BehaviorSubject, Subject } from 'rxjs'
import type { Position } from '../ports/broker.js'
import type { Clock } from '../ports/clock.js'
import { TidemarkError } from '../record/errors.js'
import { operatorFailed } from '../record/operatorFailed.js'
import type { ErrorPolicies } from '../task/errorPolicy.js'
import type { Tracer } from '../task/tracer.js'
import { ValueBudget } from '../task/valueBudget.js'
import { AlignmentGroup } from './alignment.js'
import type { AppState } from './appStats.js'
import { AppTimers } from './appTimers.js'
import { Checkpoints } from './checkpoints.js'
import { Figures } from './figures.js'
import { LogEnds } from './logEnds.js'
import { Membership } from './membership.js'
import { tasksOf } from './partitions.js'
import type { Plan } from './plan.js'
import type { PlanComparison } from './planComparison.js'
import { Resources } from './resources.js'
import type { RuntimeOptions } from './runtimeOptions.js'
import type { Savepoint, Savepoints } from './savepoints.js'
import { Slices } from './slices.js'
import { StoredState } from './storedState.js'
import type { StoredValues, TaskHost } from './taskHost.js'
import type { TaskScope } from './taskScope.js'

/** How long `start` waits for tasks before it leaves the rest to `state$`. */
const START_MS = 5_000

/** Ids of the apps that run in this process. */
const running = new Set<string>()

/** An app's life from start to end, and what its tasks and its parts share. */
export class Runtime implements TaskHost {
  readonly state$ = new BehaviorSubject<AppState>('created')
  readonly errors$ = new Subject<TidemarkError>()
  readonly clock: Clock
  readonly values: StoredValues | undefined
  plan!: Plan
  failure: TidemarkError | undefined
  readonly stored: StoredState
  readonly resources: Resources
  readonly membership: Membership
  readonly slices: Slices
  readonly checkpoints: Checkpoints
  readonly logEnds: LogEnds
  readonly figures: Figures
  readonly timers: AppTimers
  private readonly alignments = new Map<string, AlignmentGroup>()
  private hasAssigned: (() => void) | undefined
  private ending: Promise<void> | undefined
  private starting: Promise<void> | undefined
  private hasStarted = false
  private readonly stopping = new AbortController()

  constructor(readonly options: RuntimeOptions) {
    this.clock = options.clock
    const { readThrough } = options
    this.values = readThrough && {
      budget: new ValueBudget(readThrough.maxBytes),
      read: (scope, key) => readThrough.read(scope, key),
    }
    this.stored = new StoredState(options)
    this.resources = new Resources(options, this.stored, (error, fatal) => this.error(error, fatal))
    this.membership = new Membership(this)
    this.slices = new Slices(this)
    this.checkpoints = new Checkpoints(this)
    this.logEnds = new LogEnds(this)
    this.figures = new Figures(this)
    this.timers = new AppTimers(this)
  }

  get state(): AppState {
    return this.state$.value
  }

  get isActive(): boolean {
    return this.state === 'running' || this.state === 'rebalancing' || this.state === 'starting'
  }

  get tasks(): readonly TaskScope[] {
    return this.membership.tasks
  }

  get positions(): Position[] {
    return this.tasks.flatMap((task) => task.positions)
  }

  // ---- start and stop

  start(): Promise<void> {
    // One that is refused ends no other.
    const isFirst = this.state === 'created'
    const starting = this.begin()
    if (isFirst) this.starting = starting.catch(() => {})
    return starting
  }

  private async begin(): Promise<void> {
    const { id, instance } = this.options
    if (this.state !== 'created')
      throw this.refuse('BAD_STATE', `start: the app is ${this.state}; make a new one to run it again`)
    const name = `${id}/${instance}`
    if (running.has(name))
      throw this.refuse(
        'APP_ID_TAKEN',
        `an app ${id} runs in this process already; give one another id, or an instance name if they are members of one group`,
      )
    this.plan = this.options.plan()
    if (this.plan.subTopologies.every((sub) => sub.sources.length === 0))
      throw this.refuse('BAD_OPTION', 'the app reads no topic; pass a pipeline over app.stream(…) to app.run')
    running.add(name)
    this.resources.opened.push(async () => {
      running.delete(name)
    })
    this.state$.next('starting')
    const first = new Promise<void>((resolve) => {
      this.hasAssigned = resolve
    })
    try {
      await this.resources.open(this.plan, () => this.turn())
      if (!this.isStopping) await this.membership.join()
    } catch (error) {
      this.failed(this.asError(error))
    }
    if (this.failure === undefined) {
      this.timers.start()
      if (!this.isStopping) await Promise.race([first, this.timers.pause(START_MS)])
    }
    if (this.failure !== undefined) {
      await this.ending
      throw this.failure
    }
    this.hasStarted = true
  }

  /** Waits until this is where the state is; false if the app is stopped before. */
  private async turn(): Promise<boolean> {
    const { broker, keeper } = this.options
    if (keeper === 'broker' && broker.standBy !== undefined && !this.isStopping) {
      this.state$.next('standing by')
      const lost = await broker.standBy(this.stopping.signal)
      lost.addEventListener('abort', () => this.failed(this.asError(lost.reason)))
      if (!this.isStopping) this.state$.next('starting')
    }
    return !this.isStopping
  }

  private get isStopping(): boolean {
    return this.stopping.signal.aborted
  }

  /** Tasks run, or there is none to run. */
  runs(): void {
    if (this.state !== 'running') this.state$.next('running')
    this.hasAssigned?.()
  }

  async stop(): Promise<void> {
    if (this.state === 'created') {
      this.state$.next('stopped')
      return
    }
    this.stopping.abort()
    this.hasAssigned?.()
    await this.starting
    if (this.state === 'stopped' || this.state === 'failed' || this.state === 'stopping') {
      await this.ending
      return
    }
    this.state$.next('stopping')
    this.ending = this.end(async () => {
      await this.checkpoints.commit()
      // Whoever comes next reads it; that it is committed is known, whatever becomes of the broker.
      await this.attempt(() => this.checkpoints.settle())
    })
    await this.ending
    if (this.failure === undefined) this.state$.next('stopped')
  }

  private async end(last: () => Promise<void>): Promise<void> {
    this.timers.cancel()
    await this.membership.rejoining
    try {
      await last()
    } catch (error) {
      this.failed(this.asError(error))
    }
    await this.membership.leave()
    for (const close of this.resources.opened.reverse()) await this.attempt(close)
    this.resources.opened = []
  }

  // ---- errors

  failed(error: TidemarkError): void {
    if (this.state === 'failed' || this.state === 'stopped') return
    const known = error.at({ app: this.options.id })
    this.failure = known
    const wasStopping = this.state === 'stopping'
    this.state$.next('failed')
    // Nobody listens and no call is there to reject: told as RxJS tells an error without a handler.
    if (!this.errors$.observed && this.hasStarted)
      this.clock.after(0, () => {
        throw known
      })
    this.errors$.next(known)
    this.hasAssigned?.()
    // Nothing is committed: the last checkpoint holds, and what followed it is done again.
    if (!wasStopping) this.ending = this.end(async () => {})
  }

  error(error: TidemarkError, fatal: boolean): void {
    if (fatal) this.membership.trouble(error)
    else this.errors$.next(error.at({ app: this.options.id }))
  }

  /** Tells an error; the app goes on after it. */
  report(error: unknown): void {
    this.errors$.next(this.asError(error))
  }

  async attempt(run: () => Promise<unknown> | undefined): Promise<void> {
    try {
      await run()
    } catch (error) {
      this.report(error)
    }
  }

  /** @throws TidemarkError that it failed by, or `BAD_STATE` */
  checkRuns(): void {
    if (this.failure !== undefined) throw this.failure
    if (!this.isActive) throw this.refuse('BAD_STATE', `the app is ${this.state}`)
  }

  refuse(code: TidemarkError['code'], reason: string): TidemarkError {
    return new TidemarkError(code, reason, { app: this.options.id })
  }

  asError(error: unknown): TidemarkError {
    if (error instanceof TidemarkError) return error.at({ app: this.options.id })
    return operatorFailed(error, { app: this.options.id })
  }

  // ---- state as it is stored

  /** Before the start what it would find, afterwards what it has found. */
  async compare(): Promise<PlanComparison> {
    await this.starting
    const { comparison } = this.resources
    if (comparison !== undefined) return comparison()
    return this.stored.visit((plan, counts) => this.stored.upgrade(plan, counts).compare())
  }

  /** Keeps a copy of what is stored, as of now. */
  async savepoint(name: string): Promise<Savepoint> {
    await this.starting
    if (this.state === 'created') return this.stored.saveUnstarted(name)
    await this.stored.savepoints.checkFree(name)
    return this.checkpoints.still(() =>
      this.stored.save(
        name,
        this.plan,
        this.positions,
        (sub) => this.tasks.filter((task) => task.sub === sub).map(({ partition }) => partition),
        'running',
      ),
    )
  }

  /** Does something with the savepoints that the store has. */
  async savepoints<T>(run: (savepoints: Savepoints) => Promise<T>): Promise<T> {
    await this.starting
    const { savepoints } = this.stored
    return this.state === 'created' ? this.stored.visit(() => run(savepoints)) : run(savepoints)
  }

  // ---- what tasks ask for

  wake(): void {
    this.slices.wake()
  }

  get slice(): number {
    return this.slices.current
  }

  get isStill(): boolean {
    return this.checkpoints.isStill
  }

  goBack(task: TaskScope): void {
    const { slots } = this.resources
    // A commit that is under way may have its checkpoint, and one that has ended can be read a moment later.
    const settle = () => slots.settle([slots.of(task.partition)])
    this.membership.life?.assignment.goBack(task, this.checkpoints.between(settle))
  }

  get onError(): ErrorPolicies | undefined {
    return this.options.onError
  }

  get trace(): Tracer | undefined {
    return this.options.trace
  }

  get maxTaskIdleMs(): number {
    return this.options.maxTaskIdleMs
  }

  alignment(group: string): AlignmentGroup {
    let found = this.alignments.get(group)
    if (found === undefined) {
      found = new AlignmentGroup(group)
      this.alignments.set(group, found)
    }
    return found
  }

  partitions(topic: string): number {
    return this.resources.counts.get(topic) as number
  }

  tasksIn(subTopology: number): number {
    return tasksOf(this.plan, subTopology, this.resources.counts)
  }

  /** How many tasks the app has, over all processes. */
  get taskCount(): number {
    return this.plan.subTopologies.reduce((sum, { id }) => sum + this.tasksIn(id), 0)
  }
}

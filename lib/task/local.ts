import { Observable, type Subscriber, type Subscription } from 'rxjs'
import type { Clock } from '../ports/clock.js'
import { systemClock } from '../ports/systemClock.js'
import { TidemarkError } from '../record/errors.js'
import { badTimestamp, isTimestamp } from '../record/timestamp.js'
import { active, building } from './current.js'
import type { AnyRecord, Attempt, Definition, Outcome, TaskInfo, TopicTarget } from './definition.js'
import type { Input } from './input.js'
import { lateBranch } from './lateBranch.js'
import type { Node } from './node.js'
import { pauseMs } from './retry.js'
import { Scope } from './scope.js'
import type { Checkpointed } from './state.js'
import type { Tracer } from './tracer.js'
import { idleWatermarks, type Lane, type SourceTime } from './watermark.js'

/** The task of a chain that belongs to no app: memory state, one partition, plain Observables as sources. */
export class LocalScope extends Scope {
  readonly info: TaskInfo = { id: 'local', partition: 0, writer: 'local' }
  readonly tracked = false
  private readonly waiting: (() => void)[] = []
  private hasFailed = false
  private isClosed = false
  private cancelIdle: (() => void) | undefined
  private root: Subscriber<unknown> | undefined

  private constructor(
    readonly clock: Clock,
    private isHolding: boolean,
    trace: Tracer | undefined,
  ) {
    super()
    this.follow = trace?.follow(this)
  }

  static subscribe<T>(
    pipeline: Observable<T>,
    subscriber: Subscriber<T>,
    holds: boolean,
    clock: Clock = systemClock,
    trace?: Tracer,
  ): void {
    const scope = new LocalScope(clock, holds, trace)
    scope.root = subscriber as Subscriber<unknown>
    subscriber.add(() => scope.close())
    scope.within(() => {
      subscriber.add(pipeline.subscribe(subscriber) as Subscription)
    })
    scope.complete(subscriber)
  }

  /** The graph is complete: what waited comes in. */
  private complete(subscriber: Subscriber<unknown>): void {
    this.isHolding = false
    if (this.isClosed) return
    try {
      this.seal()
      this.checkSides()
    } catch (error) {
      subscriber.error(error)
      return
    }
    this.openToReaders()
    for (const enter of this.waiting.splice(0)) enter()
  }

  private close(): void {
    this.isClosed = true
    this.cancelIdle?.()
    this.closeNodes()
  }

  private enter(run: () => void): void {
    if (this.isHolding) this.waiting.push(() => this.enter(run))
    else if (!this.hasFailed && !this.isClosed) {
      this.dispatch(() => {
        run()
        if (!this.hasFailed) this.continueAdvance(never)
      })
    }
  }

  outside(input: Input, record: unknown): void {
    if (this.hasFailed || this.isClosed) return
    if (input.edges.length > 0) {
      this.caught(input.node, gap(input, record as AnyRecord, this), record as AnyRecord)
      return
    }
    if (this.isHolding) this.waiting.push(() => this.outside(input, record))
    else this.dispatchRecord(this.take, input, record)
  }

  private readonly take = (input: Input, record: unknown): void => {
    if (!this.sealed && !this.trySeal(input.node)) return
    const { timestamp } = record as AnyRecord
    if (!isTimestamp(timestamp)) {
      this.caught(input.node, badTimestamp(timestamp), record as AnyRecord)
      return
    }
    const { entry } = input
    const lane = entry.lane(0, 0)
    if (entry.declared !== undefined && entry.declared.idleMs < Number.POSITIVE_INFINITY) {
      lane.activeAt = this.clock.now()
      this.watchIdle()
    }
    this.measure(entry, lane, timestamp)
    input.next(record)
    if (entry.declared?.punctuated !== undefined && !this.hasFailed)
      this.takePunctuation(input, lane, record as AnyRecord)
    if (this.isAdvancing && !this.hasFailed) this.continueAdvance(never)
  }

  private takePunctuation({ node, entry }: Input, lane: Lane, record: AnyRecord): void {
    try {
      this.punctuate(entry, lane, record)
    } catch (error) {
      this.caught(node, error, record)
    }
  }

  private trySeal(node: Node): boolean {
    try {
      this.seal()
      return true
    } catch (error) {
      this.caught(node, error, undefined)
      return false
    }
  }

  private watchIdle(): void {
    if (this.cancelIdle !== undefined) return
    const entries: SourceTime[] = []
    for (const node of this.nodes.values())
      for (const input of node.inputs) if (input.edges.length === 0) entries.push(input.entry)
    const shortest = Math.min(...entries.map((entry) => entry.declared?.idleMs ?? Number.POSITIVE_INFINITY))
    this.cancelIdle = this.clock.after(shortest, () => {
      this.cancelIdle = undefined
      this.enter(() => {
        for (const [entry, watermark] of idleWatermarks(entries, this.clock.now(), () => true))
          this.raise(entry, watermark)
      })
      if (!this.isClosed && !this.hasFailed) this.watchIdle()
    })
  }

  caught(node: Node, error: unknown, record: AnyRecord | undefined): void {
    if (this.hasFailed) return
    this.hasFailed = true
    this.abandon()
    const wrapped = this.wrap(node, error, record)
    for (const edge of node.edges) edge.subscriber.error(wrapped)
    // Nobody reads a node that has completed: what it throws all the same still ends the chain.
    this.root?.error(wrapped)
  }

  inputError(input: Input, error: unknown): void {
    if (this.isHolding) this.waiting.push(() => this.inputError(input, error))
    else for (const edge of input.node.edges) edge.subscriber.error(error)
  }

  inputComplete(input: Input): void {
    if (this.isHolding) {
      this.waiting.push(() => this.inputComplete(input))
      return
    }
    this.enter(() => {
      const { node } = input
      if (!this.sealed && !this.trySeal(node)) return
      try {
        input.isComplete = true
        this.version++
        if (node.inputs.every((other) => other.isComplete)) node.end()
        this.beginAdvance()
      } catch (error) {
        this.caught(node, error, undefined)
      }
    })
  }

  later(node: Node, run: () => void): void {
    this.enter(() => {
      try {
        run()
        this.beginAdvance()
      } catch (error) {
        this.caught(node, error, undefined)
      }
    })
  }

  protected released(node: Node): void {
    if (node.edges.length > 0) return
    this.nodes.delete(node.definition)
    this.closeNode(node)
  }

  protected admit(definition: Definition, known: Node | undefined): void {
    const { role } = definition
    const operator = definition.name ?? definition.kind
    if (role?.is === 'source') {
      throw new TidemarkError(
        'NOT_PLANNED',
        'a stream of an app was subscribed outside of it; pass the pipeline to app.run',
        { operator, topic: role.topic },
      )
    }
    if (known?.hasEmitted && !this.isHolding) throw lateBranch(operator)
  }

  protected isCut(): boolean {
    return false
  }

  override nodeOf(definition: Definition): Node {
    const node = this.nodes.get(definition)
    if (node !== undefined) return node
    throw lateBranch(definition.name ?? definition.kind)
  }

  restored(): Iterable<never> {
    return []
  }

  restoredTime(): undefined {
    return undefined
  }

  stateName(node: Node): string {
    return node.operator
  }

  register<S extends Checkpointed>(_node: Node, state: S): S {
    return state
  }

  block(_node: Node, _blocked: boolean): void {}

  origin(): undefined {
    return undefined
  }

  /** Outside an app there is no topic for dead letters, and nothing to go back to: calls that fail can be left out, or made again. */
  onBehalf(node: Node, { tries, run }: Attempt): Outcome {
    try {
      run()
      return this.hasFailed ? 'over' : 'done'
    } catch (error) {
      const { onError } = node.definition
      const isRetry = typeof onError === 'object' && onError.is === 'retry'
      if (isRetry && tries < onError.times) return { againMs: pauseMs(onError, tries, 0) }
      if ((isRetry ? onError.orElse : onError) === 'skip') {
        node.countDrop('bad record')
        return 'aside'
      }
      this.caught(node, error, undefined)
      return 'over'
    }
  }

  target({ operator }: Node): TopicTarget {
    throw new TidemarkError(
      'NOT_PLANNED',
      `${operator} writes to a topic or a database, which only an app can do; pass the pipeline to app.run`,
      { operator },
    )
  }

  write(node: Node): void {
    this.target(node)
  }

  writeRow(node: Node): void {
    this.target(node)
  }
}

const never = () => false

export function gap(input: Input, record: AnyRecord, scope: Scope): TidemarkError {
  const place = {
    operator: input.node.operator,
    topic: record?.topic,
    partition: record?.partition,
    offset: record?.offset,
  }
  if (active !== undefined && active !== scope) {
    return new TidemarkError(
      'FOREIGN_TASK',
      'a record came from another task, through share, shareReplay, connect or a Subject between two of our operators; use shared() instead',
      place,
    )
  }
  return new TidemarkError(
    'ASYNC_GAP',
    'a record came outside of its dispatch: an asynchronous operator (delay, debounceTime, observeOn, mergeMap to a promise) stands between two of ours; use mapAsync for asynchronous work',
    place,
  )
}

/**
 * Makes the task of a pipeline that belongs to no app, so that it can have branches: records that plain Observables emit
 * while it is being subscribed wait until all of it is there.
 *
 * ```
 * const all = in.pipe(shared())
 * in                                      a----b----|
 * local(merge(all.pipe(f), all.pipe(g)))  (pq)-(rs)-|     p: f(a)   q: g(a)   r: f(b)   s: g(b)
 * ```
 *
 * State is kept in memory and gone on unsubscribe. On completion windows close and their results come out first; an
 * error of the source comes out unchanged.
 *
 * @param options.clock wall clock for idle time-outs; a test brings its own
 * @param options.trace a `tracer`, to see what goes on in it
 */
export function local<T>(
  pipeline: Observable<T>,
  options: { readonly clock?: Clock; readonly trace?: Tracer } = {},
): Observable<T> {
  return new Observable<T>((subscriber) => {
    if (building !== undefined) return pipeline.subscribe(subscriber)
    LocalScope.subscribe(pipeline, subscriber, true, options.clock, options.trace)
    return undefined
  })
}

import type { Observable, Subscriber } from 'rxjs'
import type { Clock } from '../ports/clock.js'
import { type ErrorPlace, TidemarkError } from '../record/errors.js'
import { operatorFailed } from '../record/operatorFailed.js'
import { active, building, definitionOf, setActive, setBuilding } from './current.js'
import { declareWatermarks } from './declareWatermarks.js'
import type { AnyRecord, Attempt, Definition, Outcome, TaskInfo, TopicTarget, TopicWrite } from './definition.js'
import { Edge, type Path } from './edge.js'
import type { Input } from './input.js'
import { lateBranch } from './lateBranch.js'
import { lateOutputOf } from './lateOutput.js'
import { Node } from './node.js'
import { inOrder } from './order.js'
import type { Origin } from './origin.js'
import { hide, show } from './readers.js'
import type { Checkpointed, StateHome } from './state.js'
import type { StoredValue } from './storedValue.js'
import { Timeline } from './timeline.js'
import type { Tracer } from './tracer.js'

/**
 * A graph of nodes made by subscribing a pipeline: a planner's (never fed), a task's of an app, or a local one. It owns
 * dispatch and, with its {@link Timeline}, the advance of time.
 */
export abstract class Scope extends Timeline implements StateHome {
  readonly nodes = new Map<Definition, Node>()
  private isSealed = false
  /** What is handled now has come out by itself (a timer, a window that closes): no record is to blame for it. */
  isFiring = false
  /** Tells of what its nodes do: of each, before it is set up and, by what that returns, afterwards. */
  protected follow: ReturnType<Tracer['follow']> | undefined
  protected path: Path = { to: undefined, windowing: undefined, watermark: undefined }

  abstract readonly info: TaskInfo
  abstract readonly clock: Clock
  abstract readonly tracked: boolean
  abstract restored(name: string): Iterable<readonly [key: string, value: StoredValue]>
  abstract restoredTime(node: Node): number | undefined
  /** The time below which an operator's never falls: it had been reached before a restart. */
  restoredReach(_node: Node): number {
    return Number.NEGATIVE_INFINITY
  }
  abstract stateName(node: Node): string
  abstract register<S extends Checkpointed>(node: Node, state: S): S
  abstract target(node: Node): TopicTarget
  abstract write(node: Node, write: TopicWrite): void
  abstract writeRow(node: Node, record: AnyRecord): void
  abstract origin(): Origin | undefined
  abstract onBehalf(node: Node, attempt: Attempt): Outcome
  abstract block(node: Node, blocked: boolean): void
  abstract later(node: Node, run: () => void): void
  /** A record came to an input while this task wasn't dispatching. */
  abstract outside(input: Input, record: unknown): void
  abstract inputError(input: Input, error: unknown): void
  abstract inputComplete(input: Input): void
  /** A consumer went away. */
  protected abstract released(node: Node): void
  /** Whether inputs of this definition belong to another task. */
  protected abstract isCut(definition: Definition): boolean
  /** A node has been made: a source gets its time here. */
  protected created(_node: Node): void {}
  /** May throw: who subscribes here and now? */
  protected abstract admit(definition: Definition, known: Node | undefined): void

  // ---- building

  /** Subscribes something with this scope as the current one. */
  within<T>(run: () => T): T {
    const outer = building
    setBuilding(this)
    try {
      return run()
    } finally {
      setBuilding(outer)
    }
  }

  /** An Observable of ours is subscribed. */
  attach(definition: Definition, subscriber: Subscriber<unknown>): void {
    const { path } = this
    const known = this.nodes.get(definition)
    this.admit(definition, known)
    const node = known ?? new Node(this, definition)
    if (known === undefined) {
      this.nodes.set(definition, node)
      this.created(node)
    }
    const edge = new Edge(node, subscriber, path.to, path.windowing, path.watermark)
    node.addConsumer(edge)
    this.isSealed = false
    subscriber.add(() => {
      node.removeConsumer(edge)
      this.released(node)
    })
    if (known === undefined && !this.isCut(definition)) this.subscribeInputs(node)
  }

  protected subscribeInputs(node: Node): void {
    const outer = this.path
    for (const input of node.inputs) {
      this.path = { to: input, windowing: undefined, watermark: undefined }
      try {
        ;(node.definition.inputs[input.index] as Observable<unknown>).subscribe(input.subscriber)
      } finally {
        this.path = outer
      }
    }
  }

  /** Declares something about the stretch between the next node and what is subscribed in `run`. */
  declare(change: (path: Path) => void, run: () => void): void {
    const outer = this.path
    const path = { ...outer }
    change(path)
    this.path = path
    try {
      // A plain source right here has no node to carry what was declared: the input does.
      if (path.to !== undefined) {
        path.to.windowing = path.windowing
        path.to.entry.declared = path.watermark
      }
      run()
    } finally {
      this.path = outer
    }
  }

  /** Fixes the order of nodes and lets the new ones set themselves up. */
  seal(): void {
    if (this.isSealed) return
    this.isSealed = true
    this.linkOutputs()
    this.ordered = this.sort()
    this.ordered.forEach((node, order) => {
      node.order = order
    })
    for (const node of this.ordered) node.sortConsumers()
    for (const node of this.ordered.toReversed()) node.gatherNeeds()
    declareWatermarks(this.nodes.values())
    for (const node of this.ordered) this.makeReady(node)
  }

  protected makeReady(node: Node): void {
    if (node.isReady) {
      node.checkWindowing()
      return
    }
    const afterwards = this.follow?.(node)
    node.ready()
    afterwards?.()
  }

  /** Nodes that must come before this one. */
  protected before(node: Node): readonly Node[] {
    return node.inputs.flatMap((input) => input.edges.map((edge) => edge.from))
  }

  get sealed(): boolean {
    return this.isSealed
  }

  /** Side outputs have no input of their own: they follow those that write to them. */
  private linkOutputs(): void {
    for (const node of this.nodes.values()) {
      const late = node.definition.windowing === 'resolves' ? lateOutputOf(node) : undefined
      for (const output of [...node.definition.sideOutputs, late]) {
        if (output && definitionOf(output)?.role?.is !== 'side')
          throw new TidemarkError('BAD_OPTION', 'what comes out beside must go to a sideOutput(...)', {
            operator: node.operator,
          })
        const input = output && this.outputNode(output)?.inputs[0]
        if (input === undefined || input.edges.some((edge) => edge.from === node)) continue
        if (node.hasEmitted) throw lateBranch(input.node.operator)
        input.edges.push(new Edge(node, input.subscriber, input, undefined, undefined))
      }
    }
  }

  /** @throws TidemarkError `NOT_PLANNED` for a side output to which nothing would ever come */
  checkSides(place?: ErrorPlace): void {
    for (const { writers, operator } of this.ordered) {
      if (writers?.length !== 0) continue
      throw new TidemarkError(
        'NOT_PLANNED',
        'no operator writes this side output here; pass it to one (late, sideOutputs) of the app, or wrap the pipeline in local(merge(main, late))',
        { ...place, operator },
      )
    }
  }

  /** Side outputs of a node to which nothing more can come. */
  endedSides(of: Node): Node[] {
    return [...this.nodes.values()].filter(
      ({ writers }) => writers?.includes(of) && writers.every((writer) => writer.isComplete),
    )
  }

  outputNode(output: object): Node | undefined {
    // What is no output of ours has no definition, and so no node.
    return this.nodes.get(definitionOf(output) as Definition)
  }

  /** The order in which nodes get their records and their time. */
  protected sort(): Node[] {
    return inOrder([...this.nodes.values()], (node) => this.before(node))
  }

  /** Lets tables be read from outside, as long as the task runs. */
  protected openToReaders(): void {
    for (const node of this.nodes.values()) if (node.shown !== undefined) show(node)
  }

  protected closeNodes(): void {
    for (const node of this.nodes.values()) this.closeNode(node)
  }

  protected closeNode(node: Node): void {
    hide(node)
    for (const input of node.inputs) input.subscriber.unsubscribe()
    node.handlers.close?.()
  }

  nodeOf(definition: Definition): Node {
    const node = this.nodes.get(definition)
    if (node === undefined)
      throw new TidemarkError('NOT_PLANNED', `${definition.name ?? definition.kind} isn't part of this task`)
    return node
  }

  // ---- dispatch

  /** Runs something with this task as the active one. */
  dispatch(run: () => void): void {
    const outer = active
    setActive(this)
    try {
      run()
    } finally {
      setActive(outer)
    }
  }

  /** The same for one record: a closure for each would cost a fifth of a local chain's speed. */
  dispatchRecord(take: (input: Input, record: unknown) => void, input: Input, record: unknown): void {
    const outer = active
    setActive(this)
    try {
      take(input, record)
    } finally {
      setActive(outer)
    }
  }

  /** Stops the running dispatch: whatever it still emits reaches nobody. */
  abandon(): void {
    if (active === this) setActive(undefined)
  }

  /** Goes on with it after that. */
  goOn(): void {
    setActive(this)
  }

  // ---- errors

  protected placeOf(node: Node, record: AnyRecord | undefined): ErrorPlace {
    if (typeof record !== 'object' || record === null) return { operator: node.operator }
    return {
      operator: node.operator,
      ...(record.topic ? { topic: record.topic, partition: record.partition, offset: record.offset } : {}),
      // A table's change has no place in a log, but a key.
      ...('key' in record && { key: record.key }),
    }
  }

  protected wrap(node: Node, error: unknown, record: AnyRecord | undefined): TidemarkError {
    const place = this.placeOf(node, record)
    return error instanceof TidemarkError ? error.at(place) : operatorFailed(error, place)
  }
}

import type { Observable, Subscription } from 'rxjs'
import { systemClock } from '../ports/systemClock.js'
import { TidemarkError } from '../record/errors.js'
import type { AnyRecord, Definition, Outcome, TaskInfo, TopicTarget } from '../task/definition.js'
import type { Input } from '../task/input.js'
import type { Node } from '../task/node.js'
import { Scope } from '../task/scope.js'
import type { Checkpointed } from '../task/state.js'
import { upstream } from '../task/upstream.js'
import { SourceTime, type Watermark } from '../task/watermark.js'

const NAME = /^[A-Za-z0-9._-]+$/

/** A graph that is never fed: subscribing the pipelines in it shows what an app consists of. */
export class PlanScope extends Scope {
  readonly info: TaskInfo = { id: 'plan', partition: 0, writer: 'plan' }
  readonly clock = systemClock
  readonly tracked = false
  readonly states = new Map<string, { readonly node: Node; readonly state: Checkpointed }>()
  private readonly writers: Observable<never>[] = []
  private failure: unknown

  constructor(
    private readonly app: object,
    private readonly needsNames: boolean,
  ) {
    super()
  }

  /** Subscribes all roots and the writing halves of the exchanges found on the way, and leaves them subscribed. */
  plan(roots: readonly Observable<unknown>[]): () => void {
    const waiting = [...roots]
    const subscriptions: Subscription[] = []
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const root = next
      subscriptions.push(
        this.within(() =>
          root.subscribe({
            error: (error) => {
              this.failure ??= error
            },
          }),
        ),
      )
      if (this.failure !== undefined) throw this.failure
      waiting.push(...this.writers.splice(0))
    }
    this.seal()
    return () => {
      for (const subscription of subscriptions) subscription.unsubscribe()
      this.closeNodes()
    }
  }

  get order(): readonly Node[] {
    return this.ordered
  }

  protected isCut(definition: Definition): boolean {
    return definition.role?.is === 'exchange'
  }

  protected override created(node: Node): void {
    const { role } = node.definition
    if (role?.is === 'source') {
      node.source = new SourceTime()
      node.source.declared = role.watermark
    } else if (role?.is === 'exchange') {
      node.source = new SourceTime()
      node.source.carried = true
      this.writers.push(role.writer)
    }
  }

  /** The writing half of an exchange comes before its reading half. */
  protected override before(node: Node): readonly Node[] {
    const found = super.before(node)
    const writer = this.writerOf(node)
    return writer === undefined ? found : [writer, ...found]
  }

  private writerOf(node: Node): Node | undefined {
    const { role } = node.definition
    return role?.is === 'exchange' ? this.outputNode(role.writer) : undefined
  }

  protected override makeReady(node: Node): void {
    if (this.writerOf(node)?.hasWatermark === true && node.source !== undefined) node.source.declared = CARRIED
    super.makeReady(node)
  }

  protected admit(definition: Definition): void {
    const { role } = definition
    if (role?.is === 'source' && role.app !== this.app) {
      throw new TidemarkError(
        'NOT_PLANNED',
        'a stream of another app is read here; make the stream with the app that runs the pipeline',
        {
          operator: definition.name ?? definition.kind,
          topic: role.topic,
        },
      )
    }
  }

  stateName(node: Node): string {
    const { name, kind } = node.definition
    if (name !== undefined) {
      if (!NAME.test(name)) {
        throw new TidemarkError(
          'BAD_OPTION',
          `the name ${JSON.stringify(name)} may hold letters, digits, '.', '_' and '-' only`,
          { operator: name },
        )
      }
      return name
    }
    if (this.needsNames) {
      throw new TidemarkError(
        'UNNAMED_STATE',
        `${kind} keeps state in a durable store and has no name, so the next change of the pipeline would lose it; add { name: '${proposeName(node)}' }`,
        { operator: kind },
      )
    }
    return `${kind}-${this.ordered.indexOf(node)}`
  }

  register<S extends Checkpointed>(node: Node, state: S): S {
    const other = this.states.get(state.name)
    if (other !== undefined) {
      throw new TidemarkError(
        'NAME_TAKEN',
        `two states of the app are called ${state.name} (${other.node.definition.kind}, ${node.definition.kind}); give each operator a name of its own`,
        {
          operator: node.operator,
        },
      )
    }
    this.states.set(state.name, { node, state })
    return state
  }

  inputError(_input: Input, error: unknown): void {
    this.failure ??= error
  }

  /** A plain source that completes at once (of, from): fine in itself, but it feeds no task. */
  inputComplete(): void {}

  outside(input: Input, record: unknown): void {
    this.failure ??= new TidemarkError(
      'NOT_PLANNED',
      `a plain Observable emitted into an app's pipeline; write its records to a topic and read that, or use a chain outside the app`,
      { operator: input.node.operator, key: (record as AnyRecord | null)?.key },
    )
  }

  caught(_node: Node, error: unknown): void {
    this.failure ??= error
  }

  restored(): Iterable<never> {
    return []
  }

  restoredTime(): undefined {
    return undefined
  }

  target(): TopicTarget {
    throw new TidemarkError('NOT_PLANNED', 'nothing is written while an app is planned')
  }

  origin(): undefined {
    return undefined
  }

  onBehalf(): Outcome {
    return 'over'
  }

  protected released(): void {}
  write(): void {}
  writeRow(): void {}
  block(): void {}
  later(): void {}
}

/** What a reader of an exchange has where the writing tasks have a watermark. */
const CARRIED: Watermark = { boundMs: 0, idleMs: Number.POSITIVE_INFINITY, punctuated: undefined, alignment: undefined }

function proposeName(node: Node): string {
  const topics = [...upstream(node)].flatMap(({ definition: { role } }) => (role?.is === 'source' ? [role.topic] : []))
  const kind = node.definition.kind.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  return [...topics.slice(0, 1), kind].join('-').replace(/[^A-Za-z0-9._-]/g, '-')
}

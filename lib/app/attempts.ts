import type { OutRecord } from '../ports/broker.js'
import type { TidemarkError } from '../record/errors.js'
import type { Attempt, Outcome } from '../task/definition.js'
import type { ErrorStage } from '../task/errorPolicy.js'
import type { Node } from '../task/node.js'
import type { Origin } from '../task/origin.js'
import { BadRecords, type Doing, type Verdict } from './badRecords.js'
import type { TaskHost } from './taskHost.js'
import type { TaskScope } from './taskScope.js'
import { withFate } from './withFate.js'

/** The current record, for the first time. */
export const FIRST: Doing = { origin: undefined, call: undefined, tries: 0 }

/** What a task does on behalf of a record, one at a time, and what becomes of it when that goes wrong. */
export class Attempts {
  readonly known: BadRecords
  /** Nodes that have registered state. */
  private readonly keepers = new Set<Node>()
  /** What is being done, if anything is. */
  private doing: Doing | undefined
  /** It has reached what keeps something of it: it can't be taken back here. */
  isTouched = false
  /** It has gone wrong, and this is to become of the record. */
  private verdict: Verdict | undefined
  /** Length of the output before it. */
  private mark = 0

  constructor(
    private readonly task: TaskScope,
    private readonly host: TaskHost,
    /** The record that is being read. */
    private readonly current: () => Origin | undefined,
  ) {
    this.known = new BadRecords(host.plan.app, task.sub, host.onError)
  }

  /** Goes on for a task that has gone back. */
  takeOver(before: Attempts, unsent: readonly OutRecord[] | 'all'): void {
    this.known.takeOver(before.known, unsent)
  }

  /** A node keeps something. */
  keeps(node: Node): void {
    this.keepers.add(node)
  }

  /** Notes from now on whenever a record reaches a node that keeps something of it. */
  watch(node: Node): void {
    if (!this.known.isTolerant) return
    const { handlers, definition } = node
    if (!this.keepers.has(node) && !node.hasFirings && !definition.usesTime && handlers.holds === undefined) return
    const record = handlers.record.bind(handlers)
    handlers.record = (given, input) => {
      this.isTouched = true
      record(given, input)
    }
  }

  /** Whether what is being done has gone wrong. */
  get hasFailed(): boolean {
    return this.verdict !== undefined
  }

  /** The record behind what is being done, where something may yet become of it. */
  origin(): Origin | undefined {
    return this.known.isTolerant ? this.behind : undefined
  }

  /** The record behind what is being done. */
  private get behind(): Origin | undefined {
    return this.task.isFiring || this.doing === undefined ? undefined : (this.current() ?? this.doing.origin)
  }

  begin(doing: Doing): void {
    this.doing = doing
    this.mark = this.task.output.records.length
    this.isTouched = false
    this.task.isFiring = false
  }

  wentWrong(node: Node, stage: ErrorStage, error: TidemarkError): void {
    const { doing, task } = this
    if (task.failure !== undefined || this.verdict !== undefined) return
    const mishap = doing && { node, stage, error, ...doing, origin: this.behind }
    const verdict = mishap && this.known.judge(mishap, task.clock.now())
    if (verdict === undefined) task.fail(error)
    else if (verdict === 'fail') task.fail(withFate(error, stage, verdict))
    else {
      this.verdict = verdict
      task.abandon()
    }
  }

  /** One of several sources can't read the record: true if it is to do without, and the others go on. */
  isLeftToOthers(): boolean {
    const { verdict } = this
    if (verdict?.policy !== 'skip') return false
    this.verdict = undefined
    this.task.goOn()
    this.tell(verdict)
    return true
  }

  end(): Outcome {
    const { verdict, task, host } = this
    this.doing = undefined
    if (task.failure !== undefined) return 'over'
    if (verdict === undefined) return 'done'
    this.verdict = undefined
    if (!this.isTouched) {
      task.goOn()
      // Sinks have written, and nobody has seen it.
      task.output.records.length = this.mark
      return this.carryOut(verdict)
    }
    task.failure = verdict.error
    if (verdict.origin === undefined) {
      // Nothing could be left out on the way back.
      host.error(verdict.error, true)
      return 'over'
    }
    this.known.remember(verdict)
    this.tell(verdict)
    host.goBack(task)
    return 'over'
  }

  /** What a node does of its own accord, later than the record that it does it for. */
  onBehalf(node: Node, { origin, call: number, tries, run }: Attempt): Outcome {
    const { known } = this
    if (this.task.failure !== undefined) return 'over'
    const call = `${node.order}#${number}`
    const verdict = origin === undefined || known.isEmpty ? undefined : known.on(origin, call)
    if (verdict !== undefined && verdict.policy !== 'again') return this.carryOut(verdict)
    this.begin({ origin, call, tries: Math.max(tries, verdict?.tries ?? 0) })
    try {
      run()
    } catch (error) {
      this.task.caught(node, error, undefined)
    }
    const outcome = this.end()
    if (verdict !== undefined && outcome === 'done') verdict.isDone = true
    return outcome
  }

  carryOut(verdict: Verdict): Outcome {
    const { policy } = verdict
    this.tell(verdict)
    this.known.remember(verdict)
    if (policy === 'again') return { againMs: Math.max(0, verdict.notBefore - this.task.clock.now()) }
    if (policy !== 'skip' && verdict.letter === undefined) {
      verdict.letter = this.known.letterOf(verdict, policy, this.host.partitions(policy.topic))
      this.task.output.records.push(verdict.letter)
    }
    verdict.isDone = true
    return 'aside'
  }

  private tell(verdict: Verdict): void {
    if (verdict.isTold) return
    verdict.isTold = true
    const { policy, stage, error, definition } = verdict
    if (policy !== 'again') this.task.nodeOf(definition).countDrop(policy === 'skip' ? 'bad record' : 'dead letter')
    this.host.error(withFate(error, stage, policy), false)
  }
}

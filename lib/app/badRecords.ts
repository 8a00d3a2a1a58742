import type { OutRecord } from '../ports/broker.js'
import type { TidemarkError } from '../record/errors.js'
import type { DeadLetter } from '../task/deadLetter.js'
import type { Definition } from '../task/definition.js'
import { type ErrorPolicies, type ErrorStage, isOfARecord, isTolerant, policyOf } from '../task/errorPolicy.js'
import type { Node } from '../task/node.js'
import type { Origin } from '../task/origin.js'
import { pauseMs } from '../task/retry.js'
import { withErrorFacts } from './errorHeaders.js'
import type { SubTopology } from './plan.js'

/** What is being done on behalf of a record. */
export interface Doing {
  /** Undefined: the record that is being read, or none. */
  readonly origin: Origin | undefined
  /** The call behind it, of those that one record may have made. */
  readonly call: string | undefined
  /** How often it has gone wrong before. */
  readonly tries: number
}

/** Something that went wrong. */
interface Mishap extends Doing {
  readonly node: Node
  readonly stage: ErrorStage
  readonly error: TidemarkError
}

/** What is to become of the record. */
export interface Verdict extends Omit<Mishap, 'node'> {
  readonly definition: Definition
  readonly policy: 'skip' | 'again' | DeadLetter
  /** Wall clock, ms: it isn't tried again before. */
  readonly notBefore: number
  /** It has been reported and counted: once, however often its task goes back to a checkpoint. */
  isTold: boolean
  /** It has been carried out: the next checkpoint has it. */
  isDone: boolean
  /** Its dead letter, once that is on its way. */
  letter: OutRecord | undefined
}

type Place = Pick<Origin, 'topic' | 'partition' | 'offset'>

const keyOf = ({ topic, partition, offset }: Place) => `${partition}/${offset}/${topic}`

/** A task's policies, and the records for which it has gone back to a checkpoint, to do without them or to try them again. */
export class BadRecords {
  /** Whether there is any policy but `fail`. */
  readonly isTolerant: boolean
  private readonly verdicts = new Map<string, Verdict[]>()

  constructor(
    private readonly app: string,
    private readonly sub: SubTopology,
    /** Those of the app. */
    private readonly defaults: ErrorPolicies | undefined,
  ) {
    this.isTolerant =
      isTolerant(defaults) ||
      sub.definitions.some(
        ({ onError, role }) => isTolerant(onError) || (role?.is === 'source' && isTolerant(role.onError)),
      )
  }

  /** `fail`: the policy says so. Undefined: nothing can be done, whatever it says. The app fails by both. */
  judge(mishap: Mishap, now: number): Verdict | 'fail' | undefined {
    const { node, stage, error, origin, tries, ...rest } = mishap
    if (!isOfARecord(error.code)) return undefined
    // Nobody can go back and leave out what comes out by itself; a call can be left out where it stands.
    if (origin === undefined && stage !== 'async') return undefined
    const given = this.policy(node, stage, origin)
    const isAgain = typeof given === 'object' && given.is === 'retry' && tries < given.times
    const policy = isAgain ? 'again' : typeof given === 'object' && given.is === 'retry' ? given.orElse : given
    if (policy === 'fail') return policy
    if (typeof policy === 'object' && origin === undefined) return undefined
    const { definition } = node
    const notBefore = isAgain ? now + pauseMs(given, tries, (origin?.offset ?? 0) + (origin?.partition ?? 0) * 31) : now
    return {
      ...rest,
      stage,
      error,
      origin,
      definition,
      policy,
      notBefore,
      tries: isAgain ? tries + 1 : tries,
      isTold: false,
      isDone: false,
      letter: undefined,
    }
  }

  /** The operator's own where it has one, else that of the record's source, else the app's. */
  private policy({ definition }: Node, stage: ErrorStage, origin: Origin | undefined) {
    const own = stage === 'async' || stage === 'serialise' ? definition.onError : undefined
    if (own !== undefined) return own
    if (stage === 'deserialise' && definition.role?.is === 'source' && definition.role.onError !== undefined) {
      const ofReader = policyOf(definition.role.onError, stage)
      if (ofReader !== undefined) return ofReader
    }
    for (const source of this.sub.sources) {
      const { role } = source.definition
      if (source.topic !== origin?.topic || role?.is !== 'source') continue
      const ofSource = policyOf(role.onError, stage)
      if (ofSource !== undefined) return ofSource
    }
    return policyOf(this.defaults, stage) ?? 'fail'
  }

  get isEmpty(): boolean {
    return this.verdicts.size === 0
  }

  /** What has been decided about a record, or about one of its calls. */
  on(place: Place, call?: string): Verdict | undefined {
    return this.verdicts
      .get(keyOf(place))
      ?.find((verdict) => call === undefined || verdict.call === undefined || verdict.call === call)
  }

  remember(verdict: Verdict): void {
    const { origin, call } = verdict
    if (origin === undefined) return
    const key = keyOf(origin)
    const others = (this.verdicts.get(key) ?? []).filter((other) => other.call !== call)
    this.verdicts.set(key, [...others, verdict])
  }

  /** The record has been dealt with, and with it all its calls. */
  close(place: Place): void {
    for (const verdict of this.verdicts.get(keyOf(place)) ?? []) verdict.isDone = true
  }

  /** A checkpoint is taken: nobody goes back behind it. */
  forgetDone(): void {
    for (const [key, verdicts] of this.verdicts) {
      const open = verdicts.filter(({ isDone }) => !isDone)
      if (open.length === 0) this.verdicts.delete(key)
      else this.verdicts.set(key, open)
    }
  }

  /**
   * What the task knew before it went back.
   *
   * @param unsent what of its output is forgotten; the rest has left. `all`: all of it
   */
  takeOver(before: BadRecords, unsent: readonly OutRecord[] | 'all'): void {
    for (const verdict of [...before.verdicts.values()].flat()) {
      verdict.isDone = false
      if (verdict.letter !== undefined && (unsent === 'all' || unsent.includes(verdict.letter)))
        verdict.letter = undefined
      this.remember(verdict)
    }
  }

  /** The dead letter: the record as it was read. */
  letterOf({ origin, error, stage, definition }: Verdict, { topic }: DeadLetter, partitions: number): OutRecord {
    const { partition, offset, key, value, timestamp, headers, topic: from } = origin as Origin
    let thrown: Error = error
    while (thrown.cause instanceof Error) thrown = thrown.cause
    const facts = {
      exception: thrown.name,
      message: error.message,
      topic: from,
      partition,
      offset,
      code: error.code,
      stage,
      operator: definition.name ?? definition.kind,
      app: this.app,
    }
    return { topic, partition: partition % partitions, key, value, timestamp, headers: withErrorFacts(headers, facts) }
  }
}

import { type Duration, durationMs } from '../record/duration.js'
import { show, TidemarkError } from '../record/errors.js'
import type { StreamRecord } from '../record/record.js'

export interface StepOptions {
  /** How many records the step takes, or from how many to how many. `matched` then has a list of them. Without it: one. */
  readonly times?: number | readonly [least: number, most: number]
  /** How long after the record taken before it each of the step's records may come: `timestamp < before + within`, in event time. */
  readonly within?: Duration
}

export interface AbsenceOptions {
  /** For how long after the record taken before it there must be none. Only where the pattern ends with it. */
  readonly within?: Duration
}

/** What has been matched, by step: one more step. */
type With<M, Name extends string, R, O> = {
  readonly [N in keyof M | Name]: N extends keyof M ? M[N] : O extends { readonly times: unknown } ? readonly R[] : R
}

/** What a step's predicate may look at: the steps before it, and its own records so far if it takes several. */
type Before<M, Name extends string, R, O> = O extends { readonly times: unknown } ? With<M, Name, R, O> : M

type Predicate = (record: never, matched: never) => boolean

/** A step that takes records. */
export interface Step {
  readonly name: string
  readonly predicate: Predicate
  /** Only the key's very next record will do. */
  readonly isStrict: boolean
  readonly isList: boolean
  readonly least: number
  readonly most: number
  readonly withinMs: number
  /** None of these before its first record. */
  readonly absent: readonly Predicate[]
}

/** What a pattern consists of. */
export interface PatternParts {
  readonly steps: readonly Step[]
  /** None of these after the last step. */
  readonly absent: readonly Predicate[]
  /** Of `absent`: for how long; without it as long as the whole pattern may take. */
  readonly absentMs: number
  readonly withinMs: number
}

/**
 * Begins a pattern for `matchPattern`: its first record is one that satisfies `predicate`.
 *
 * ```
 * in                                                              a-x-b-c-a-d---|     isB: b, c, d
 * pattern('a', isA).followedBy('b', isB)                          ----m-----n---|     m: a, b   n: a, d
 * pattern('a', isA).next('b', isB)                                ----------n---|
 * pattern('a', isA).followedBy('b', isB, { times: 2 })            ------p-------|     p: a, [b, c]
 * pattern('a', isA).notFollowedBy('x', isX).followedBy('b', isB)  ----------n---|
 * ```
 *
 * The predicate's parameter says what records it is for; those of later steps follow it, and see what has been matched before, by step. Keeps no
 * state.
 *
 * @throws TidemarkError `BAD_OPTION` for `times` that can't be, and from the methods for a name used twice and for steps that can't follow one
 *   another; `BAD_DURATION`
 */
export function pattern<const Name extends string, R extends StreamRecord<any, any>, const O extends StepOptions>(
  name: Name,
  predicate: (record: R, matched: Before<unknown, Name, R, O>) => boolean,
  options?: O,
): Pattern<R, With<unknown, Name, R, O>> {
  const none = { steps: [], absent: [], absentMs: Number.POSITIVE_INFINITY, withinMs: Number.POSITIVE_INFINITY }
  return new Pattern(addStep(none, name, predicate, false, options))
}

/**
 * What `matchPattern` looks for: steps, each with a predicate over the record and the records matched so far, by the steps' names. R is the
 * records' type, M that of what a whole match holds. A value: each method gives another pattern.
 */
export class Pattern<R extends StreamRecord<any, any>, M> {
  constructor(readonly parts: PatternParts) {}

  /** Then, with any others in between, the first record that satisfies it. */
  followedBy<const Name extends string, const O extends StepOptions>(
    name: Name,
    predicate: (record: R, matched: Before<M, Name, R, O>) => boolean,
    options?: O,
  ): Pattern<R, With<M, Name, R, O>> {
    return new Pattern(addStep(this.parts, name, predicate, false, options))
  }

  /** Then, with no others of the key in between, a record that satisfies it. */
  next<const Name extends string, const O extends StepOptions>(
    name: Name,
    predicate: (record: R, matched: Before<M, Name, R, O>) => boolean,
    options?: O,
  ): Pattern<R, With<M, Name, R, O>> {
    return new Pattern(addStep(this.parts, name, predicate, true, options))
  }

  /**
   * None that satisfies it until the next step's record. Where the pattern ends with it: until its time limit, whose passing is the match, if it is
   * not beyond that of the whole.
   */
  notFollowedBy(
    name: string,
    predicate: (record: R, matched: M) => boolean,
    options: AbsenceOptions = {},
  ): Pattern<R, M> {
    const { parts } = this
    refuseOpenAbsence(parts, name)
    const absentMs =
      options.within === undefined ? parts.absentMs : durationMs(options.within, `pattern: within of ${show(name)}`, 1)
    return new Pattern({ ...parts, absent: [...parts.absent, predicate as Predicate], absentMs })
  }

  /** The whole takes less than that, in event time: `last.timestamp < first.timestamp + duration`. */
  within(duration: Duration): Pattern<R, M> {
    return new Pattern({ ...this.parts, withinMs: durationMs(duration, 'pattern: within', 1) })
  }
}

const refuse = (reason: string) => new TidemarkError('BAD_OPTION', `pattern: ${reason}`, { operator: 'matchPattern' })

/** An absence with a time limit of its own is over when that passes: nothing can follow. */
function refuseOpenAbsence({ absentMs }: PatternParts, name: string): void {
  if (absentMs === Number.POSITIVE_INFINITY) return
  throw refuse(
    `${show(name)} comes after a notFollowedBy with a time limit of its own, which ends a pattern; give the limit to the whole with within(…)`,
  )
}

function addStep(
  parts: PatternParts,
  name: string,
  predicate: (record: never, matched: never) => boolean,
  isStrict: boolean,
  options: StepOptions = {},
): PatternParts {
  refuseOpenAbsence(parts, name)
  if (parts.steps.some((step) => step.name === name))
    throw refuse(`two steps are called ${show(name)}; give each a name of its own`)
  if (isStrict && parts.absent.length > 0)
    throw refuse(`next(${show(name)}) after notFollowedBy: nothing can come in between anyhow; leave one of them out`)
  const { times } = options
  const [least, most] = typeof times === 'number' ? [times, times] : (times ?? [1, 1])
  if (
    !Number.isInteger(least) ||
    least < 1 ||
    !(Number.isInteger(most) || most === Number.POSITIVE_INFINITY) ||
    most < least
  ) {
    throw refuse(
      `times of ${show(name)} must be a whole number of at least 1, or two, as [1, 3] or [1, Infinity]; got ${show(times)}`,
    )
  }
  const step: Step = {
    name,
    predicate,
    isStrict,
    isList: times !== undefined,
    least,
    most,
    withinMs:
      options.within === undefined
        ? Number.POSITIVE_INFINITY
        : durationMs(options.within, `pattern: within of ${show(name)}`, 1),
    absent: parts.absent,
  }
  return { ...parts, steps: [...parts.steps, step], absent: [] }
}

import { compareKeys, type Key } from '../record/key.js'
import type { RecordJson } from '../record/recordJson.js'
import type { Firing, OperatorContext } from '../task/definition.js'
import { LazyHeap } from '../task/lazyHeap.js'
import type { Cell, CellState } from '../task/state.js'
import { type KeyedRecord, type Matched, MatchedRecords, type Taken } from './matchedRecords.js'
import { firstOf, lastOf, Outcome, type PartialMatch, timeOf } from './partialMatch.js'
import type { PatternParts, Step } from './pattern.js'

/** A key's partial matches: those that began first come first; of these, one comes before what it has become with another record. */
interface OfKey {
  /** How many records they have taken. */
  readonly count: number
  /** When the first of their time limits passes. */
  readonly due: number
  readonly partials: readonly PartialMatch[]
}

/** A key's first time limit. */
interface Limit {
  readonly due: number
  readonly key: Key
}

/** Whom to tell of a match, or of a partial one whose time is up; `last` is the last record in it. */
export interface MatchListener {
  matched(matched: Matched, timestamp: number, last: KeyedRecord): void
  timedOut(matched: Matched, timestamp: number, last: KeyedRecord): void
}

const NOTHING: readonly Taken[] = []

/**
 * Finds the matches of a pattern among records that come in the order of time. A partial match waits at one or two open steps (for another
 * record of a step that takes several, for the next step's), each of them apart from all others.
 */
export class PartialMatches implements Firing {
  private readonly state: CellState<Key, OfKey>
  private readonly limits: LazyHeap<Limit>
  private readonly end: number
  private readonly records: MatchedRecords

  constructor(
    private readonly context: OperatorContext<never>,
    private readonly parts: PatternParts,
    private readonly skipsPastLast: boolean,
    private readonly listener: MatchListener,
  ) {
    const state: CellState<Key, OfKey> = context.cells()
    this.state = state
    this.limits = new LazyHeap<Limit>((a, b) => a.due - b.due || compareKeys(a.key, b.key), {
      get size() {
        return state.size
      },
      // Others are no longer their key's first.
      isLive: ({ key, due }) => state.cell(key)?.value.due === due,
      *all() {
        for (const { key, value } of state.all()) yield { due: value.due, key }
      },
    })
    this.end = parts.steps.length
    this.records = new MatchedRecords(parts.steps)
    context.fires(this)
  }

  /** The key's next record, once all time limits up to its timestamp have passed. */
  take(record: KeyedRecord): void {
    const cell = this.state.cell(record.key)
    const number = cell?.value.count ?? 0
    const outcome = new Outcome(this.skipsPastLast)
    let json: RecordJson | undefined
    let isChanged = false
    const grow = (before: readonly Taken[], step: number) => {
      isChanged = true
      json ??= this.records.toState(record)
      const partial = this.partialOf([...before, { step, number, record: json }])
      if (partial.isMatch) outcome.match(partial)
      outcome.keep(partial)
    }
    for (const partial of cell?.value.partials ?? []) {
      const { open } = partial
      const growing: number[] = []
      // Most often all of them go on waiting.
      for (const step of open) {
        const answer = this.answer(partial, step, record)
        if (answer === 'waits') continue
        partial.open = partial.open.filter((other) => other !== step)
        isChanged = true
        if (answer === 'takes') growing.push(step)
      }
      outcome.keep(partial)
      for (const step of growing) grow(partial.taken, step)
    }
    if ((this.parts.steps[0] as Step).predicate(record as never, this.records.of(NOTHING) as never)) grow([], 0)
    if (!isChanged) return
    this.store(cell, record.key, outcome.kept, number + 1)
    for (const partial of outcome.matches)
      this.listener.matched(this.records.of(partial.taken), record.timestamp, record)
  }

  /** What a partial match makes of a record at one of its open steps. */
  private answer(partial: PartialMatch, at: number, record: KeyedRecord): 'takes' | 'waits' | 'ends' {
    // None at the end, where there is but an absence.
    const step = this.parts.steps[at]
    const { absent } = step ?? this.parts
    const view = this.records.of(partial.taken) as never
    // What must not come before a step may come between its own records.
    const isEntering = lastOf(partial).step !== at
    if (isEntering && absent.some((isRefused) => isRefused(record as never, view))) return 'ends'
    if (step === undefined) return 'waits'
    if (step.predicate(record as never, view)) return 'takes'
    return step.isStrict ? 'ends' : 'waits'
  }

  due(): number {
    return this.limits.peek()?.due ?? Number.POSITIVE_INFINITY
  }

  /** The first time limit of a key passes. */
  fireNext(): void {
    const { due: timestamp, key } = this.limits.pop() as Limit
    const cell = this.state.cell(key) as Cell<OfKey>
    const outcome = new Outcome(this.skipsPastLast)
    for (const partial of cell.value.partials) {
      const waiting = partial.open.filter((step) => this.limit(partial, step) > timestamp)
      const isEndReached = partial.open.includes(this.end) && !waiting.includes(this.end)
      partial.open = waiting
      if (isEndReached && this.hasRoomForAbsence(partial)) {
        partial.isMatch = true
        outcome.match(partial)
      }
      if (waiting.length === 0 && !partial.isMatch) outcome.timeOut(partial)
      outcome.keep(partial)
    }
    this.store(cell, key, outcome.kept, cell.value.count)
    const tell = (partial: PartialMatch) =>
      [this.records.of(partial.taken), timestamp, this.records.recordOf(lastOf(partial))] as const
    for (const partial of outcome.matches) this.listener.matched(...tell(partial))
    for (const partial of outcome.timedOut) this.listener.timedOut(...tell(partial))
  }

  private partialOf(taken: readonly Taken[]): PartialMatch {
    const at = (taken[taken.length - 1] as Taken).step
    const { least, most } = this.parts.steps[at] as Step
    const count = taken.filter(({ step }) => step === at).length
    const isLast = at + 1 === this.end && this.parts.absent.length === 0
    const open = count < most ? [at] : []
    if (count >= least && !isLast) open.push(at + 1)
    return { taken, open, isMatch: count >= least && isLast }
  }

  // ---- time limits

  private limit(partial: PartialMatch, at: number): number {
    const own = this.parts.steps[at]?.withinMs ?? this.parts.absentMs
    return Math.min(timeOf(firstOf(partial)) + this.parts.withinMs, timeOf(lastOf(partial)) + own)
  }

  /** Whether an absence with a limit of its own fits into that of the whole. */
  private hasRoomForAbsence(partial: PartialMatch): boolean {
    const { absentMs, withinMs } = this.parts
    return (
      absentMs === Number.POSITIVE_INFINITY || timeOf(lastOf(partial)) + absentMs <= timeOf(firstOf(partial)) + withinMs
    )
  }

  private store(cell: Cell<OfKey> | undefined, key: Key, partials: readonly PartialMatch[], count: number): void {
    let due = Number.POSITIVE_INFINITY
    for (const partial of partials) for (const step of partial.open) due = Math.min(due, this.limit(partial, step))
    if (partials.length > 0) {
      const isMoved = due !== cell?.value.due
      this.state.put(key, { count, due, partials })
      if (isMoved) this.limits.push({ due, key })
    } else if (cell !== undefined) this.state.remove(cell)
    this.limits.sweep()
    this.context.dueChanged()
  }
}

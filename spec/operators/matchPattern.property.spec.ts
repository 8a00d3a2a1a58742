import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { from, merge } from 'rxjs'
import {
  local,
  mapValues,
  matchPattern,
  type Pattern,
  pattern,
  record,
  type StreamRecord,
  sideOutput,
  withWatermark,
} from 'tidemark'
import { PartialMatches } from '../../lib/operators/partialMatches.js'
import type { Heap } from '../../lib/task/heap.js'
import { CellState } from '../../lib/task/state.js'

describe('what it keeps', () => {
  const open = () => {
    const state = new CellState<string, any>('match', { tracked: true, restored: () => [] })
    const given = pattern('a', (r: StreamRecord<string, string>) => r.value === 'a')
      .followedBy('b', (r) => r.value === 'b')
      .within(1_000_000)
    const context = { cells: () => state, fires() {}, dueChanged() {} }
    const matches = new PartialMatches(context as never, given.parts, false, { matched() {}, timedOut() {} })
    const written = () => {
      const entries: [string, Uint8Array | null][] = []
      state.takeChanges(entries as never)
      return entries.map(([key, value]) => `${key} ${value === null ? 'deleted' : 'put'}`)
    }
    return { matches, state, written }
  }

  test('is written when it changes, and not by other records', () => {
    const { matches, state, written } = open()
    matches.take(record('k', 'x', 1))
    expect(written()).toEqual([])
    matches.take(record('k', 'a', 2))
    expect(written()).toEqual(['s/match/sk put'])
    matches.take(record('k', 'x', 3))
    expect(written()).toEqual([])
    matches.take(record('k', 'b', 4))
    expect(written()).toEqual(['s/match/sk deleted'])
    expect(state.size).toBe(0)
  })

  test('time limits of what has ended take no room for long, and the others pass as they would', () => {
    const { matches, state } = open()
    const size = () => (matches as unknown as { limits: Heap<unknown> }).limits.size
    for (let n = 0; n < 1_000; n++) {
      matches.take(record(`k${n % 10}`, 'a', n))
      if (n >= 5) matches.take(record(`k${(n - 5) % 10}`, 'b', n))
      expect(size()).toBeLessThanOrEqual(65 + 2 * 10)
    }
    expect(state.size).toBe(5)
    const passed: number[] = []
    while (matches.due() < Number.POSITIVE_INFINITY) {
      passed.push(matches.due())
      matches.fireNext()
    }
    expect(passed).toEqual([1_000_995, 1_000_996, 1_000_997, 1_000_998, 1_000_999])
    expect(state.size).toBe(0)
  })
})

// Below: matchPattern against enumerating all subsequences of each key's records, and asking of each whether it is a match, by the rules alone.

interface Given {
  readonly key: string
  readonly letter: string
  readonly level: number
  readonly time: number
}

/** A given record with its place in the order of arrival. */
type Arrived = Given & { readonly arrival: number }

interface StepRule {
  readonly letters: string
  readonly isStrict: boolean
  /** Its level must be at least that of the first record of the match. */
  readonly rises: boolean
  readonly times: readonly [number, number] | undefined
  readonly within: number
  /** None of these letters before its first record. */
  readonly absent: string
}

interface Rule {
  readonly steps: readonly StepRule[]
  /** The letters of an absence at the end, and for how long. */
  readonly end: { readonly letters: string; readonly within: number } | undefined
  readonly within: number
}

const NEVER_ENDS = Number.POSITIVE_INFINITY

// ---- what a rule says of a list of records, by their places in the order of time, with the step of each

type Placed = readonly (readonly [place: number, step: number])[]

class Judge {
  constructor(
    readonly records: readonly Arrived[],
    readonly rule: Rule,
  ) {}

  time(place: number): number {
    return (this.records[place] as Arrived).time
  }

  fits(place: number, step: number, first: number | undefined): boolean {
    const { letters, rises } = this.rule.steps[step] as StepRule
    const { letter, level } = this.records[place] as Arrived
    return (
      letters.includes(letter) && (!rises || first === undefined || level >= (this.records[first] as Arrived).level)
    )
  }

  /** Between two places: none of these letters. */
  isFree(letters: string, from: number, to: number): boolean {
    return this.records.slice(from, to).every(({ letter }) => !letters.includes(letter))
  }

  limit(placed: Placed, own: number): number {
    const [first] = placed[0] as [number, number]
    const [last] = placed[placed.length - 1] as [number, number]
    return Math.min(this.time(first) + this.rule.within, this.time(last) + own)
  }

  /** Whether each of its records may follow those before it. */
  isChain(placed: Placed): boolean {
    const first = placed[0]?.[0] as number
    return placed.every(([place, step], i) => {
      const before = placed[i - 1]
      if (!this.fits(place, step, i === 0 ? undefined : first)) return false
      if (before === undefined) return step === 0
      const own = this.rule.steps[step] as StepRule
      const between = Array.from({ length: place - before[0] - 1 }, (_, n) => before[0] + 1 + n)
      if (own.isStrict ? between.length > 0 : between.some((other) => this.fits(other, step, first))) return false
      if (step !== before[1] && !this.isFree(own.absent, before[0] + 1, place + 1)) return false
      return this.time(place) < this.limit(placed.slice(0, i), own.within)
    })
  }

  countOf(placed: Placed, step: number): number {
    return placed.filter((one) => one[1] === step).length
  }

  /** Whether all steps but the last one of it have as many records as they need, and none too many. */
  isCounted(placed: Placed): boolean {
    const last = (placed[placed.length - 1] as [number, number])[1]
    return this.rule.steps.every(({ times: [least, most] = [1, 1] }, step) => {
      const count = this.countOf(placed, step)
      return step > last ? count === 0 : count <= most && (step === last ? count > 0 : count >= least)
    })
  }

  hasEnough(placed: Placed): boolean {
    const last = (placed[placed.length - 1] as [number, number])[1]
    return this.countOf(placed, last) >= ((this.rule.steps[last] as StepRule).times?.[0] ?? 1)
  }

  /** When an absence after it is over; undefined if it never is. */
  absence(placed: Placed): { at: number; isMatch: boolean } | undefined {
    const { end } = this.rule
    if (end === undefined) return undefined
    const [last] = placed[placed.length - 1] as [number, number]
    const [first] = placed[0] as [number, number]
    const at = this.limit(placed, end.within)
    const broken = this.records.some(
      ({ letter, time }, place) => place > last && time < at && end.letters.includes(letter),
    )
    if (broken) return undefined
    return {
      at,
      isMatch: end.within === NEVER_ENDS || this.time(last) + end.within <= this.time(first) + this.rule.within,
    }
  }

  /** When it is a match, if it is one. */
  matchedAt(placed: Placed): { at: number; isLimit: boolean } | undefined {
    const [last, step] = placed[placed.length - 1] as [number, number]
    if (step !== this.rule.steps.length - 1 || !this.hasEnough(placed)) return undefined
    if (this.rule.end === undefined) return { at: this.time(last), isLimit: false }
    const absence = this.absence(placed)
    return absence?.isMatch ? { at: absence.at, isLimit: true } : undefined
  }

  /** When it ceases to wait for more, and whether a time limit is the reason; undefined if it never waited. */
  endOf(placed: Placed): { at: number; isLimit: boolean } | undefined {
    const [first] = placed[0] as [number, number]
    const [last, step] = placed[placed.length - 1] as [number, number]
    const { times: [, most] = [1, 1] } = this.rule.steps[step] as StepRule
    const ends: { at: number; isLimit: boolean }[] = []
    const waitFor = (target: number) => {
      const own = this.rule.steps[target]
      const at = this.limit(placed, own?.within ?? this.rule.end?.within ?? NEVER_ENDS)
      for (let place = last + 1; place < this.records.length && this.time(place) < at; place++) {
        const letters = own === undefined ? (this.rule.end?.letters ?? '') : target === step ? '' : own.absent
        const isOver = own !== undefined && (own.isStrict || this.fits(place, target, first))
        if (isOver || !this.isFree(letters, place, place + 1)) {
          ends.push({ at: this.time(place), isLimit: false })
          return
        }
      }
      ends.push({ at, isLimit: true })
    }
    if (this.countOf(placed, step) < most) waitFor(step)
    if (this.hasEnough(placed) && (step + 1 < this.rule.steps.length || this.rule.end !== undefined)) waitFor(step + 1)
    // A limit passes before the records of its time.
    return ends.sort((a, b) => b.at - a.at || Number(a.isLimit) - Number(b.isLimit))[0]
  }
}

/** All lists of places with steps that never go back. */
function* lists(length: number, steps: number): Generator<Placed> {
  for (let chosen = 1; chosen < 2 ** length; chosen++) {
    const places = Array.from({ length }, (_, place) => place).filter((place) => chosen & (1 << place))
    yield* labelled(places, 0, steps)
  }
}

function* labelled([place, ...rest]: number[], from: number, steps: number): Generator<Placed> {
  if (place === undefined) {
    yield []
    return
  }
  for (let step = from; step < steps; step++)
    for (const more of labelled(rest, step, steps)) yield [[place, step], ...more]
}

interface Event {
  readonly kind: 'match' | 'timedOut'
  readonly key: string
  readonly at: number
  readonly isLimit: boolean
  readonly placed: Placed
  readonly records: readonly Arrived[]
}

/** All that happens by a rule, in order. */
function enumerate(onTime: readonly Arrived[], rule: Rule): Event[] {
  const events: Event[] = []
  for (const key of new Set(onTime.map((one) => one.key))) {
    const records = onTime.filter((one) => one.key === key).sort((a, b) => a.time - b.time || a.arrival - b.arrival)
    const judge = new Judge(records, rule)
    for (const placed of lists(records.length, rule.steps.length)) {
      if (!judge.isCounted(placed) || !judge.isChain(placed)) continue
      const matched = judge.matchedAt(placed)
      const ended = judge.endOf(placed)
      if (matched !== undefined) events.push({ kind: 'match', key, records, placed, ...matched })
      else if (ended?.isLimit) events.push({ kind: 'timedOut', key, records, placed, ...ended })
    }
  }
  return events.sort(inOrder)
}

/** By time; limits first, by key; then records, in the order of arrival; what began first, first; then what took its next record later. */
function inOrder(a: Event, b: Event): number {
  const last = ({ placed, records }: Event) =>
    (records[(placed[placed.length - 1] as [number, number])[0]] as Arrived).arrival
  return (
    a.at - b.at ||
    Number(b.isLimit) - Number(a.isLimit) ||
    (a.isLimit ? (a.key < b.key ? -1 : a.key > b.key ? 1 : 0) : last(a) - last(b)) ||
    (a.placed[0] as [number, number])[0] - (b.placed[0] as [number, number])[0] ||
    compareChoices(a, b)
  )
}

/** What was done with each record in turn: left, taken as one more, taken as the next step. */
function compareChoices(a: Event, b: Event): number {
  const choices = ({ placed, records }: Event) =>
    records.map((_, place) => (placed.find((one) => one[0] === place)?.[1] ?? -1) + 1).join('')
  return choices(a) < choices(b) ? -1 : 1
}

/** Leaves out what began before a match's last record, once there has been that match. */
function skipPastLast(events: readonly Event[]): Event[] {
  const past = new Map<string, number>()
  return events.filter(({ kind, key, placed }) => {
    if ((placed[0] as [number, number])[0] <= (past.get(key) ?? -1)) return false
    if (kind === 'match') past.set(key, (placed[placed.length - 1] as [number, number])[0])
    return true
  })
}

// ---- the same for matchPattern

type Value = Arrived
type R = StreamRecord<string, Value>

function patternOf(rule: Rule): Pattern<R, any> {
  let built: Pattern<R, any> | undefined
  rule.steps.forEach(({ letters, isStrict, rises, times, within, absent }, i) => {
    const fits = ({ value }: R, matched: any) => {
      const first = Array.isArray(matched?.s0) ? matched.s0[0] : matched?.s0
      return letters.includes(value.letter) && (!rises || first === undefined || value.level >= first.value.level)
    }
    const options = { ...(times !== undefined && { times }), ...(within < NEVER_ENDS && { within }) }
    if (built === undefined) {
      built = pattern(`s${i}`, fits, options)
      return
    }
    for (const letter of absent) built = built.notFollowedBy(`not ${letter}`, (r) => r.value.letter === letter)
    built = isStrict ? built.next(`s${i}`, fits, options) : built.followedBy(`s${i}`, fits, options)
  })
  let whole = built as unknown as Pattern<R, any>
  const { end } = rule
  if (end !== undefined) {
    whole = whole.notFollowedBy(
      'end',
      (r) => end.letters.includes(r.value.letter),
      end.within < NEVER_ENDS ? { within: end.within } : {},
    )
  }
  return rule.within < NEVER_ENDS ? whole.within(rule.within) : whole
}

const spelled = (matched: object) =>
  Object.values(matched)
    .map((one) => (Array.isArray(one) ? `[${one.map((r) => r.value.arrival).join(' ')}]` : one.value.arrival))
    .join(' ')

function run(records: readonly Given[], rule: Rule, bound: number | undefined, afterMatch: 'noSkip' | 'skipPastLast') {
  const [late, timedOut] = [sideOutput<any>('late'), sideOutput<any>('timedOut')]
  const came = { match: [] as string[], timedOut: [] as string[], late: [] as number[] }
  const source = from(records.map((one, arrival) => record(one.key, { ...one, arrival }, one.time)))
  const timed = bound === undefined ? source : source.pipe(withWatermark({ maxOutOfOrderness: bound }))
  const to = (name: keyof typeof came) => mapValues((value: any) => ({ name, value }))
  local(
    merge(
      timed.pipe(matchPattern(patternOf(rule), { late, timedOut, afterMatch }), to('match')),
      late.pipe(to('late')),
      timedOut.pipe(to('timedOut')),
    ),
  ).subscribe(({ key, value: { name, value }, timestamp }: any) => {
    if (name === 'late') came.late.push(value.arrival)
    else came[name as 'match'].push(`${key} ${spelled(value)} @${timestamp}`)
  })
  return came
}

function expected(
  records: readonly Given[],
  rule: Rule,
  bound: number | undefined,
  afterMatch: 'noSkip' | 'skipPastLast',
) {
  const arrived = records.map((one, arrival) => ({ ...one, arrival }))
  const isLate = ({ arrival, time }: Arrived) =>
    time < Math.max(...arrived.slice(0, arrival + 1).map((one) => one.time)) - (bound ?? 0)
  const all = enumerate(
    arrived.filter((one) => !isLate(one)),
    rule,
  )
  const events = afterMatch === 'noSkip' ? all : skipPastLast(all)
  const text = (kind: Event['kind']) =>
    events
      .filter((event) => event.kind === kind)
      .map(({ key, at, placed, records: own }) => {
        const reached = (placed[placed.length - 1] as [number, number])[1]
        const parts = rule.steps.flatMap(({ times }, step) => {
          const arrivals = placed.filter((one) => one[1] === step).map(([place]) => (own[place] as Arrived).arrival)
          // A list of the next step is there, and empty.
          if (times !== undefined) return step <= reached + 1 ? [`[${arrivals.join(' ')}]`] : []
          return arrivals.map(String)
        })
        return `${key} ${parts.join(' ')} @${at}`
      })
  return { match: text('match'), timedOut: text('timedOut'), late: arrived.filter(isLate).map((one) => one.arrival) }
}

describe('against enumerating all subsequences', () => {
  const given: fc.Arbitrary<Given> = fc.record({
    key: fc.constantFrom('x', 'x', 'y'),
    letter: fc.constantFrom('a', 'b', 'c'),
    level: fc.nat(3),
    time: fc.nat(10),
  })
  const records = fc
    .array(given, { minLength: 3, maxLength: 9, size: 'max' })
    // Mostly in order, as without a watermark all else is late.
    .chain((list) =>
      fc.constantFrom(
        list,
        list,
        [...list].sort((a, b) => a.time - b.time),
      ),
    )
  const within = fc.option(fc.integer({ min: 2, max: 8 }), { nil: NEVER_ENDS, freq: 1 })
  const step: fc.Arbitrary<StepRule> = fc.record({
    letters: fc.constantFrom('a', 'ab', 'bc', 'abc'),
    isStrict: fc.boolean(),
    rises: fc.boolean(),
    times: fc.constantFrom(undefined, undefined, [1, 2] as const, [2, 2] as const, [1, NEVER_ENDS] as const),
    within,
    absent: fc.constantFrom('', '', 'c', 'ab'),
  })
  const rule: fc.Arbitrary<Rule> = fc
    .record({
      steps: fc.array(step, { minLength: 1, maxLength: 3 }),
      end: fc.option(fc.record({ letters: fc.constantFrom('b', 'c'), within }), { nil: undefined, freq: 2 }),
      within: fc.option(fc.integer({ min: 2, max: 14 }), { nil: NEVER_ENDS, freq: 3 }),
    })
    .map(({ steps, end, within }) => {
      // Everything must have a limit; a strict step has nothing in between; the first step follows nothing.
      const limited = (ms: number) => (within === NEVER_ENDS && ms === NEVER_ENDS ? 6 : ms)
      return {
        within,
        end: end === undefined ? undefined : { ...end, within: limited(end.within) },
        steps: steps.map((one, i) => ({
          ...one,
          isStrict: one.isStrict && i > 0,
          absent: one.isStrict || i === 0 ? '' : one.absent,
          within: limited(one.within),
        })),
      }
    })

  test.each([
    ['noSkip', undefined, 51],
    ['noSkip', 4, 52],
    ['skipPastLast', undefined, 53],
    ['skipPastLast', 4, 54],
  ] as const)(
    '%s, watermark %s: each match, what timed out, and what was late, in order',
    (afterMatch, bound, seed) => {
      let matches = 0
      let long = 0
      fc.assert(
        fc.property(records, rule, (list, one) => {
          const came = run(list, one, bound, afterMatch)
          expect(came).toEqual(expected(list, one, bound, afterMatch))
          matches += came.match.length
          long += came.match.filter((text) => text.split(' ').length > 4).length
        }),
        { seed, numRuns: 400 },
      )
      expect(matches).toBeGreaterThan(250)
      expect(long).toBeGreaterThan(10)
    },
  )
})

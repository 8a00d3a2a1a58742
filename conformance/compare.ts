import type { OutputRecord, StoreContent, StoreEntry, TraceCase, TraceStep } from './format.js'
import { sameJson } from './json.js'
import type { CaseRun } from './run.js'

/** What a case's run has in common with its trace. */
export interface CaseReport {
  readonly seed: number
  readonly mode: string
  /** All steps gave just the expected outputs, be it those that come as soon as they can. */
  readonly isPassed: boolean
  /** It passed by its `eagerOutputs`. */
  readonly isEager: boolean
  readonly difference?: Difference
  readonly outputs: { readonly equal: number; readonly expected: number }
  readonly dropped: { readonly got: number; readonly expected: number; readonly firstStep: number | undefined }
  /** By name of the store. */
  readonly stores: readonly StoreReport[]
}

/** The first step that came out otherwise. */
export interface Difference {
  readonly index: number
  readonly step: TraceStep
  readonly topic: string
  readonly expected: readonly OutputRecord[]
  readonly got: readonly OutputRecord[]
  /** What the app failed with in this step. */
  readonly error?: string
}

export interface StoreReport {
  readonly name: string
  readonly isEqual: boolean
  readonly expected: readonly StoreEntry[]
  readonly got: readonly StoreEntry[] | undefined
}

type Expectation = (step: TraceStep) => readonly OutputRecord[]

const exact: Expectation = ({ outputs }) => outputs
const eager: Expectation = ({ outputs, eagerOutputs }) => eagerOutputs ?? outputs

/** Compares, per step and topic in order, the outputs; apart from them the drops and what the stores hold in the end. */
export function compare(trace: TraceCase, run: CaseRun): CaseReport {
  const differences = [exact, eager].map((expectation) => firstDifference(trace, run, expectation))
  const passedBy = differences.indexOf(undefined)
  // Of two that differ, the one that went on for longer says more.
  const [first, second] = differences
  const difference = passedBy >= 0 ? undefined : (second?.index ?? 0) > (first?.index ?? 0) ? second : first
  const expectation = passedBy === 1 || (difference !== undefined && difference === second) ? eager : exact
  return {
    seed: trace.seed,
    mode: trace.mode,
    isPassed: passedBy >= 0,
    isEager: passedBy === 1,
    ...(difference && { difference }),
    outputs: countEqual(trace, run, expectation),
    dropped: {
      got: run.steps.reduce((sum, { dropped }) => sum + dropped, 0),
      expected: trace.droppedTotal,
      firstStep: firstOf(trace.steps, (step, index) => run.steps[index]?.dropped !== (step.dropped ?? 0)),
    },
    stores: Object.entries(trace.stores).map(([name, content]) => compareStore(name, content, run.stores[name])),
  }
}

function firstDifference(trace: TraceCase, run: CaseRun, expectation: Expectation): Difference | undefined {
  for (const [index, step] of trace.steps.entries()) {
    const given = run.steps[index]
    const all = expectation(step)
    const failed = given === undefined ? { error: messageOf(run.error) } : {}
    const outputs = given?.outputs ?? []
    for (const topic of topicsOf(all, outputs)) {
      const expected = all.filter((record) => record.topic === topic)
      const got = outputs.filter((record) => record.topic === topic)
      if (!sameJson(expected, got)) return { index, step, topic, expected, got, ...failed }
    }
    if (given === undefined) return { index, step, topic: '', expected: all, got: [], ...failed }
  }
  // All is as it should be, and then it failed all the same.
  const last = trace.steps.length - 1
  const step = trace.steps[last]
  if (run.error === undefined || step === undefined) return undefined
  return { index: last, step, topic: '', expected: [], got: [], error: messageOf(run.error) }
}

const topicsOf = (...lists: (readonly OutputRecord[])[]): Set<string> =>
  new Set(lists.flatMap((list) => list.map(({ topic }) => topic)))

/** How many of the expected records came out in their step and at their place of the topic. */
function countEqual(trace: TraceCase, run: CaseRun, expectation: Expectation): CaseReport['outputs'] {
  let equal = 0
  let expected = 0
  for (const [index, step] of trace.steps.entries()) {
    const all = expectation(step)
    const outputs = run.steps[index]?.outputs ?? []
    expected += all.length
    for (const topic of topicsOf(all)) {
      const got = outputs.filter((record) => record.topic === topic)
      const wanted = all.filter((record) => record.topic === topic)
      equal += wanted.filter((record, place) => sameJson(record, got[place])).length
    }
  }
  return { equal, expected }
}

function compareStore(name: string, content: StoreContent, given: readonly StoreEntry[] | undefined): StoreReport {
  const expected = [...content.entries].sort(inOrder)
  // Sessions are listed without timestamps.
  const shown = content.kind === 'session' ? given?.map(({ timestamp: _, ...entry }) => entry) : given?.slice()
  const got = shown?.sort(inOrder)
  return { name, isEqual: sameJson(expected, got), expected, got }
}

const inOrder = (a: StoreEntry, b: StoreEntry): number =>
  (a.window?.start ?? 0) - (b.window?.start ?? 0) ||
  (a.window?.end ?? 0) - (b.window?.end ?? 0) ||
  (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

function firstOf<T>(list: readonly T[], isWanted: (item: T, index: number) => boolean): number | undefined {
  const index = list.findIndex(isWanted)
  return index < 0 ? undefined : index
}

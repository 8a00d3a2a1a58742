import { map, merge, type Observable, Subject } from 'rxjs'
import { local, type StreamRecord, sideOutput, type Window } from 'tidemark'

/** What came out because of one record, or of the end of all. */
export interface Step {
  readonly results: Shown[]
  readonly late: unknown[]
}

/** A result as far as tests compare it. */
export interface Shown {
  readonly key: string
  readonly value: unknown
  readonly timestamp: number
  readonly start: number
  readonly end: number
  readonly final: boolean
}

type Input = Observable<StreamRecord<any, any>>

/** Feeds records one by one, then completes; the last step is what the end brought. */
export function stepwise(
  records: readonly StreamRecord<any, any>[],
  pipeline: (source: Input, late: Observable<any>) => Observable<any>,
): Step[] {
  const source = new Subject<StreamRecord<any, any>>()
  const late = sideOutput<StreamRecord<any, any>>('late')
  const steps: Step[] = []
  let step: Step = { results: [], late: [] }
  const next = () => {
    steps.push(step)
    step = { results: [], late: [] }
  }
  let failure: unknown
  const whole = merge(
    pipeline(source, late).pipe(map((result) => () => step.results.push(shown(result)))),
    // One that nobody writes is refused.
    ...(pipeline.length > 1 ? [late.pipe(map((record) => () => step.late.push(record.value)))] : []),
  )
  local(whole).subscribe({
    next: (take) => take(),
    error: (error) => {
      failure = error
    },
  })
  for (const record of records) {
    source.next(record)
    next()
  }
  source.complete()
  next()
  if (failure !== undefined) throw failure
  return steps
}

function shown({ key, value, timestamp, window, final }: Record<string, unknown> & { window: Window }): Shown {
  return { key, value, timestamp, start: window.start, end: window.end, final } as Shown
}

/** By start or end first, then the other, then key: the order in which windows close. */
export const byClose = (a: Shown, b: Shown): number =>
  a.end - b.end || a.start - b.start || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)

import { Observable, type Subscriber } from 'rxjs'
import { type Clock, local, record, type StreamRecord, sideOutput } from '../index.js'
import type { OperatorContext } from '../task/definition.js'
import { operate } from '../task/operate.js'
import { type Diagram, type Mark, parseDiagram, type RecordMark } from './diagram.js'
import { type ExpectedRecord, fieldsLike, meets, recordText, sideBySide } from './recordText.js'
import { type TestClock, testClock } from './testClock.js'

/** What a symbol stands for: key and value, or any fields. */
export type MarbleValue = readonly [key: unknown, value: unknown] | ExpectedRecord

/** Diagrams of several sources by name, or of one. */
export type MarbleSources = string | { readonly [name: string]: string }

type Sources<S extends MarbleSources> = S extends string
  ? Observable<StreamRecord<any, any>>
  : { readonly [Name in keyof S]: Observable<StreamRecord<any, any>> }

/** What a pipeline under test may use besides its source. */
export interface MarbleTools {
  /** A side output, for an operator of the pipeline to write; what it gets is compared with the diagram `late`. */
  readonly late: Observable<any>
  /** Stands at the column that is being run: `clock.sleep(5)` takes five columns. */
  readonly clock: TestClock
}

export interface MarbleOptions<S extends MarbleSources> {
  /** One diagram, or several by name. A record's timestamp is its column, unless it says `a@12` or its value has one. */
  readonly source: S
  /** What symbols stand for, in all diagrams. In those of outputs only the fields given here are compared. */
  readonly values: { readonly [symbol: string]: MarbleValue }
  /** Gets the source (or an object of them); its output is what is compared. */
  readonly pipeline: (source: Sources<S>, tools: MarbleTools) => Observable<unknown>
  /** What must come out, with completion (`|`) or error (`#`). Not compared if left out. */
  readonly out?: string
  /** What must come to `tools.late`, which the pipeline then has to take. */
  readonly late?: string
  /** Event time as what follows the pipeline sees it: the column at which it rises, and to what (ms). */
  readonly watermarks?: { readonly [time: number]: number }
  /** Default: one that begins at 0. */
  readonly clock?: TestClock
}

/** Something that came out, and when. */
export interface Emission {
  /** ms since the run began: the column. */
  readonly time: number
  readonly record: any
}

export interface MarbleRun {
  readonly out: readonly Emission[]
  /** The records of `out`. */
  readonly records: readonly any[]
  readonly late: readonly Emission[]
  readonly watermarks: { readonly [time: number]: number }
  /** Column of the completion. */
  readonly completed: number | undefined
  /** What it errored with. */
  readonly error: unknown
}

/**
 * Runs a pipeline over a diagram of records in which a column is a millisecond, of event time and of the wall clock, and compares what comes out.
 *
 * ```ts
 * await runMarbles({
 *   source: '-a--a-------a--------a--|',
 *   out: '   ------------x--------y--(z|)',
 *   values: {
 *     a: ['alice', 1],
 *     x: { key: 'alice', value: 2, window: { start: 0, end: 10 } },
 *     y: { key: 'alice', value: 1, window: { start: 10, end: 20 } },
 *     z: { key: 'alice', value: 1, window: { start: 20, end: 30 } },
 *   },
 *   pipeline: (s) => s.pipe(tumblingWindow('10ms'), aggregate(count(), { emit: 'close' })),
 * })
 * ```
 *
 * The grammar:
 *
 * ```
 * -      a millisecond passes              (ab|)  at once, at the column of the bracket
 * a      a record, see `values`            a@12   a record out of order: its timestamp is 12
 * |      completion                        #      an error
 *  5s    (between spaces) time passes             other spaces don't count
 * ```
 *
 * Each character takes a column, those of `@12` and `(…)` too: what stands in one column happens at one time, in all diagrams. The wall clock runs
 * along the columns, so idle time-outs and asynchronous calls (`tools.clock.sleep(5)`) take their time. With several sources, those named first come
 * first within a column. It runs outside an app, as `local` does.
 *
 * @throws Error that shows expected and actual output side by side
 */
export async function runMarbles<const S extends MarbleSources>(options: MarbleOptions<S>): Promise<MarbleRun> {
  const { source, values, pipeline, clock = testClock() } = options
  const start = clock.now()
  const now = () => clock.now() - start
  const named: Record<string, string> = typeof source === 'string' ? { source } : { ...source }
  const inputs = Object.values(named).map((text) => new MarbleSource(parseDiagram(text), values))
  const observables = Object.fromEntries(
    Object.keys(named).map((name, i) => [name, (inputs[i] as MarbleSource).records]),
  )

  const out: Emission[] = []
  const late: Emission[] = []
  const watermarks: Record<number, number> = {}
  let completed: number | undefined
  let error: unknown
  let errored: number | undefined
  let time = Number.NEGATIVE_INFINITY
  const lateOutput = sideOutput<any>('late')
  let probe: OperatorContext<unknown> | undefined
  const observe = () => {
    const reached = probe?.time() ?? time
    if (reached > time && reached < Number.POSITIVE_INFINITY) watermarks[now()] = reached
    time = Math.max(time, reached)
  }
  const observed: Clock = {
    now: () => clock.now(),
    soon: (callback) => clock.soon(callback),
    after: (ms, callback) =>
      clock.after(ms, () => {
        callback()
        observe()
      }),
  }

  let takesLate = false
  const tools: MarbleTools = {
    get late() {
      takesLate = true
      return lateOutput
    },
    clock,
  }

  const whole = new Observable<unknown>((subscriber) => {
    const given = (typeof source === 'string' ? observables.source : observables) as Sources<S>
    const probed = operate<any, unknown>('marbles', (context) => {
      probe = context
      return {
        record(record) {
          if (typeof record?.timestamp === 'number') context.accept(record.timestamp)
          context.emit(record)
        },
      }
    })
    const made = pipeline(given, tools)
    if (takesLate)
      subscriber.add(lateOutput.subscribe({ next: (record) => late.push({ time: now(), record }), error: () => {} }))
    subscriber.add(probed(made).subscribe(subscriber))
  })
  const subscription = local(whole, { clock: observed }).subscribe({
    next: (record) => out.push({ time: now(), record }),
    error(cause) {
      error = cause
      errored = now()
    },
    complete() {
      completed = now()
    },
  })

  const times = new Set(inputs.flatMap(({ diagram }) => [...diagram.marks.map((mark) => mark.time), diagram.end]))
  for (const column of [...times].sort((a, b) => a - b)) {
    await clock.advance(column - now())
    for (const input of inputs) {
      input.play(column)
      observe()
    }
    await clock.settle()
    observe()
  }
  subscription.unsubscribe()

  const ends: Mark[] = []
  if (completed !== undefined) ends.push({ time: completed, kind: 'complete' })
  if (errored !== undefined) ends.push({ time: errored, kind: 'error' })
  if (options.out !== undefined) compare('output', parseDiagram(options.out), out, ends, values, error)
  if (options.late !== undefined && !takesLate) {
    throw new Error(
      'late is compared with what comes to the side output that the pipeline is given, and it does not take it: write pipeline: (source, { late }) => …, and pass it on. One of its own it can merge into its output',
      { cause: error },
    )
  }
  if (options.late !== undefined) compare('late output', parseDiagram(options.late), late, [], values, undefined)
  if (options.watermarks !== undefined) {
    const lines = (marks: object) => Object.entries(marks).map(([at, reached]) => `${at} ms: ${reached}`)
    const [wanted, came] = [lines(options.watermarks), lines(watermarks)]
    if (wanted.join() !== came.join()) throw new Error(`the watermarks differ\n\n${sideBySide(wanted, came)}`)
  }
  return { out, records: out.map((emission) => emission.record), late, watermarks, completed, error }
}

/** A source that plays its diagram, to everyone who is subscribed. */
class MarbleSource {
  private readonly subscribers = new Set<Subscriber<StreamRecord<any, any>>>()
  private at = 0
  readonly records = new Observable<StreamRecord<any, any>>((subscriber) => {
    this.subscribers.add(subscriber)
    return () => this.subscribers.delete(subscriber)
  })

  constructor(
    readonly diagram: Diagram,
    private readonly values: { readonly [symbol: string]: MarbleValue },
  ) {}

  /** Emits what stands at that time. */
  play(time: number): void {
    for (let mark = this.diagram.marks[this.at]; mark?.time === time; mark = this.diagram.marks[++this.at]) {
      for (const subscriber of [...this.subscribers]) {
        if (mark.kind === 'complete') subscriber.complete()
        else if (mark.kind === 'error') subscriber.error(SOURCE_ERROR)
        else subscriber.next(recordOf(mark, this.values, this.at))
      }
    }
  }
}

/** What `#` in a source's diagram is. */
export const SOURCE_ERROR = new Error('the # of the diagram')

function fieldsOf(symbol: string, values: { readonly [symbol: string]: MarbleValue }): ExpectedRecord {
  const value = values[symbol]
  if (value === undefined)
    throw new Error(`a diagram has ${JSON.stringify(symbol)}, and values doesn't say what that is`)
  return isPair(value) ? { key: value[0], value: value[1] } : value
}

const isPair = (value: MarbleValue): value is readonly [unknown, unknown] => Array.isArray(value)

function recordOf(
  mark: RecordMark,
  values: { readonly [symbol: string]: MarbleValue },
  offset: number,
): StreamRecord<any, any> {
  const { key = null, value = null, timestamp, ...rest } = fieldsOf(mark.symbol, values)
  return { ...record(key, value, mark.timestamp ?? timestamp ?? mark.time, { offset }), ...rest }
}

/** Compares what came with a diagram, mark by mark. */
function compare(
  what: string,
  diagram: Diagram,
  emissions: readonly Emission[],
  ends: readonly Mark[],
  values: { readonly [symbol: string]: MarbleValue },
  error: unknown,
): void {
  const sign = { complete: '|', error: '#' }
  const expectedOf = (mark: RecordMark): ExpectedRecord => ({
    ...fieldsOf(mark.symbol, values),
    ...(mark.timestamp !== undefined && { timestamp: mark.timestamp }),
  })
  const wanted = diagram.marks.map((mark) =>
    mark.kind === 'record'
      ? `${mark.time} ms: ${mark.symbol} = ${recordText(expectedOf(mark))}`
      : `${mark.time} ms: ${sign[mark.kind]}`,
  )
  const came = emissions.map(({ time, record }, i) => {
    const mark = diagram.marks[i]
    if (mark?.kind === 'record' && meets(record, expectedOf(mark)))
      return `${time} ms: ${mark.symbol} = ${recordText(expectedOf(mark))}`
    const symbol = Object.keys(values).find((other) => meets(record, fieldsOf(other, values))) ?? '?'
    return `${time} ms: ${symbol} = ${recordText(fieldsLike(record, mark?.kind === 'record' ? expectedOf(mark) : undefined))}`
  })
  for (const end of ends) if (end.kind !== 'record') came.push(`${end.time} ms: ${sign[end.kind]}`)
  if (wanted.join('\n') === came.join('\n')) return
  const cause =
    error === undefined ? '' : `\n\nit errored with: ${error instanceof Error ? error.message : String(error)}`
  throw new Error(`the ${what} differs\n\n${sideBySide(wanted, came)}${cause}`, { cause: error })
}

import { Observable, type Subscriber, take } from 'rxjs'
import { type App, json, type StreamRecord, toTopic } from '../index.js'
import { expectSameUnderFaults } from './expectSameUnderFaults.js'
import { recordText, sideBySide } from './recordText.js'
import { type TestApp, testApp } from './testApp.js'
import { testClock } from './testClock.js'

/** One law and a check of it, which rejects where the operator breaks it. */
export interface OperatorLaw {
  readonly name: string
  run(): Promise<void>
}

export interface OperatorLawOptions {
  /** Results come later than their inputs: an endless source that never pauses can't be stopped by them. */
  readonly isAsync?: boolean
}

type Operator = (source: Observable<any>) => Observable<any>

/**
 * What every operator keeps to, whatever it does:
 *
 * - it shares nothing between subscriptions
 * - an empty source completes, and gives nothing
 * - an error of the source comes out unchanged
 * - `take(1)` behind it stops an endless synchronous source
 * - in an app, a crash at any position, and a restart from the checkpoint there, repeat exactly what followed
 * - in an app where no value stays in memory between records, and that is restarted now and then, it gives the same: what it has read of its state it reads again
 * - in an app over two partitions, crashes, rebalances and failed writes at any call change nothing: a sample, as {@link expectSameUnderFaults}
 *   tries all of them
 *
 * ```ts
 * for (const law of operatorLaws(() => rollingAggregate('10s', count()), input)) test(law.name, law.run)
 * ```
 *
 * @param operator makes the operator, or a chain of several; called for each subscription that must be independent
 * @param input records with JSON keys and values; more than one key, and enough of them that something comes out
 */
export function operatorLaws(
  operator: () => Operator,
  input: readonly StreamRecord<any, any>[],
  options: OperatorLawOptions = {},
): OperatorLaw[] {
  const laws: Record<string, () => Promise<void>> = {
    'shares nothing between subscriptions': () => sharesNothing(operator, input),
    'completes with an empty source': () => completesEmpty(operator),
    "passes on the source's error unchanged": () => passesError(operator, input),
    ...(options.isAsync !== true && {
      'stops an endless synchronous source after take(1)': () => stopsEndless(operator, input),
    }),
    'repeats exactly what followed after a crash at any position': () => survivesCrashes(operator, input),
    'gives the same after crashes where no value of its state stays in memory': () =>
      survivesForgetting(operator, input),
    'gives the same under crashes, rebalances and failed writes': () => survivesFaults(operator, input),
  }
  return Object.entries(laws).map(([name, run]) => ({ name, run }))
}

/** What came out of a subscription, as text. */
class Collected {
  readonly lines: string[] = []
  completed = false
  error: unknown

  next(record: object): void {
    this.lines.push(recordText({ ...record, partition: undefined, topic: undefined }))
  }

  complete(): void {
    this.completed = true
  }
}

const assert = (isTrue: boolean, message: string): void => {
  if (!isTrue) throw new Error(message)
}

const assertSame = (expected: readonly string[], came: readonly string[], what: string): void =>
  assert(expected.join('\n') === came.join('\n'), `${what}\n\n${sideBySide(expected, came)}`)

/** Lets asynchronous results come. */
const rest = () => testClock().settle()

function subscribe(observable: Observable<any>): Collected {
  const collected = new Collected()
  observable.subscribe({
    next: (record) => collected.next(record),
    complete: () => collected.complete(),
    error: (error) => {
      collected.error = error
    },
  })
  return collected
}

async function sharesNothing(operator: () => Operator, input: readonly StreamRecord<any, any>[]): Promise<void> {
  const subscribers: Subscriber<any>[] = []
  const stream = operator()(new Observable((subscriber) => void subscribers.push(subscriber)))
  const [one, two] = [subscribe(stream), subscribe(stream)]
  const alone = subscribe(stream)
  const [first, second, third] = subscribers as [Subscriber<any>, Subscriber<any>, Subscriber<any>]
  // The second is one record behind, so that what they share would mix.
  for (let i = 0; i <= input.length; i++) {
    if (i < input.length) first.next(input[i])
    if (i > 0) second.next(input[i - 1])
    await rest()
  }
  first.complete()
  second.complete()
  await rest()
  for (const record of input) {
    third.next(record)
    await rest()
  }
  third.complete()
  await rest()
  assert(alone.error === undefined, `it errored: ${alone.error}`)
  assert(alone.lines.length > 0, 'nothing came out: this input shows nothing')
  assertSame(alone.lines, one.lines, 'two subscriptions side by side differ from one')
  assertSame(alone.lines, two.lines, 'two subscriptions side by side differ from one')
}

async function completesEmpty(operator: () => Operator): Promise<void> {
  const collected = subscribe(operator()(new Observable((subscriber) => subscriber.complete())))
  await rest()
  assert(collected.error === undefined, `it errored: ${collected.error}`)
  assertSame([], collected.lines, 'an empty source gave records')
  assert(collected.completed, "an empty source didn't complete it")
}

async function passesError(operator: () => Operator, input: readonly StreamRecord<any, any>[]): Promise<void> {
  const failure = new Error('of the source')
  const collected = subscribe(
    operator()(
      new Observable((subscriber) => {
        for (const record of input) subscriber.next(record)
        subscriber.error(failure)
      }),
    ),
  )
  await rest()
  assert(collected.error === failure, `the error that came out is ${collected.error}`)
  assert(!collected.completed, 'it completed besides')
}

async function stopsEndless(operator: () => Operator, input: readonly StreamRecord<any, any>[]): Promise<void> {
  const times = input.map((record) => record.timestamp)
  const span = Math.max(...times) - Math.min(...times) + 1
  let emitted = 0
  const endless = new Observable<any>((subscriber) => {
    while (!subscriber.closed) {
      if (emitted > ENDLESS) throw new Error(`the source went on for ${ENDLESS} records`)
      const record = input[emitted % input.length] as StreamRecord<any, any>
      subscriber.next({ ...record, timestamp: record.timestamp + Math.floor(emitted / input.length) * span })
      emitted++
    }
  })
  const collected = subscribe(operator()(endless).pipe(take(1)))
  assert(emitted <= ENDLESS, 'the source was never stopped')
  assert(collected.error === undefined, `it errored: ${collected.error}`)
  assert(collected.lines.length === 1 && collected.completed, `${collected.lines.length} records came out, not 1`)
}

const ENDLESS = 100_000

async function survivesCrashes(operator: () => Operator, input: readonly StreamRecord<any, any>[]): Promise<void> {
  const whole = await open(operator)
  for (const record of input) {
    await whole.send('in', record)
    await whole.settle()
  }
  const expected = await outputOf(whole)
  await whole.stop()
  assert(expected.length > 0, 'nothing came out: this input shows nothing')
  for (let position = 0; position <= input.length; position++) {
    const t = await open(operator)
    await t.send('in', input.slice(0, position))
    await t.settle()
    // Two more are handled, and forgotten again.
    await t.send('in', input.slice(position, position + 2))
    await t.settle({ checkpoint: false })
    await t.crash()
    await t.restart()
    await t.send('in', input.slice(position + 2))
    await t.settle()
    assert(t.errors.length === 0, `after a crash at position ${position}: ${t.errors[0]?.message}`)
    assertSame(expected, await outputOf(t), `after a crash at position ${position} it went on differently`)
    await t.stop()
  }
}

async function survivesForgetting(operator: () => Operator, input: readonly StreamRecord<any, any>[]): Promise<void> {
  const outputs: string[][] = []
  for (const options of [{}, { maxStateBytes: 1 }]) {
    const t = await open(operator, options)
    for (const [position, record] of input.entries()) {
      await t.send('in', record)
      await t.settle()
      if (position % 3 !== 2) continue
      await t.crash()
      await t.restart()
    }
    assert(t.errors.length === 0, `it errored: ${t.errors[0]?.message}`)
    outputs.push(await outputOf(t))
    await t.stop()
  }
  const [expected, came] = outputs as [string[], string[]]
  assertSame(expected, came, 'with values that leave memory it gives something else')
}

/** Of some hundreds of faults: one of each kind. */
const FAULTS = 10

async function survivesFaults(operator: () => Operator, input: readonly StreamRecord<any, any>[]): Promise<void> {
  const topics = topicsOf(2)
  const records = input.map(({ key, value, timestamp }) => ({ topic: 'in', key, value, timestamp }))
  await expectSameUnderFaults(pipelineOf(operator), records, { topics, maxRuns: FAULTS })
}

const open = (operator: () => Operator, options: { readonly maxStateBytes?: number } = {}): Promise<TestApp<void>> =>
  testApp(pipelineOf(operator), { topics: topicsOf(1), ...options })

const topicsOf = (partitions: number) => ({
  in: { partitions, key: json<any>() },
  out: { partitions, key: json<any>() },
})

const pipelineOf = (operator: () => Operator) => (app: App) => {
  const stream = app.stream<any, any>('in', { key: json<any>(), value: json() })
  app.run('law', operator()(stream).pipe(toTopic('out', { key: json<any>() })))
}

async function outputOf(t: TestApp<unknown>): Promise<string[]> {
  return (await t.records('out')).map((record) => recordText({ ...record, partition: undefined, topic: undefined }))
}

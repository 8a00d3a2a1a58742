import { type App, type AppOptions, type Broker, type Clock, embedded, memory, type StoreAdapter } from '../index.js'
import { type Fault, faultsOf, faultText, kindOf, type Operation, sample } from './fault.js'
import { FaultyRun, type Setting } from './faultyRun.js'
import { difference, type Order } from './outcome.js'
import type { SentRecord, TestTopic } from './testTopics.js'

/** A record of the input, with its topic. */
export interface InputRecord extends SentRecord {
  readonly topic: string
}

export interface FaultOptions extends Partial<Omit<AppOptions, 'broker' | 'store' | 'clock' | 'instance'>> {
  /** Those that the app reads and writes: name and number of partitions. What they hold at the end is compared. */
  readonly topics: { readonly [topic: string]: TestTopic }
  /** What must be the same: the order within each partition (default), or within each key only. */
  readonly compare?: Order
  /** Members of the app's group. Default 2. */
  readonly members?: number
  /**
   * Records of the input between two checkpoints. Default 1: what is done again after a crash is one record. With more, records of different
   * partitions may come in another order then, as they may without a crash, and the result must not depend on it.
   */
  readonly checkpointEvery?: number
  /** Runs at most, a sample of all that is possible. Default 200. */
  readonly maxRuns?: number
  /** Decides about the sample. Default 1. */
  readonly seed?: number
  /** Just this fault, as a failure names it, or this kind. */
  readonly only?: string
  /** Makes the store of a run, or where the broker doesn't use it, that of a member. Default `memory()`. */
  readonly store?: () => StoreAdapter
  /** Makes the broker of a run. Default `embedded({ store, clock })`: topics, offsets and state in one store. */
  readonly broker?: (store: StoreAdapter, clock: Clock) => Broker
}

/** What was tried. */
export interface FaultReport {
  /** Faults that there are for this pipeline and input, and how many of them were tried. */
  readonly possible: number
  readonly tried: number
  readonly seed: number
  /** How many of each kind were tried: `crash before operation`. */
  readonly kinds: { readonly [kind: string]: number }
  /** How often members ended by which error: what was refused, and `FENCED` of those that woke up too late. */
  readonly codes: { readonly [code: string]: number }
}

/**
 * Runs an app over an input once without a fault, then again and again with one, and rejects where the result differs.
 *
 * ```ts
 * await expectSameUnderFaults(
 *   (app) => {
 *     const sent = app.stream<Order>('orders', { value: json() })
 *     app.run('counts', sent.pipe(aggregate(count(), { name: 'counts' }), toTopic('counts')))
 *   },
 *   [
 *     { topic: 'orders', key: 'ann', value: { amount: 5 }, timestamp: 1_000 },
 *     { topic: 'orders', key: 'bob', value: { amount: 7 }, timestamp: 2_000 },
 *   ],
 *   { topics: { orders: 2, counts: 2 } },
 * )
 * ```
 *
 * Two members run the app, in this process; time stands still, but for the moment in which members that lost their place join again. The records of the input are sent one by one, and each is handled, through all exchanges,
 * before the next. The faults:
 *
 * - **crash** at each record (before it is handled, and when it has been handled but no checkpoint taken) and at each call of broker or store: before it,
 *   when it has taken effect but nobody knows, and while the store writes. All restart from what is stored
 * - **refuse**: a call fails and has changed nothing; the member that ends by it is started again
 * - **freeze** before a call: the group gives the member up, others go on in its place, then it wakes and goes on with that call
 * - **join**, **leave**, **kill** at each record: a member comes, stops or crashes while the others live
 *
 * What is compared: all that `options.topics` hold at the end (committed records, with key, value, timestamp, window and headers), and each entry of each state. Counts of
 * dropped records aren't: they are a process's, and end with it.
 *
 * It holds for pipelines whose result is a function of their input: of the order within partitions, of keys and event time. It can't for what follows the wall clock
 * (idle time-outs, `rateLimit`, `timestamp()`), chance, or the state of the world (calls in `mapAsync` are made again). Two runs without a fault are compared
 * first. Where several tasks write into one partition, their order among each other is open: `compare: 'perKey'` compares the order within each key.
 *
 * @param pipeline builds the pipelines, anew for each member; what it keeps outside would outlive a crash
 * @param input records, in the order in which they are sent; the last ones should move time on so far that what waits for it comes out
 * @returns what was tried
 * @throws Error with the fault, the first difference, and how to try just that one again
 */
export async function expectSameUnderFaults(
  pipeline: (app: App) => unknown,
  input: readonly InputRecord[],
  options: FaultOptions,
): Promise<FaultReport> {
  const {
    topics,
    compare = 'perPartition',
    members = 2,
    checkpointEvery = 1,
    maxRuns = 200,
    seed = 1,
    only,
    store = memory,
    broker = (store, clock) => embedded({ store, clock }),
    ...app
  } = options
  const setting: Setting = {
    pipeline,
    input,
    topics,
    app: { id: 'faults', ...app },
    store,
    broker,
    members,
    checkpointEvery,
  }
  const whole = new FaultyRun(setting)
  const expected = await whole.run()
  if (expected.records.length <= input.length) throw new Error('nothing came out: this input shows nothing')
  const again = difference(expected, await new FaultyRun(setting).run(), compare)
  if (again !== undefined)
    throw new Error(`two runs without a fault differ: this is no function of the input\n\n${again}`)

  const possible = faultsOf(input.length, whole.operations)
  const wanted = possible.filter((fault) => only === undefined || only === faultText(fault) || only === kindOf(fault))
  const tried = sample(wanted, maxRuns, seed)
  if (tried.length === 0) throw new Error(`there is no fault ${JSON.stringify(only)} in this run`)
  const kinds: Record<string, number> = {}
  const codes: Record<string, number> = {}
  for (const fault of tried) {
    const run = new FaultyRun(setting, fault)
    const differs = await differenceOf(run, () => run.run().then((came) => difference(expected, came, compare)))
    if (differs !== undefined) throw new Error(failureText(fault, whole.operations, differs))
    kinds[kindOf(fault)] = (kinds[kindOf(fault)] ?? 0) + 1
    for (const code of run.codes) codes[code] = (codes[code] ?? 0) + 1
  }
  return { possible: possible.length, tried: tried.length, seed, kinds, codes }
}

async function differenceOf(
  run: FaultyRun,
  difference: () => Promise<string | undefined>,
): Promise<string | undefined> {
  try {
    const differs = await difference()
    return run.hasStruck ? differs : `it wasn't reached: each run makes other calls\n\n${differs ?? ''}`
  } catch (error) {
    return `the app failed with ${(error as { code?: string }).code ?? 'an error'}: ${(error as Error).message}`
  }
}

function failureText(fault: Fault, operations: readonly Operation[], differs: string): string {
  const text = faultText(fault)
  const operation = fault.of === 'operation' ? (operations[fault.at - 1] as Operation) : undefined
  const where =
    operation === undefined
      ? ''
      : ` (${operation.name} of ${operation.by}, ${operation.isLast ? 'at the end' : `when ${operation.sent} records had been sent`})`
  return `${text}${where}: the result isn't that of the run without it\n\n${differs}\n\nJust this one again: { only: ${JSON.stringify(text)} }`
}

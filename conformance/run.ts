import { type App, embedded, json, type StoreAdapter, toTopic } from 'tidemark'
import { type TestApp, testApp } from 'tidemark/testing'
import type { OutputRecord, StoreEntry, TraceCase, TraceFile } from './format.js'
import type { AnyStream, AnyTable, Sources } from './graph.js'
import type { Given, Json } from './json.js'
import { Outputs } from './outputs.js'
import { quiet } from './quietClock.js'
import { entriesOf } from './storeEntries.js'
import { build, type Topology } from './topology.js'

export interface RunOptions {
  /** A new, empty store. */
  readonly store: () => StoreAdapter
  /** Crashes the app at every n-th step, in turn before and after that step's checkpoint, and starts it again. */
  readonly restartEvery?: number | undefined
  /** No value of a state stays in memory after the step that it was used in, where the store can be read synchronously. */
  readonly forgets?: boolean
}

/** What our pipelines did with a case. */
export interface CaseRun {
  /** One for each step; fewer if the app failed. */
  readonly steps: readonly StepRun[]
  readonly stores: { readonly [name: string]: readonly StoreEntry[] }
  readonly error?: unknown
}

export interface StepRun {
  readonly outputs: readonly OutputRecord[]
  readonly dropped: number
}

/** Feeds a case to an app of its own, step by step, each until all is quiet. */
export async function runCase(file: TraceFile, trace: TraceCase, options: RunOptions): Promise<CaseRun> {
  const steps: StepRun[] = []
  const topics = topicsOf(file, () => true)
  const { clock, store } = quiet(options.store())
  let t: TestApp<Topology> | undefined
  try {
    t = await testApp((app) => build(file.topology, sourcesOf(app)), {
      topics: Object.fromEntries(topics.map((topic) => [topic, 1])),
      id: 'conformance',
      store,
      // One that processes share holds no topics.
      ...(store.shared && { broker: embedded({ clock }) }),
      clock,
      ...(options.forgets && { maxStateBytes: 1 }),
    })
    const outputs = new Outputs(
      t.broker,
      topicsOf(file, (op) => op === 'to'),
      clock.settle,
    )
    let droppedBefore = 0
    const restart = async (app: TestApp<Topology>) => {
      await app.crash()
      await app.restart()
      droppedBefore = 0
    }
    for (const [index, { input }] of trace.steps.entries()) {
      if (!topics.includes(input.topic)) throw new Error(`the topology reads no topic ${input.topic}`)
      const crash = crashAt(index, options.restartEvery)
      await t.send(input.topic, input)
      await t.settle({ checkpoint: crash !== 'before' })
      if (crash === 'before') await restart(t)
      if (t.errors.length > 0) throw t.errors[0]
      const dropped = drops(t)
      steps.push({ outputs: await outputs.next(), dropped: dropped - droppedBefore })
      droppedBefore = dropped
      if (crash === 'after') await restart(t)
    }
    const stores = Object.fromEntries([...t.result.stores].map(([name, node]) => [name, entriesOf(node)]))
    return { steps, stores }
  } catch (error) {
    return { steps, stores: {}, error }
  } finally {
    await t?.stop()
  }
}

/** Whether the app crashes at a step, and on which side of the step's checkpoint. */
function crashAt(index: number, every: number | undefined): 'before' | 'after' | undefined {
  if (every === undefined || (index + 1) % every !== 0) return undefined
  return ((index + 1) / every) % 2 === 1 ? 'before' : 'after'
}

/** Topics that the nodes with such an operator name, once each. */
const topicsOf = ({ topology }: TraceFile, isWanted: (op: string) => boolean): string[] => [
  ...new Set(topology.flatMap(({ op, topic }) => (isWanted(op) && typeof topic === 'string' ? [topic] : []))),
]

/** What Kafka Streams would count as dropped. */
const drops = ({ app, result }: TestApp<Topology>): number =>
  app
    .stats()
    .tasks.flatMap(({ dropped }) => dropped)
    .filter(({ operator }) => !result.uncounted.has(operator))
    .reduce((sum, { count }) => sum + count, 0)

/** Lets a topology read and write the topics of an app. */
function sourcesOf(app: App): Sources {
  return {
    stream: (topic) => app.stream<Json>(topic, { value: json() }) as AnyStream,
    table: (topic, options) => app.table<Given>(topic, { value: json(), ...options }) as AnyTable,
    globalTable: (topic) => app.globalTable<Given>(topic, { value: json() }),
    to: (name, topic, stream) => app.run(name, stream.pipe(toTopic(topic, { value: json() }))),
    run: (name, stream) => app.run(name, stream),
  }
}
